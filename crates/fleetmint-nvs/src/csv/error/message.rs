//! The text of each error. No text shows a value, which may be a secret.

use super::{Error, ErrorKind, NumberLooks, SurplusComma};
use crate::csv::NO_COMPUTED_ROWS;
use crate::csv::encoding::Encoding;
use crate::layout::{BLOB_MAX, ENTRY_SIZE};
use core::fmt;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.kind)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileFormat(format) => format.fmt(f),
            Self::NotUtf8 => f.write_str("the text is not UTF-8; save it as UTF-8 (\"CSV UTF-8\" in Excel)"),
            Self::Empty => f.write_str("the table has no rows"),
            Self::RowTooLong { limit } => write!(
                f,
                "the row has more than {limit} bytes, the most that a row can have; is a closing quote missing?"
            ),
            Self::TooManyColumns { limit } => {
                write!(f, "the row has more than {limit} fields, the most that a row can have")
            }
            Self::TooManyRows { limit } => write!(f, "this is row {}; a list has at most {limit} rows", limit + 1),
            Self::UnclosedQuote => f.write_str("a quoted value has no closing quote"),
            Self::MissingColumn { column } => write!(
                f,
                "the header has no column {column:?}; it must name the columns key, type, encoding and value"
            ),
            Self::RepeatedColumn { column } => write!(f, "the header names the column {column:?} twice"),
            Self::TooManyFields { fields, columns, cause } => {
                write!(f, "the row has {fields} fields, the header {columns} columns; {cause}")
            }
            Self::MissingField { column: "type" } => {
                f.write_str("the row ends before its type; a value with several lines needs quotes")
            }
            Self::MissingField { column } => write!(f, "the row ends before its {column}"),
            Self::UnquotedPem { key } => write!(
                f,
                "key {key:?}: the value begins a PEM block whose other lines are outside of it; put the whole block in quotes \
                 that begin right after the comma, or name its file in a row of type file"
            ),
            Self::UnknownType { key, found } => {
                write!(
                    f,
                    "key {key:?}: type {found:?} is none of namespace, data, file, option, and delete, delete-all in change lists"
                )?;
                suggestion(
                    f,
                    found,
                    ["namespace", "data", "file", "option", "delete", "delete-all"],
                )
            }
            Self::UnknownEncoding { key, found } => {
                write!(
                    f,
                    "key {key:?}: encoding {found:?} is none of u8, i8, u16, i16, u32, i32, u64, i64, float, double, string, \
                     binary, hex2bin, base64, blob_fill(n;0xXX), blob_sz_fill(n;0xXX)"
                )?;
                suggestion(
                    f,
                    found,
                    Encoding::NUMBER_NAMES.into_iter().chain(Encoding::OTHER_NAMES),
                )
            }
            Self::UnknownOption { found } => write!(
                f,
                "option {found:?} is unknown; the only option is {NO_COMPUTED_ROWS}, in the column encoding"
            ),
            Self::NeedlessField { column, row_type } => write!(f, "a {row_type} row takes no {column}"),
            Self::NotANumber { key, encoding, looks } => {
                write!(f, "key {key:?}: the value is not a number, which {encoding} requires")?;
                looks.advice(f, matches!(*encoding, "float" | "double"))
            }
            Self::OutOfRange {
                key,
                encoding,
                min,
                max,
            } => write!(
                f,
                "key {key:?}: the value is out of range for {encoding}, which goes from {min} to {max}"
            ),
            Self::Hex { key, at, odd: false } => write!(
                f,
                "key {key:?}: the value is not hexadecimal: character {} is not a digit",
                at + 1
            ),
            Self::Hex { key, at, odd: true } => write!(
                f,
                "key {key:?}: the value has {at} hexadecimal digits; their number must be even"
            ),
            Self::Base64 { key, reason } => write!(f, "key {key:?}: the value is not base64: {reason}"),
            Self::FillTooLong { key, size, limit } => write!(
                f,
                "key {key:?}: the value has {size} bytes; its encoding allows {limit}"
            ),
            Self::FillTooLarge { key } => write!(
                f,
                "key {key:?}: the encoding asks for more than the {BLOB_MAX} bytes that a blob can have"
            ),
            Self::File { key, path, reason } => write!(f, "key {key:?}: file {path:?}: {reason}"),
            Self::FileNotUtf8 { key, path, offset } => write!(
                f,
                "key {key:?}: file {path:?} is not UTF-8 (offset {offset}), which its encoding requires"
            ),
            Self::NoNamespace { key } => write!(f, "key \"{key}\" comes before any namespace row"),
            Self::Reopened {
                namespace,
                first,
                latest,
            } => write!(
                f,
                "namespace \"{namespace}\" of {first} is opened again after \"{latest}\"; Espressif's generator would write \
                 this row into \"{latest}\": put the rows of a namespace together"
            ),
            Self::DuplicateKey {
                namespace,
                key,
                first,
                along_with,
            } => {
                write!(f, "key \"{key}\"")?;
                if let Some(row) = along_with {
                    write!(f, ", which is written along with \"{row}\",")?;
                }
                write!(
                    f,
                    " is already in namespace \"{namespace}\", by {first}; the firmware would read the first"
                )
            }
            Self::ChangeRow { row_type } => write!(
                f,
                "{row_type} rows are for the change lists of `nvs patch`; a fresh image has nothing to delete"
            ),
            Self::WifiText { key } => write!(
                f,
                "key \"{key}\": Espressif's generator computes the Wi-Fi values that go with it from the text in this row, \
                 not from the value that type and encoding make of it; use type data with encoding string, binary or \
                 blob_sz_fill"
            ),
            Self::NotWritable { name, reason } => write!(f, "{name:?} can't be written into a table: {reason}"),
            Self::Image(crate::Error::NotEnoughSpace { key, needed, free }) => write!(
                f,
                "\"{key}\" does not fit: it needs {needed} entries of {ENTRY_SIZE} bytes, {free} are left; a larger size is needed"
            ),
            Self::Image(error) => error.fmt(f),
        }
    }
}

/// What to do about the comma.
impl fmt::Display for SurplusComma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unquoted => "a value with a comma needs quotes",
            Self::TypographicQuotes => {
                "a value with a comma needs plain quotes (\"); typographic quotes are not recognized"
            }
            Self::BlankBeforeQuote => {
                "a value with a comma needs quotes that begin right after the comma before it, without a blank"
            }
            Self::InNumber => "a number must be written without commas",
        })
    }
}

impl NumberLooks {
    /// What to do about the text, after what is wrong with it.
    fn advice(self, f: &mut fmt::Formatter<'_>, is_float: bool) -> fmt::Result {
        f.write_str(match self {
            Self::Other => "",
            Self::Formatted if is_float => {
                "; write it with a decimal point and without separators, as 1234.5 or 1e-3"
            }
            Self::Formatted => {
                "; it looks like 1.0, 1E+05 or 1,234, as spreadsheets format numbers: format the column as text and write \
                 only the digits"
            }
            Self::TypographicQuotes => "; it has typographic quotes, which are not recognized: write it without quotes",
            Self::TypographicMinus(minus) => {
                return write!(
                    f,
                    "; its minus is the typographic sign U+{:04X}: write the plain -",
                    u32::from(minus)
                );
            }
            Self::OtherDigits => "; it has digits of another script: write 0 to 9",
            Self::TruthValue => "; it is a truth value: write 1 or 0",
            Self::Radix if is_float => "; floats and doubles must be decimal",
            Self::Radix => "; write it in decimal, or in hexadecimal with 0x before the digits",
            Self::Formula => "; it looks like a formula or an error of a spreadsheet: write the number itself",
            Self::Empty => "; it is empty: write a number, or leave the key out",
        })
    }
}

/// Suggests the name that differs only by blanks or case, if there is one.
fn suggestion<'a>(f: &mut fmt::Formatter<'_>, found: &str, names: impl IntoIterator<Item = &'a str>) -> fmt::Result {
    let trimmed = found.trim();
    match names.into_iter().find(|name| name.eq_ignore_ascii_case(trimmed)) {
        Some(name) if trimmed != found => write!(f, "; write {name:?}, without blanks around it"),
        Some(name) => write!(f, "; write {name:?}"),
        None => Ok(()),
    }
}
