//! What is wrong with an image, and what the firmware will do about it.
