#![doc = include_str!("../README.md")]
//!
//! # The modules
//!
//! - [`layout`], [`page`], [`entry`] and [`key`] describe the bytes; the other modules build on them.
//! - [`image`] writes fresh images in the layout of Espressif's generator, and reads them back.
//! - [`storage`] models ESP-IDF's NVS library: it loads, repairs, reads and writes any image, and leaves the flash bit for bit
//!   as the library does.
//! - [`check`] reports what the library would do to an image, [`diff`] compares two images.
//! - [`csv`] reads and writes the generator's tables, [`crypt`] is NVS encryption.
//! - [`error`] has the errors: [`Error`] is this crate's, [`EspError`] names the library's codes.
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
#[doc(hidden)]
pub mod sorted;
pub mod storage;
mod wiped;

pub use error::{Error, EspError};
pub use key::{Key, Namespace, RawName};
