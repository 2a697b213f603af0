//! What can be wrong with a table. No message shows a value, which may be a secret.

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
    /// The text isn't UTF-8.
    NotUtf8,
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
    },
    /// A row ends before a field that it needs.
    MissingField {
        /// The column.
        column: &'static str,
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
            Self::NotUtf8 => f.write_str("the text is not UTF-8"),
            Self::UnclosedQuote => f.write_str("a value opens with a quote that nothing closes"),
            Self::MissingColumn { column } => write!(
                f,
                "the header has no column {column:?}; it must name the columns key, type, encoding and value"
            ),
            Self::RepeatedColumn { column } => write!(f, "the header names the column {column:?} twice"),
            Self::TooManyFields { fields, columns } => write!(
                f,
                "the row has {fields} fields, the header {columns} columns; a value with a comma needs quotes"
            ),
            Self::MissingField { column } => write!(f, "the row ends before its {column}"),
            Self::UnknownType { key, found } => write!(
                f,
                "key {key:?}: type {found:?} is none of namespace, data, file, and delete, delete-all in change lists"
            ),
            Self::UnknownEncoding { key, found } => write!(
                f,
                "key {key:?}: encoding {found:?} is none of u8, i8, u16, i16, u32, i32, u64, i64, float, double, string, \
                 binary, hex2bin, base64, blob_fill(n;0xXX), blob_sz_fill(n;0xXX)"
            ),
            Self::NeedlessField { column, row_type } => write!(f, "a {row_type} row takes no {column}"),
            Self::NotANumber { key, encoding } => {
                write!(f, "key {key:?}: the value is not a number, as {encoding} asks")
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
