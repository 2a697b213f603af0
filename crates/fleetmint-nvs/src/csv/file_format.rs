//! Files that are not tables: what spreadsheets and editors write instead, and files given by mistake.

use crate::layout::PAGE_SIZE;
use core::fmt;

/// What a file is that is not UTF-8 text with commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFormat {
    /// Text in UTF-16, with a byte-order mark or without.
    Utf16,
    /// A ZIP archive, which the formats of Excel and `LibreOffice` are.
    Zip,
    /// An image of an NVS partition.
    NvsImage,
    /// The header holds NUL bytes.
    Binary,
    /// The columns are separated by another character than a comma.
    Separator(char),
    /// The first row is a row of a table, not a header.
    NoHeader,
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf16 => f.write_str("the file is UTF-16; save it as UTF-8 (\"CSV UTF-8\" in Excel)"),
            Self::Zip => f.write_str(
                "the file is a ZIP archive, most likely a spreadsheet in its own format; export it as CSV in UTF-8",
            ),
            Self::NvsImage => f.write_str("the file is an image of an NVS partition, not a table"),
            Self::Binary => f.write_str("the file is not text: its header holds NUL bytes"),
            Self::Separator('\t') => f.write_str(
                "the columns are separated by tabs; a table needs commas (and quotes around a value with a comma)",
            ),
            Self::Separator(separator) => write!(
                f,
                "the columns are separated by \"{separator}\"; a table needs commas (and quotes around a value with a comma)"
            ),
            Self::NoHeader => {
                f.write_str("the header is missing; the first line must name the columns: key,type,encoding,value")
            }
        }
    }
}

/// What the file is by its first bytes, where these rule out a table.
pub(super) fn of(file: &[u8]) -> Option<FileFormat> {
    match file {
        [_, 0xFF, 0xFF, 0xFF, ..] if !file.is_empty() && file.len().is_multiple_of(PAGE_SIZE) => {
            Some(FileFormat::NvsImage)
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some(FileFormat::Utf16),
        // Without a byte-order mark: two characters of ASCII.
        [0, 1..=0x7F, 0, 1..=0x7F, ..] | [1..=0x7F, 0, 1..=0x7F, 0, ..] => Some(FileFormat::Utf16),
        [b'P', b'K', 3, 4, ..] => Some(FileFormat::Zip),
        _ => None,
    }
}
