//! Fresh images, byte for byte as Espressif's generator, `nvs_partition_gen.py`, makes them.
//!
//! Items are written in the order given, the entry of each namespace before its first item:
//!
//! ```text
//!   page 0, FULL            page 1, ACTIVE          page 2, blank: reserved from 0x3000 bytes on
//!   ┌────────┬────────┐     ┌────────┬────────┐     ┌─────────────────┐
//!   │ header │ bitmap │     │ header │ bitmap │     │ FF FF FF FF …   │
//!   ├────────┴────────┤     ├────────┴────────┤     │                 │
//!   │ namespace prov  │     │ blob, chunk 1   │     │                 │
//!   │ string          │     │   its data      │     │                 │
//!   │   its data      │     │ blob index      │     │                 │
//!   │ blob, chunk 0   │     │ FF FF FF FF …   │     │                 │
//!   │   its data      │     │                 │     │                 │
//!   └─────────────────┘     └─────────────────┘     └─────────────────┘
//! ```
//!
//! The rules of the layout:
//! - A number goes into the next free entry.
//! - A string (in version 1 a blob too) is in one page and never ends on the page's last entry: where it would, it goes to a
//!   new page. Only a string that needs all 126 entries (3969 to 4000 bytes with its NUL) fills a page. Espressif's
//!   generator fails there; the firmware reads what this crate writes.
//! - A blob (version 2) fills each page to its end, chunk by chunk. Its index follows.
//! - A partition of 0x3000 bytes or more keeps one page blank, which the firmware needs for writing. The firmware can only
//!   read smaller partitions, so all their pages may be used.
//!
//! The image always has the size of the partition, padded with 0xFF. For partitions below 0x3000 bytes the *file* of
//! Espressif's generator is shorter: it only has the pages in use; see [`file_len`].
//!
//! [`decode`] reads such an image back, and reports where an image is no longer as it was made.
//!
//! ```
//! use fleetmint_nvs::image::{self, Item};
//! use fleetmint_nvs::{Key, Namespace};
//!
//! let prov = Namespace::new("prov")?;
//! let items = [
//!     Item::new(prov, Key::new("device_key")?, "k1234567"),
//!     Item::new(prov, Key::new("interval")?, 30_u16),
//!     Item::new(prov, Key::new("certificate")?, &[0x30, 0x82][..]),
//! ];
//! let image = image::encode(&items, 0x6000)?;
//! assert_eq!(image.len(), 0x6000);
//!
//! let mut flash = [0; 0x1000];
//! let used = image::encode_into(&items, &mut flash)?;
//! assert_eq!(used, 0x1000);
//! # Ok::<(), fleetmint_nvs::Error>(())
//! ```

mod decoder;
mod writer;

pub use decoder::{Chunks, Decoded, DecodedValue, Decoder, decode};
pub use writer::Writer;

use crate::entry::Number;
use crate::error::Error;
use crate::key::{Key, Namespace};
use crate::layout::{PAGE_SIZE, PARTITION_MAX, READ_WRITE_MIN, Version};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// A value to be written. Values may be secrets, so `Debug` shows only type and size.
#[derive(Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// An integer, float or double.
    Number(Number),
    /// A text without the NUL, which the writer adds: at most 3999 bytes (version 1: 1983).
    Str(&'a str),
    /// Bytes: at most 508,000 (version 1: 1984).
    Blob(&'a [u8]),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{:?}(..)", number.item_type()),
            Self::Str(text) => write!(f, "Str({} bytes)", text.len()),
            Self::Blob(bytes) => write!(f, "Blob({} bytes)", bytes.len()),
        }
    }
}

macro_rules! from_number {
    ($($of:ty => $variant:ident),*) => {$(
        impl From<$of> for Value<'_> {
            fn from(number: $of) -> Self {
                Self::Number(Number::$variant(number))
            }
        }
    )*};
}
from_number!(u8 => U8, i8 => I8, u16 => U16, i16 => I16, u32 => U32, i32 => I32, u64 => U64, i64 => I64, f32 => Float, f64 => Double);

impl From<Number> for Value<'_> {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Blob(bytes)
    }
}

/// A value with its namespace and key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item<'a> {
    /// The namespace. It is created with its first item.
    pub namespace: Namespace,
    /// The key. A namespace holds each key once.
    pub key: Key,
    /// The value.
    pub value: Value<'a>,
}

impl<'a> Item<'a> {
    /// An item.
    pub fn new(namespace: Namespace, key: Key, value: impl Into<Value<'a>>) -> Self {
        Self {
            namespace,
            key,
            value: value.into(),
        }
    }
}

/// The image of a partition of `size` bytes with these items, in version 2 of the format.
///
/// # Errors
/// [`Error::PartitionSize`], and those of [`Writer::set`].
pub fn encode(items: &[Item<'_>], size: usize) -> Result<Vec<u8>, Error> {
    check_size(size)?;
    let mut image = vec![0xFF; size];
    write_all(Writer::over_blank(&mut image, Version::V2)?, items)?;
    Ok(image)
}

/// Writes the image of a partition with these items into `image`, whose length is the partition's size, in version 2 of the
/// format. All of `image` is overwritten; what is not used becomes 0xFF. Allocates nothing.
///
/// Returns the bytes in use, a multiple of 4096: what follows is blank. After an error the content of `image` is unspecified.
///
/// # Errors
/// [`Error::PartitionSize`], and those of [`Writer::set`].
pub fn encode_into(items: &[Item<'_>], image: &mut [u8]) -> Result<usize, Error> {
    write_all(Writer::new(image, Version::V2)?, items)
}

#[inline]
fn write_all(mut writer: Writer<'_>, items: &[Item<'_>]) -> Result<usize, Error> {
    for item in items {
        writer.set(&item.namespace, &item.key, item.value)?;
    }
    Ok(writer.finish())
}

/// The length of the file that Espressif's generator writes for a partition of `size` bytes of which `used` are in use.
///
/// From 0x3000 bytes on it is the whole partition. Below that it ends with the last page in use.
#[must_use]
pub const fn file_len(size: usize, used: usize) -> usize {
    if size < READ_WRITE_MIN { used } else { size }
}

/// Whether a partition can have this size.
///
/// # Errors
/// [`Error::PartitionSize`]: not a multiple of 4096 from 4096 to 16 MiB.
pub fn check_size(size: usize) -> Result<(), Error> {
    if size == 0 || size > PARTITION_MAX || !size.is_multiple_of(PAGE_SIZE) {
        return Err(Error::PartitionSize { size });
    }
    Ok(())
}
