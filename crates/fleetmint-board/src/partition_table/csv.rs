//! The CSV from which the build makes a partition table.
//!
//! ```text
//! # Name,   Type, SubType, Offset,  Size, Flags
//! nvs,      data, nvs,     0x9000,  24K,
//! nvs_keys, data, nvs_keys,,        4K,   encrypted      without an offset: after the partition before it
//! factory,  app,  factory, ,        -0x200000,           a negative size: up to this offset
//! ```
//!
//! Source: `gen_esp32part.py` of ESP-IDF, whose rules these are. The crate `esp-idf-part` reads such tables too, but it
//! always counts from a table at 0x8000, knows no negative sizes, no rows for the boot loader and no subtypes that it does
//! not name, and says of most errors not in which line they are. A board whose table has to come from a file has a large,
//! signed boot loader, and its table is rarely at 0x8000.

use super::{
    APP_ALIGNMENT, APP_SUBTYPES, DATA_SUBTYPES, Partition, PartitionTable, SECTOR, TYPE_APP, TYPE_DATA, quoted_name,
};

const TYPE_BOOTLOADER: u8 = 0x02;
const TYPE_PARTITION_TABLE: u8 = 0x03;
const TYPES: [(&str, u8); 4] = [
    ("app", TYPE_APP),
    ("data", TYPE_DATA),
    ("bootloader", TYPE_BOOTLOADER),
    ("partition_table", TYPE_PARTITION_TABLE),
];
/// Subtypes of the boot loader and of the partition table. The primary ones are where the chip expects them.
const SUBTYPE_PRIMARY: u8 = 0x00;
const PRIMARY_SUBTYPES: [(&str, u8); 3] = [("primary", SUBTYPE_PRIMARY), ("ota", 0x01), ("recovery", 0x02)];
const SUBTYPE_UNDEFINED: u8 = 0x06;
/// The subtypes `ota_0` to `ota_15` of an app.
const OTA: std::ops::Range<u8> = 0x10..0x20;

/// Bytes that a name has at most.
const NAME_MAX: usize = 16;

/// What is wrong with a CSV table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct Error {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong in it.
    pub fault: Fault,
}

/// What is wrong in a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No partition at all.
    #[error("not a partition table: it has no row")]
    Empty,
    /// The bytes are not text.
    #[error("not a partition table: the bytes are neither text nor do they begin with AA 50")]
    NotText,
    /// The script replaces variables of the environment.
    #[error("{text:?} is a variable of the build: write its value in its place")]
    Variable {
        /// The line's field.
        text: String,
    },
    /// A field that must not be empty is.
    #[error(
        "{field} is missing: a row has a name, a type, a subtype, an offset (which may be empty), a size and flags"
    )]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field's text has no meaning.
    #[error("{field} {text:?} is neither a number nor one of {names}")]
    Unknown {
        /// The field's name.
        field: &'static str,
        /// Its text.
        text: String,
        /// The names that it may have.
        names: String,
    },
    /// A field is no number.
    #[error("{field} {text:?} is not a number, such as 4096, 0x1000 or 4K, below 4 GiB")]
    NoNumber {
        /// The field's name.
        field: &'static str,
        /// Its text.
        text: String,
    },
    /// A name is too long.
    #[error("the name {name:?} has {} bytes, at most {NAME_MAX} are allowed", name.len())]
    NameTooLong {
        /// The name.
        name: String,
    },
    /// Two partitions have one name.
    #[error("the name {} is that of an earlier row", quoted_name(name))]
    NameTwice {
        /// The name.
        name: String,
    },
    /// A partition begins before the one before it ends.
    #[error("the partition begins at offset {offset:#x}, before {end:#x}, where what is before it ends")]
    Overlap {
        /// Its offset.
        offset: u64,
        /// Where the partition before it, or the table, ends.
        end: u64,
    },
    /// A partition ends before it begins, or beyond 4 GiB.
    #[error("the partition would end at offset {end:#x} and begins at {offset:#x}")]
    Ends {
        /// Its offset.
        offset: u64,
        /// Its end.
        end: u64,
    },
}

/// The table of a CSV file. `table_offset` is where in the flash the table is.
pub(super) fn parse(bytes: &[u8], table_offset: usize) -> Result<PartitionTable, Error> {
    let at = |line: usize, fault: Fault| Error { line, fault };
    let is_text = |text: &&str| !text.contains('\0');
    let text = std::str::from_utf8(bytes).ok().filter(is_text);
    let text = text.ok_or_else(|| at(1, Fault::NotText))?;
    let text = text.trim_start_matches('\u{FEFF}');
    let mut partitions: Vec<Partition> = Vec::new();
    let mut end = (table_offset as u64).saturating_add(SECTOR as u64);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let row = row(line, &mut end).map_err(|fault| at(number, fault))?;
        let Some(row) = row else { continue };
        if partitions.iter().any(|earlier| earlier.name == row.name) {
            return Err(at(number, Fault::NameTwice { name: row.name }));
        }
        partitions.push(row);
    }
    match partitions.is_empty() {
        true => Err(at(1, Fault::Empty)),
        false => Ok(PartitionTable {
            partitions,
            has_md5: false,
        }),
    }
}

/// The partition of a row, and in `end` where it ends. `None`: the boot loader or the table itself, whose places are not
/// in the row.
fn row(line: &str, end: &mut u64) -> Result<Option<Partition>, Fault> {
    let mut fields = line.split(',').map(str::trim);
    let [name, kind, subtype, offset, size, flags] = std::array::from_fn(|_| fields.next().unwrap_or_default());
    if let Some(text) = [name, kind, subtype, offset, size]
        .into_iter()
        .find(|text| text.contains('$'))
    {
        return Err(Fault::Variable { text: text.to_string() });
    }
    if name.len() > NAME_MAX {
        return Err(Fault::NameTooLong { name: name.to_string() });
    }
    let kind = byte("the type", kind, &TYPES)?;
    let subtype = match (kind, subtype) {
        (TYPE_APP, "") => return Err(Fault::Missing { field: "the subtype" }),
        (_, "") => SUBTYPE_UNDEFINED,
        (TYPE_APP, text) => match ota(text) {
            Some(ota) => ota,
            None => byte("the subtype", text, &APP_SUBTYPES)?,
        },
        (TYPE_DATA, text) => byte("the subtype", text, &DATA_SUBTYPES)?,
        (TYPE_BOOTLOADER | TYPE_PARTITION_TABLE, text) => byte("the subtype", text, &PRIMARY_SUBTYPES)?,
        (_, text) => byte("the subtype", text, &[])?,
    };
    if matches!(kind, TYPE_BOOTLOADER | TYPE_PARTITION_TABLE) && subtype == SUBTYPE_PRIMARY {
        return Ok(None);
    }
    let offset = match offset {
        "" => {
            let multiple = if kind == TYPE_APP { APP_ALIGNMENT } else { SECTOR };
            end.checked_next_multiple_of(multiple as u64).unwrap_or(u64::MAX)
        }
        text => number("the offset", text)?,
    };
    if offset < *end {
        return Err(Fault::Overlap { offset, end: *end });
    }
    *end = match size.strip_prefix('-') {
        _ if size.is_empty() => return Err(Fault::Missing { field: "the size" }),
        Some(text) => number("the size", text)?,
        None => offset.saturating_add(number("the size", size)?),
    };
    let ends = Fault::Ends { offset, end: *end };
    let (Ok(begin), Ok(_), Some(size)) = (u32::try_from(offset), u32::try_from(*end), end.checked_sub(offset)) else {
        return Err(ends);
    };
    let mut partition = Partition {
        name: name.to_string(),
        offset: begin as usize,
        size: usize::try_from(size).map_err(|_| ends)?,
        encrypted: false,
        readonly: false,
        kind,
        subtype,
    };
    for flag in flags.split(':').map(str::trim).filter(|flag| !flag.is_empty()) {
        match flag {
            "encrypted" => partition.encrypted = true,
            "readonly" => partition.readonly = true,
            _ => {
                return Err(Fault::Unknown {
                    field: "the flag",
                    text: flag.to_string(),
                    names: "encrypted, readonly".to_string(),
                });
            }
        }
    }
    Ok(Some(partition))
}

fn ota(text: &str) -> Option<u8> {
    let slot: u8 = text.strip_prefix("ota_")?.parse().ok()?;
    Some(OTA.start.checked_add(slot)?).filter(|subtype| OTA.contains(subtype))
}

/// A name or a number of one byte.
fn byte(field: &'static str, text: &str, names: &[(&str, u8)]) -> Result<u8, Fault> {
    if text.is_empty() {
        return Err(Fault::Missing { field });
    }
    if let Some((_, value)) = names.iter().find(|(name, _)| *name == text.to_ascii_lowercase()) {
        return Ok(*value);
    }
    let value = number(field, text).ok().and_then(|value| u8::try_from(value).ok());
    value.ok_or_else(|| Fault::Unknown {
        field,
        text: text.to_string(),
        names: names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
    })
}

/// Digits as Python reads them, and a suffix K or M.
fn number(field: &'static str, text: &str) -> Result<u64, Fault> {
    let lower = text.to_ascii_lowercase();
    let (digits, factor) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(digits), _) => (digits.trim_end(), 1 << 10),
        (_, Some(digits)) => (digits.trim_end(), 1 << 20),
        _ => (lower.as_str(), 1),
    };
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (digits.get(2..).unwrap_or_default(), 16),
        Some("0b") => (digits.get(2..).unwrap_or_default(), 2),
        Some("0o") => (digits.get(2..).unwrap_or_default(), 8),
        _ => (digits, 10),
    };
    let value = match digits.starts_with('+') {
        true => None,
        false => u32::from_str_radix(digits, radix).ok(),
    };
    value
        .map(|value| u64::from(value) * factor)
        .filter(|value| *value <= u64::from(u32::MAX))
        .ok_or_else(|| Fault::NoNumber {
            field,
            text: text.to_string(),
        })
}
