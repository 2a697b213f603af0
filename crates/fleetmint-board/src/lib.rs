//! What an ESP32 board is and needs, without I/O, and how the contents of one may be shown.

pub mod answers;
pub mod credentials;
pub mod escape;
pub mod flash_dump;
pub mod partition_table;
pub mod patch;
pub mod plan;
pub mod provisioning;
pub mod report;
pub mod stored;
pub mod wiped;
