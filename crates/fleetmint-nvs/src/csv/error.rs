//! What can be wrong with a table. No message shows a value, which may be a secret.

use super::file_format::FileFormat;
use super::row::{Encoding, NO_COMPUTED_ROWS};
use crate::key::{Key, Namespace};
use crate::layout::{BLOB_MAX, ENTRY_SIZE};
use alloc::string::String;
use core::fmt;

/// What is wrong with a table, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The line, from 1, in which the row begins.
    pub line: usize,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// Where a row stands when one image is made of several tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which table, from 1 in the order they were added.
    pub table: usize,
    /// The line in it, from 1.
    pub line: usize,
    /// Whether it is another table than the one that the error is about.
    pub elsewhere: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if self.elsewhere {
            write!(f, " of table {}", self.table)
        } else {
            Ok(())
        }
    }
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file is none that can be read as a table.
    FileFormat(FileFormat),
    /// The text isn't UTF-8.
    NotUtf8,
    /// The table has no rows.
    Empty,
    /// A row is longer than any that has a use.
    RowTooLong {
        /// The most bytes that a row can have: [`ROW_MAX`](super::ROW_MAX).
        limit: usize,
    },
    /// A row has more fields than any spreadsheet.
    TooManyColumns {
        /// The most fields that a row can have: [`COLUMNS_MAX`](super::COLUMNS_MAX).
        limit: usize,
    },
    /// A list has more rows than any partition has entries.
    TooManyRows {
        /// The most rows: [`ROWS_MAX`](super::ROWS_MAX).
        limit: usize,
    },
    /// A quoted value has no closing quote.
    UnclosedQuote,
    /// The header lacks a column.
    MissingColumn {
        /// The column.
        column: &'static str,
    },
    /// The header names a column twice.
    RepeatedColumn {
        /// The column.
        column: &'static str,
    },
    /// A row has more fields than the header: most likely a comma that wants quotes.
    TooManyFields {
        /// Fields in the row.
        fields: usize,
        /// Columns in the header.
        columns: usize,
        /// Where the surplus comma most likely comes from.
        cause: SurplusComma,
    },
    /// A row ends before a field that it needs.
    MissingField {
        /// The column.
        column: &'static str,
    },
    /// A row's value begins a PEM block, and the next line is no row: the value wants quotes.
    UnquotedPem {
        /// The key.
        key: String,
    },
    /// A row's type is none that is known.
    UnknownType {
        /// The key.
        key: String,
        /// The type that the row gives.
        found: String,
    },
    /// A row's encoding is none that is known.
    UnknownEncoding {
        /// The key.
        key: String,
        /// The encoding that the row gives.
        found: String,
    },
    /// An `option` row names no option that is known.
    UnknownOption {
        /// What stands where the option is expected, the encoding.
        found: String,
    },
    /// A row of a change list has a field that its type has no use for.
    NeedlessField {
        /// The column.
        column: &'static str,
        /// The row's type.
        row_type: &'static str,
    },
    /// A value isn't a number.
    NotANumber {
        /// The key.
        key: String,
        /// The encoding.
        encoding: &'static str,
        /// What the text looks like.
        looks: NumberLooks,
    },
    /// A number is too small or too large for its encoding.
    OutOfRange {
        /// The key.
        key: String,
        /// The encoding.
        encoding: &'static str,
        /// The smallest number allowed.
        min: &'static str,
        /// The largest number allowed.
        max: &'static str,
    },
    /// A value isn't hexadecimal.
    Hex {
        /// The key.
        key: String,
        /// The character that is no digit, counted from 0, or the number of digits if that is odd.
        at: usize,
        /// Whether the number of digits is odd.
        odd: bool,
    },
    /// A value isn't base64.
    Base64 {
        /// The key.
        key: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A text is longer than the blob that it should fill.
    FillTooLong {
        /// The key.
        key: String,
        /// The text's size in bytes.
        size: usize,
        /// The size that the encoding gives.
        limit: usize,
    },
    /// An encoding asks for a blob longer than any can be.
    FillTooLarge {
        /// The key.
        key: String,
    },
    /// A file could not be read.
    File {
        /// The key.
        key: String,
        /// The path, as the row gives it.
        path: String,
        /// Why.
        reason: String,
    },
    /// A file should be text and isn't UTF-8.
    FileNotUtf8 {
        /// The key.
        key: String,
        /// The path, as the row gives it.
        path: String,
        /// The first byte that isn't UTF-8, counted from 0.
        offset: usize,
    },
    /// A value comes before any namespace.
    NoNamespace {
        /// The key.
        key: Key,
    },
    /// A namespace is taken up again after another one began.
    Reopened {
        /// The namespace.
        namespace: Namespace,
        /// Where it first stands.
        first: Place,
        /// The namespace that began since.
        latest: Namespace,
    },
    /// A key comes twice in one namespace.
    DuplicateKey {
        /// The namespace.
        namespace: Namespace,
        /// The key.
        key: Key,
        /// Where it first stands.
        first: Place,
        /// The key whose row brought it along, if it isn't the row's own.
        along_with: Option<Key>,
    },
    /// `delete` and `delete-all` are for change lists.
    ChangeRow {
        /// The row's type.
        row_type: &'static str,
    },
    /// A Wi-Fi key whose companion values are computed from the text of the row, which here isn't the value.
    WifiText {
        /// The key.
        key: Key,
    },
    /// A text holds a carriage return or NUL, or isn't UTF-8: the table can't carry it.
    NotWritable {
        /// The key or namespace.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The image can't hold it.
    Image(crate::Error),
}

/// Why a row most likely has a comma too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SurplusComma {
    /// A value with a comma has no quotes.
    Unquoted,
    /// A value stands in quotes as books have them, which are characters like any other.
    TypographicQuotes,
    /// Blanks come before the quote, which only counts right after the comma.
    BlankBeforeQuote,
    /// A number is written with a comma.
    InNumber,
}

/// What a text that isn't a number looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberLooks {
    /// Nothing in particular.
    Other,
    /// A number as spreadsheets show it: `1.0`, `1E+05`, `1,234`.
    Formatted,
    /// Something in quotes as books have them.
    TypographicQuotes,
    /// A number with this minus sign or dash instead of `-`.
    TypographicMinus(char),
    /// A number in digits other than `0` to `9`.
    OtherDigits,
    /// `TRUE` or `FALSE`, in some language.
    TruthValue,
    /// A hexadecimal, octal or binary number in another notation than `0x…`.
    Radix,
    /// A spreadsheet's formula, or its error such as `#N/A`.
    Formula,
    /// Nothing.
    Empty,
}

impl ErrorKind {
    pub(super) fn at(self, line: usize) -> Error {
        Error { line, kind: self }
    }
}

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
                "the row has more than {limit} bytes, the most that a row can have; is a quote open that nothing closes?"
            ),
            Self::TooManyColumns { limit } => {
                write!(f, "the row has more than {limit} fields, the most that a row can have")
            }
            Self::TooManyRows { limit } => write!(f, "this is row {}, at most {limit} are read", limit + 1),
            Self::UnclosedQuote => f.write_str("a value opens with a quote that nothing closes"),
            Self::MissingColumn { column } => write!(
                f,
                "the header has no column {column:?}; it must name the columns key, type, encoding and value"
            ),
            Self::RepeatedColumn { column } => write!(f, "the header names the column {column:?} twice"),
            Self::TooManyFields { fields, columns, cause } => {
                write!(f, "the row has {fields} fields, the header {columns} columns; ")?;
                f.write_str(match cause {
                    SurplusComma::Unquoted => "a value with a comma needs quotes",
                    SurplusComma::TypographicQuotes => {
                        "a value with a comma needs plain quotes (\"), typographic ones do not count"
                    }
                    SurplusComma::BlankBeforeQuote => {
                        "a value with a comma needs quotes that begin right after the comma before it, without a blank"
                    }
                    SurplusComma::InNumber => "a number must be written without commas",
                })
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
                meant(
                    f,
                    found,
                    &["namespace", "data", "file", "option", "delete", "delete-all"],
                )
            }
            Self::UnknownEncoding { key, found } => {
                write!(
                    f,
                    "key {key:?}: encoding {found:?} is none of u8, i8, u16, i16, u32, i32, u64, i64, float, double, string, \
                     binary, hex2bin, base64, blob_fill(n;0xXX), blob_sz_fill(n;0xXX)"
                )?;
                meant(f, found, &Encoding::NAMES)
            }
            Self::UnknownOption { found } => {
                write!(
                    f,
                    "option {found:?} is unknown; the one that there is, in the column encoding, is {NO_COMPUTED_ROWS}"
                )
            }
            Self::NeedlessField { column, row_type } => write!(f, "a {row_type} row takes no {column}"),
            Self::NotANumber { key, encoding, looks } => {
                write!(f, "key {key:?}: the value is not a number, as {encoding} asks")?;
                match looks {
                    NumberLooks::Other => Ok(()),
                    NumberLooks::Formatted if matches!(*encoding, "float" | "double") => {
                        f.write_str("; write it with a decimal point and without separators, as 1234.5 or 1e-3")
                    }
                    NumberLooks::Formatted => f.write_str(
                        "; it looks like 1.0, 1E+05 or 1,234, as spreadsheets format numbers: format the column as text and \
                         write the digits alone",
                    ),
                    NumberLooks::TypographicQuotes => {
                        f.write_str("; it stands in typographic quotes, which do not count: write it without quotes")
                    }
                    NumberLooks::TypographicMinus(minus) => write!(
                        f,
                        "; its minus is the typographic sign U+{:04X}: write the plain -",
                        u32::from(*minus)
                    ),
                    NumberLooks::OtherDigits => f.write_str("; it has digits of another script: write 0 to 9"),
                    NumberLooks::TruthValue => f.write_str("; it is a truth value: write 1 or 0"),
                    NumberLooks::Radix if matches!(*encoding, "float" | "double") => {
                        f.write_str("; numbers are decimal here")
                    }
                    NumberLooks::Radix => {
                        f.write_str("; numbers are decimal, or hexadecimal with 0x before the digits")
                    }
                    NumberLooks::Formula => {
                        f.write_str("; it looks like a formula or an error of a spreadsheet: write the number itself")
                    }
                    NumberLooks::Empty => f.write_str("; it is empty: write a number, or delete the row"),
                }
            }
            Self::OutOfRange {
                key,
                encoding,
                min,
                max,
            } => {
                write!(
                    f,
                    "key {key:?}: the value is out of range for {encoding}, which goes from {min} to {max}"
                )
            }
            Self::Hex { key, at, odd: false } => {
                write!(
                    f,
                    "key {key:?}: the value is not hexadecimal, character {} is no digit",
                    at + 1
                )
            }
            Self::Hex { key, at, odd: true } => {
                write!(
                    f,
                    "key {key:?}: the value has {at} hexadecimal digits, their number must be even"
                )
            }
            Self::Base64 { key, reason } => write!(f, "key {key:?}: the value is not base64: {reason}"),
            Self::FillTooLong { key, size, limit } => {
                write!(
                    f,
                    "key {key:?}: the value takes {size} bytes, its encoding gives it {limit}"
                )
            }
            Self::FillTooLarge { key } => {
                write!(
                    f,
                    "key {key:?}: the encoding asks for more than the {BLOB_MAX} bytes that a blob can have"
                )
            }
            Self::File { key, path, reason } => write!(f, "key {key:?}: file {path:?}: {reason}"),
            Self::FileNotUtf8 { key, path, offset } => {
                write!(
                    f,
                    "key {key:?}: file {path:?} is not UTF-8 (offset {offset}), as its encoding asks"
                )
            }
            Self::NoNamespace { key } => write!(f, "key \"{key}\" comes before any namespace row"),
            Self::Reopened {
                namespace,
                first,
                latest,
            } => write!(
                f,
                "namespace \"{namespace}\" of {first} is taken up again after \"{latest}\" began; Espressif's generator would \
                 write this row into \"{latest}\": put the rows of a namespace together"
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
                    " is in namespace \"{namespace}\" already, by {first}; the firmware would read the first"
                )
            }
            Self::ChangeRow { row_type } => {
                write!(
                    f,
                    "{row_type} rows are for the change lists of `nvs patch`, a fresh image has nothing to delete"
                )
            }
            Self::WifiText { key } => write!(
                f,
                "key \"{key}\": Espressif's generator computes the Wi-Fi values that go with it from the text in this row, \
                 not from what the type and encoding make of it; use type data with encoding string, binary or blob_sz_fill"
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

/// Says which of the names is meant, if blanks or capitals are all that is wrong.
fn meant(f: &mut fmt::Formatter<'_>, found: &str, names: &[&str]) -> fmt::Result {
    let trimmed = found.trim();
    match names.iter().find(|name| name.eq_ignore_ascii_case(trimmed)) {
        Some(name) if trimmed != found => write!(f, "; write {name:?}, without blanks around it"),
        Some(name) => write!(f, "; write {name:?}"),
        None => Ok(()),
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.kind.source()
    }
}

impl core::error::Error for ErrorKind {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Image(error) => Some(error),
            _ => None,
        }
    }
}
