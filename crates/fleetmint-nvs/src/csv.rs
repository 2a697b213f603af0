//! The table that Espressif's generator reads.
