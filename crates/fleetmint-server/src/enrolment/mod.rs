//! A device and its client come and go together.
