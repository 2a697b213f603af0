//! The partition table: which part of the flash is whose.
//!
//! ```text
//!   flash   0        0x8000   0x8C00  0x9000          0xF000
//!           ┌────────┬────────┬───────┬───────────────┬────────┬──────────
//!           │ boot-  │ table  │       │ nvs           │ phy_   │ factory …
//!           │ loader │        │       │ (0x6000)      │ init   │
//!           └────────┴────────┴───────┴───────────────┴────────┴──────────
//!
//!   a row   AA 50 | type | subtype | offset, 4 bytes | size, 4 bytes | name, 16 bytes | flags, 4 bytes
//! ```
//!
//! The table ends with a row of 0xFF; before it a row EB EB may hold the MD5 of the rows, which then has to fit. Sources:
//! the "Partition Tables" chapter of the ESP-IDF programming guide, `components/partition_table/gen_esp32part.py`.
//!
//! ```
//! use fleetmint_board::partition_table::{self, PartitionTable};
//! # let mut flash = vec![0xFF; 0x10000];
//! # flash[0x8000..0x8020].copy_from_slice(b"\xaa\x50\x01\x02\0\x90\0\0\0\x60\0\0nvs\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
//! # flash[0x8020..0x8040].copy_from_slice(b"\xaa\x50\0\0\0\0\x01\0\0\0\x10\0factory\0\0\0\0\0\0\0\0\0\0\0\0\0");
//! let table = PartitionTable::in_flash(&flash, partition_table::OFFSET)?;
//! let nvs = table.find("nvs")?;
//! assert_eq!((nvs.offset, nvs.size, nvs.is_nvs()), (0x9000, 0x6000, true));
//! assert_eq!(nvs.within(flash.len())?, 0x9000..0xF000);
//! # Ok::<(), partition_table::Error>(())
//! ```

use std::borrow::Cow;
use std::ops::Range;

use md5::{Digest, Md5};

/// Where the table lies in the flash, unless the project's configuration says otherwise.
pub const OFFSET: usize = 0x8000;

/// The most bytes that the table takes.
pub const SIZE: usize = 0xC00;

const ROW: usize = 32;
const ROW_MAGIC: [u8; 2] = [0xAA, 0x50];
const MD5_MAGIC: [u8; 2] = [0xEB, 0xEB];
const TYPE_APP: u8 = 0x00;
const TYPE_DATA: u8 = 0x01;
const SUBTYPE_NVS: u8 = 0x02;
const SUBTYPE_NVS_KEYS: u8 = 0x04;
const FLAG_ENCRYPTED: u32 = 1 << 0;
const FLAG_READONLY: u32 = 1 << 1;

/// The flash is erased in sectors of this size, and ESP-IDF requires of every partition to begin at one.
const SECTOR: usize = 0x1000;
/// The chip maps flash into its memory in pages of this size, so an app has to begin at one.
///
/// Source of both: `ALIGNMENT` in `gen_esp32part.py`.
const APP_ALIGNMENT: usize = 0x10000;

/// The partitions of a flash, in the order of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionTable {
    partitions: Vec<Partition>,
    has_md5: bool,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The label.
    pub name: String,
    /// Where it begins in the flash, in bytes.
    pub offset: usize,
    /// Its size in bytes.
    pub size: usize,
    /// Whether flash encryption covers it. An NVS partition must not carry this flag: NVS encrypts by itself.
    pub encrypted: bool,
    /// Whether the firmware may only read it.
    pub readonly: bool,
    kind: u8,
    subtype: u8,
}

/// Why there is no such partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing that looks like a table.
    #[error("there is no partition table at offset {offset:#x}: the first row would begin with AA 50")]
    NoTable {
        /// Where it was looked for.
        offset: usize,
    },
    /// Something that looks like a table and isn't one.
    #[error("the partition table at offset {offset:#x} is unusable: {reason}")]
    Unusable {
        /// Where the table is.
        offset: usize,
        /// The rule that it breaks.
        reason: String,
    },
    /// No partition of this name.
    #[error("the partition table has no partition {name:?}; it has {}", list(names))]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        names: Vec<String>,
    },
    /// The flash, or the dump of it, ends before the partition does.
    #[error("partition {name:?} ends at offset {end:#x}, the flash dump at {len:#x}")]
    CutOff {
        /// The partition.
        name: String,
        /// Where it ends.
        end: usize,
        /// Where the flash ends.
        len: usize,
    },
}

/// A partition that does not lie at the boundaries of the flash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misaligned {
    /// It begins somewhere else.
    #[error(
        "partition {name:?} begins at offset {offset:#x}, which is not a multiple of {multiple:#x}, as ESP-IDF requires of \
         {} partition: gen_esp32part.py refuses such a table",
        if *multiple == APP_ALIGNMENT { "an app" } else { "every" }
    )]
    Offset {
        /// Its name.
        name: String,
        /// Where it begins.
        offset: usize,
        /// What the offset has to be a multiple of.
        multiple: usize,
    },
    /// It ends somewhere else.
    #[error(
        "partition {name:?} at offset {offset:#x} has {size:#x} bytes, which is not a multiple of {SECTOR:#x}: the flash is \
         erased in sectors of that size"
    )]
    Size {
        /// Its name.
        name: String,
        /// Where it begins.
        offset: usize,
        /// Its size.
        size: usize,
    },
}

/// The name of a partition as messages have it in a list: quoted where it is empty, or has more than letters, digits, and
/// `_`, `-`, `.`.
#[must_use]
pub fn shown_name(name: &str) -> Cow<'_, str> {
    let is_plain = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.');
    if !name.is_empty() && name.chars().all(is_plain) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{name:?}"))
    }
}

/// Names for people to choose from.
pub(crate) fn list(names: &[String]) -> String {
    let names: Vec<Cow<'_, str>> = names.iter().map(|name| shown_name(name)).collect();
    names.join(", ")
}

impl PartitionTable {
    /// Whether a flash seems to have a table at this offset. No NVS page can begin with these bytes.
    #[must_use]
    pub fn is_at(flash: &[u8], offset: usize) -> bool {
        flash.get(offset..).is_some_and(|bytes| bytes.starts_with(&ROW_MAGIC))
    }

    /// Reads the table of a flash that is there from its first byte on.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::Unusable`].
    pub fn in_flash(flash: &[u8], offset: usize) -> Result<Self, Error> {
        if !Self::is_at(flash, offset) {
            return Err(Error::NoTable { offset });
        }
        let unusable = |reason: String| Error::Unusable { offset, reason };
        let end = flash.len().min(offset.saturating_add(SIZE));
        let (rows, _) = flash.get(offset..end).unwrap_or_default().as_chunks::<ROW>();
        let mut partitions: Vec<Partition> = Vec::new();
        let mut md5 = Md5::new();
        let mut has_md5 = false;
        for (number, row) in rows.iter().enumerate() {
            if row.starts_with(&ROW_MAGIC) {
                let partition =
                    Partition::from_row(row).map_err(|reason| unusable(format!("row {number} {reason}")))?;
                if partitions.iter().any(|known| known.name == partition.name) {
                    return Err(unusable(format!("two partitions have the name {:?}", partition.name)));
                }
                md5.update(row);
                partitions.push(partition);
            } else if row.starts_with(&MD5_MAGIC) {
                if !row.ends_with(&md5.clone().finalize()) {
                    return Err(unusable("its MD5 does not fit its rows".to_string()));
                }
                has_md5 = true;
            } else if row.iter().all(|byte| *byte == 0xFF) {
                return Ok(Self { partitions, has_md5 });
            } else {
                return Err(unusable(format!(
                    "row {number} begins with neither AA 50 nor EB EB nor FF FF"
                )));
            }
        }
        Err(unusable(format!("no row of 0xFF ends it within {SIZE:#x} bytes")))
    }

    /// The partitions, in the order of the table.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Whether an MD5 proves its rows. ESP-IDF writes one unless the project's configuration turns it off.
    #[must_use]
    pub fn has_md5(&self) -> bool {
        self.has_md5
    }

    /// The partition of this name.
    ///
    /// # Errors
    /// [`Error::NotFound`], with the names that there are.
    pub fn find(&self, name: &str) -> Result<&Partition, Error> {
        self.partitions
            .iter()
            .find(|partition| partition.name == name)
            .ok_or_else(|| Error::NotFound {
                name: name.to_string(),
                names: self.partitions.iter().map(|partition| partition.name.clone()).collect(),
            })
    }
}

impl Partition {
    fn from_row(row: &[u8; ROW]) -> Result<Self, &'static str> {
        let [
            _,
            _,
            kind,
            subtype,
            o0,
            o1,
            o2,
            o3,
            s0,
            s1,
            s2,
            s3,
            name @ ..,
            f0,
            f1,
            f2,
            f3,
        ] = *row;
        let (offset, size) = (
            u32::from_le_bytes([o0, o1, o2, o3]),
            u32::from_le_bytes([s0, s1, s2, s3]),
        );
        if offset.checked_add(size).is_none() {
            return Err("ends beyond 4 GiB");
        }
        let flags = u32::from_le_bytes([f0, f1, f2, f3]);
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            offset: offset as usize,
            size: size as usize,
            encrypted: flags & FLAG_ENCRYPTED != 0,
            readonly: flags & FLAG_READONLY != 0,
            kind,
            subtype,
        })
    }

    /// Whether its type is data, NVS.
    #[must_use]
    pub fn is_nvs(&self) -> bool {
        (self.kind, self.subtype) == (TYPE_DATA, SUBTYPE_NVS)
    }

    /// Whether its type is data, `nvs_keys`: the keys of encrypted NVS partitions.
    #[must_use]
    pub fn is_nvs_keys(&self) -> bool {
        (self.kind, self.subtype) == (TYPE_DATA, SUBTYPE_NVS_KEYS)
    }

    /// Whether its type is app.
    #[must_use]
    pub fn is_app(&self) -> bool {
        self.kind == TYPE_APP
    }

    /// Its type and subtype, in the words of a partition table's CSV where it has one: `app`, `data, phy`.
    #[must_use]
    pub fn type_name(&self) -> String {
        // Source: `gen_esp32part.py`.
        let subtype = match self.subtype {
            0x00 => "ota",
            0x01 => "phy",
            SUBTYPE_NVS => "nvs",
            0x03 => "coredump",
            SUBTYPE_NVS_KEYS => "nvs_keys",
            0x05 => "efuse",
            0x06 => "undefined",
            0x80 => "esphttpd",
            0x81 => "fat",
            0x82 => "spiffs",
            0x83 => "littlefs",
            _ => "",
        };
        match (self.kind, subtype) {
            (TYPE_APP, _) => "app".to_string(),
            (TYPE_DATA, "") => format!("data, {:#04x}", self.subtype),
            (TYPE_DATA, subtype) => format!("data, {subtype}"),
            (kind, _) => format!("{kind:#04x}, {:#04x}", self.subtype),
        }
    }

    /// Which rule about its place it breaks, if any. Its offset comes first.
    #[must_use]
    pub fn misaligned(&self) -> Option<Misaligned> {
        let multiple = if self.is_app() { APP_ALIGNMENT } else { SECTOR };
        let name = || self.name.clone();
        if !self.offset.is_multiple_of(multiple) {
            return Some(Misaligned::Offset {
                name: name(),
                offset: self.offset,
                multiple,
            });
        }
        (!self.size.is_multiple_of(SECTOR)).then(|| Misaligned::Size {
            name: name(),
            offset: self.offset,
            size: self.size,
        })
    }

    /// Where it lies in a flash of `len` bytes.
    ///
    /// # Errors
    /// [`Error::CutOff`].
    pub fn within(&self, len: usize) -> Result<Range<usize>, Error> {
        let end = self.offset.saturating_add(self.size);
        if end > len {
            return Err(Error::CutOff {
                name: self.name.clone(),
                end,
                len,
            });
        }
        Ok(self.offset..end)
    }
}
