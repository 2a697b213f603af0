//! The partition table: which part of the flash is whose.
//!
//! ```text
//!   flash   0        0x8000   0x8C00  0x9000          0xF000
//!           ┌────────┬────────┬───────┬───────────────┬────────┬──────────
//!           │ boot-  │ table  │       │ nvs           │ phy_   │ factory …
//!           │ loader │        │       │ (0x6000)      │ init   │
//!           └────────┴────────┴───────┴───────────────┴────────┴──────────
//!
//!   table   ┌───────────┬───────────┬───┬──────────┬─────┐
//!           │ partition │ partition │ … │ checksum │ end │      rows of 32 bytes, drawn in `row`
//!           └───────────┴───────────┴───┴──────────┴─────┘
//! ```
//!
//! The checksum is optional, and must match where it exists. Sources: the "Partition Tables" chapter of the ESP-IDF
//! programming guide, `components/partition_table/gen_esp32part.py`.
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

mod csv;
mod nvs;
mod row;

pub use csv::{Error as CsvError, Fault as CsvFault};
pub use nvs::Unfit;

use std::borrow::Cow;
use std::ops::Range;

use md5::{Digest, Md5};

use row::{PartitionRow, ROW_SIZE, Row};

/// Offset of the table in the flash, unless the project's configuration sets another.
pub const OFFSET: usize = 0x8000;

/// Bytes that the table has at most.
pub const SIZE: usize = 0xC00;

const TYPE_APP: u8 = 0x00;
const TYPE_DATA: u8 = 0x01;
const SUBTYPE_NVS: u8 = 0x02;
const SUBTYPE_NVS_KEYS: u8 = 0x04;

/// The names of subtypes in the CSV of a table. Source: `SUBTYPES` in `gen_esp32part.py`.
const APP_SUBTYPES: [(&str, u8); 4] = [("factory", 0x00), ("test", 0x20), ("tee_0", 0x30), ("tee_1", 0x31)];
const DATA_SUBTYPES: [(&str, u8); 12] = [
    ("ota", 0x00),
    ("phy", 0x01),
    ("nvs", SUBTYPE_NVS),
    ("coredump", 0x03),
    ("nvs_keys", SUBTYPE_NVS_KEYS),
    ("efuse", 0x05),
    ("undefined", 0x06),
    ("esphttpd", 0x80),
    ("fat", 0x81),
    ("spiffs", 0x82),
    ("littlefs", 0x83),
    ("tee_ota", 0x90),
];
const FLAG_ENCRYPTED: u32 = 1 << 0;
const FLAG_READONLY: u32 = 1 << 1;

/// The flash is erased in sectors of this size, and ESP-IDF requires every partition to begin at one.
const SECTOR: usize = 0x1000;
/// The chip maps flash into its memory in pages of this size, so an app must begin at one.
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
    /// Its offset in the flash, in bytes.
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

/// Why a partition is not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not a partition table.
    #[error("there is no partition table at offset {offset:#x}: the first row would begin with AA 50")]
    NoTable {
        /// The offset of the bytes.
        offset: usize,
    },
    /// The bytes begin like a table, and break a rule for tables.
    #[error("the partition table at offset {offset:#x} is unusable: {reason}")]
    Unusable {
        /// The offset of the table.
        offset: usize,
        /// The rule that it breaks.
        reason: String,
    },
    /// The table has no partition of this name.
    #[error("the partition table has no partition {name:?}; it has {}", list(names))]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// The names in the table.
        names: Vec<String>,
    },
    /// The flash, or the dump of it, ends before the partition does.
    #[error("partition {name:?} ends at offset {end:#x}, the flash dump at {len:#x}")]
    CutOff {
        /// The partition.
        name: String,
        /// Offset of its end in the flash.
        end: usize,
        /// Bytes in the flash dump.
        len: usize,
    },
}

/// Why the file of a table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub enum FileError {
    /// A binary table.
    Binary(#[from] Error),
    /// A table as CSV.
    Csv(#[from] CsvError),
}

/// A partition whose offset or size is not a multiple of what ESP-IDF requires.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misaligned {
    /// Its offset is none.
    #[error(
        "partition {name:?} begins at offset {offset:#x}, which is not a multiple of {multiple:#x}, as ESP-IDF requires of \
         {} partition: gen_esp32part.py refuses such a table",
        if *multiple == APP_ALIGNMENT { "an app" } else { "every" }
    )]
    Offset {
        /// Its name.
        name: String,
        /// Its offset in the flash.
        offset: usize,
        /// The number that the offset must be a multiple of.
        multiple: usize,
    },
    /// Its size is none.
    #[error(
        "partition {name:?} at offset {offset:#x} has {size:#x} bytes, which is not a multiple of {SECTOR:#x}: the flash is \
         erased in sectors of that size"
    )]
    Size {
        /// Its name.
        name: String,
        /// Its offset in the flash.
        offset: usize,
        /// Its size.
        size: usize,
    },
}

/// The name of a partition in a message. It is quoted if it is empty or has other characters than letters, digits, `_`, `-`
/// and `.`.
#[must_use]
pub fn quoted_name(name: &str) -> Cow<'_, str> {
    let is_plain = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.');
    if !name.is_empty() && name.chars().all(is_plain) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{name:?}"))
    }
}

/// The names, separated by commas.
pub(crate) fn list(names: &[String]) -> String {
    let names: Vec<Cow<'_, str>> = names.iter().map(|name| quoted_name(name)).collect();
    names.join(", ")
}

impl PartitionTable {
    /// Whether a table may be at this offset: its first bytes are those of a partition's row. No NVS page begins with them.
    #[must_use]
    pub fn is_at(flash: &[u8], offset: usize) -> bool {
        flash.get(offset..).is_some_and(row::begins_with_partition)
    }

    /// Reads the table of a flash, whose bytes are given from its first on.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::Unusable`].
    pub fn in_flash(flash: &[u8], offset: usize) -> Result<Self, Error> {
        Self::decode(flash.get(offset..).unwrap_or_default(), offset)
    }

    /// Reads a table, of which `bytes` are the first. `offset` is where in the flash they are.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::Unusable`].
    pub fn decode(bytes: &[u8], offset: usize) -> Result<Self, Error> {
        if !row::begins_with_partition(bytes) {
            return Err(Error::NoTable { offset });
        }
        let unusable = |reason: String| Error::Unusable { offset, reason };
        let (rows, _) = bytes.get(..SIZE).unwrap_or(bytes).as_chunks::<ROW_SIZE>();
        let mut partitions: Vec<Partition> = Vec::new();
        let mut md5 = Md5::new();
        let mut has_md5 = false;
        for (number, bytes) in rows.iter().enumerate() {
            match Row::decode(bytes) {
                Row::Partition(row) => {
                    let partition =
                        Partition::from_row(&row).map_err(|reason| unusable(format!("row {number} {reason}")))?;
                    if partitions.iter().any(|known| known.name == partition.name) {
                        return Err(unusable(format!("two partitions have the name {:?}", partition.name)));
                    }
                    md5.update(bytes);
                    partitions.push(partition);
                }
                Row::Checksum { md5: stored } if md5.clone().finalize() == stored => has_md5 = true,
                Row::Checksum { .. } => return Err(unusable("its MD5 does not match its rows".to_string())),
                Row::End => return Ok(Self { partitions, has_md5 }),
                Row::Unknown => {
                    let reason = format!("row {number} begins with neither AA 50 nor EB EB nor FF FF");
                    return Err(unusable(reason));
                }
            }
        }
        Err(unusable(format!(
            "it has no last row of 0xFF bytes within {SIZE:#x} bytes"
        )))
    }

    /// Reads the file of a table: the binary of the build, or the CSV from which `gen_esp32part.py` makes it. `offset` is
    /// where in the flash the table is, from which the script computes the offsets that the CSV leaves out.
    ///
    /// ```
    /// use fleetmint_board::partition_table::{self, PartitionTable};
    ///
    /// let csv = "nvs, data, nvs, , 24K\nfactory, app, factory, , 1M\n";
    /// let table = PartitionTable::from_file(csv.as_bytes(), partition_table::OFFSET)?;
    /// assert_eq!(table.find("nvs")?.offset, 0x9000);
    /// assert_eq!(table.find("factory")?.offset, 0x10000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FileError`].
    pub fn from_file(bytes: &[u8], offset: usize) -> Result<Self, FileError> {
        if row::begins_with_partition(bytes) {
            return Ok(Self::decode(bytes, offset)?);
        }
        Ok(csv::parse(bytes, offset)?)
    }

    /// The partitions, in the order of the table.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Whether it has an MD5 of its rows. ESP-IDF writes one unless the project's configuration turns it off.
    #[must_use]
    pub fn has_md5(&self) -> bool {
        self.has_md5
    }

    /// The partition of this name.
    ///
    /// # Errors
    /// [`Error::NotFound`], with the names in the table.
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
    /// An NVS partition without flags, at this place.
    #[must_use]
    pub const fn nvs(name: String, offset: usize, size: usize) -> Self {
        Self {
            name,
            offset,
            size,
            encrypted: false,
            readonly: false,
            kind: TYPE_DATA,
            subtype: SUBTYPE_NVS,
        }
    }

    fn from_row(row: &PartitionRow) -> Result<Self, &'static str> {
        if row.offset.checked_add(row.size).is_none() {
            return Err("ends beyond 4 GiB");
        }
        let name = row.name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            offset: row.offset as usize,
            size: row.size as usize,
            encrypted: row.flags & FLAG_ENCRYPTED != 0,
            readonly: row.flags & FLAG_READONLY != 0,
            kind: row.kind,
            subtype: row.subtype,
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

    /// Its type and subtype as the CSV of a partition table names them: `app`, `data, phy`. Those without a name are numbers.
    #[must_use]
    pub fn type_name(&self) -> String {
        let subtype = DATA_SUBTYPES.iter().find(|(_, subtype)| *subtype == self.subtype);
        let subtype = subtype.map_or("", |(name, _)| *name);
        match (self.kind, subtype) {
            (TYPE_APP, _) => "app".to_string(),
            (TYPE_DATA, "") => format!("data, {:#04x}", self.subtype),
            (TYPE_DATA, subtype) => format!("data, {subtype}"),
            (kind, _) => format!("{kind:#04x}, {:#04x}", self.subtype),
        }
    }

    /// The rule that its offset or its size breaks, if any. The offset is checked first.
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

    /// Its place in a flash of `len` bytes.
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
