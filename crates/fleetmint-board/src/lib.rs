//! What an ESP32 board is and needs, without I/O.

pub mod credentials;
pub mod flash_dump;
pub mod partition_table;
pub mod patch;
pub mod provisioning;
