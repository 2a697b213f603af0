//! What an ESP32 board is and needs, without I/O.

pub mod provisioning;
