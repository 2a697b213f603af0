//! What an ESP32 board is and needs, without I/O; and how what is read from one may be shown.

pub mod credentials;
pub mod escape;
pub mod flash_dump;
pub mod partition_table;
pub mod patch;
pub mod provisioning;
