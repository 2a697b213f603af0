//! The ESP-IDF NVS partition format: images as Espressif's generator writes them, storage as the firmware sees it.
//!
//! Two halves share one description of the bytes ([`layout`], [`entry`], [`page`], [`key`]):
//!
//! - [`image`] writes fresh images in the layout of Espressif's `nvs_partition_gen.py`;
//! - [`storage`] is a model of ESP-IDF's own NVS library: it loads, repairs, reads and writes any image and leaves
//!   the flash bit for bit as that library does. [`check`] says what the library would do, [`diff`] compares two.
//!
//! [`csv`] reads the generator's table, [`crypt`] is NVS encryption.
//!
//! The crate is `no_std` with `alloc`, does no I/O, reads no clock and forbids unsafe code. It builds for an ESP32-C3:
//! `cargo build -p fleetmint-nvs --target riscv32imc-unknown-none-elf`.
#![no_std]
extern crate alloc;

pub mod check;
pub mod crypt;
pub mod csv;
pub mod diff;
pub mod entry;
pub mod error;
mod fast;
pub mod image;
pub mod key;
pub mod layout;
mod name;
pub mod page;
pub mod storage;

pub use error::{Error, EspError};
pub use key::{Key, Namespace, RawName};
