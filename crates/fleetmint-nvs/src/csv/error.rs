//! What can be wrong with a table. No message shows a value, which may be a secret.

mod message;

use super::file_format::FileFormat;
use crate::key::{Key, Namespace};
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

/// Where a row is, when an image is made from several tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowPlace {
    /// Which table, from 1 in the order they were added; 0 is the configuration of [`mfg`](super::mfg).
    pub table: usize,
    /// The line in it, from 1.
    pub line: usize,
    /// Whether this is a different table from the one that the error is about.
    pub elsewhere: bool,
}

impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        match (self.elsewhere, self.table) {
            (false, _) => Ok(()),
            (true, Self::CONFIGURATION) => f.write_str(" of the configuration"),
            (true, table) => write!(f, " of table {table}"),
        }
    }
}

impl RowPlace {
    /// The table that the configuration of [`mfg`](super::mfg) counts as.
    pub(super) const CONFIGURATION: usize = 0;
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file is not a table.
    FileFormat(FileFormat),
    /// The text isn't UTF-8.
    NotUtf8,
    /// The table has no rows.
    Empty,
    /// A row has too many bytes.
    RowTooLong {
        /// The most bytes that a row can have: [`ROW_MAX`](super::ROW_MAX).
        limit: usize,
    },
    /// A row has too many fields.
    TooManyColumns {
        /// The most fields that a row can have: [`COLUMNS_MAX`](super::COLUMNS_MAX).
        limit: usize,
    },
    /// A list has too many rows.
    TooManyRows {
        /// The most rows: [`ROWS_MAX`](super::ROWS_MAX).
        limit: usize,
    },
    /// A quoted value has no closing quote.
    UnclosedQuote,
    /// The header has no such column.
    MissingColumn {
        /// The column.
        column: &'static str,
    },
    /// The header names a column twice.
    RepeatedColumn {
        /// The column.
        column: &'static str,
    },
    /// A row has more fields than the header: most likely a value with a comma and without quotes.
    TooManyFields {
        /// Fields in the row.
        fields: usize,
        /// Columns in the header.
        columns: usize,
        /// The most likely cause.
        cause: SurplusComma,
    },
    /// A row ends before a field that it needs.
    MissingField {
        /// The column.
        column: &'static str,
    },
    /// A row's value begins a PEM block and the next line is not a row: the value needs quotes.
    UnquotedPem {
        /// The key.
        key: String,
    },
    /// A row's type is unknown.
    UnknownType {
        /// The key.
        key: String,
        /// The type that the row gives.
        found: String,
    },
    /// A row's encoding is unknown.
    UnknownEncoding {
        /// The key.
        key: String,
        /// The encoding that the row gives.
        found: String,
    },
    /// The option of an `option` row is unknown.
    UnknownOption {
        /// The row's encoding, which should name the option.
        found: String,
    },
    /// A row has a field that rows of its type must leave empty.
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
        /// Which character is not a digit, from 0; or the number of digits, if that is odd.
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
    /// A value is longer than the blob that it should fill.
    FillTooLong {
        /// The key.
        key: String,
        /// The value's size in bytes.
        size: usize,
        /// The size that the encoding names.
        limit: usize,
    },
    /// An encoding asks for a blob that is longer than NVS allows.
    FillTooLarge {
        /// The key.
        key: String,
    },
    /// A file could not be read.
    File {
        /// The key.
        key: String,
        /// The path in the row.
        path: String,
        /// Why.
        reason: String,
    },
    /// The encoding of a file's row needs text, and the file isn't UTF-8.
    FileNotUtf8 {
        /// The key.
        key: String,
        /// The path in the row.
        path: String,
        /// The first byte that isn't UTF-8, counted from 0.
        offset: usize,
    },
    /// A value comes before any namespace.
    NoNamespace {
        /// The key.
        key: Key,
    },
    /// A namespace is opened again after another one.
    Reopened {
        /// The namespace.
        namespace: Namespace,
        /// Its first row.
        first: RowPlace,
        /// The namespace that was opened since.
        latest: Namespace,
    },
    /// A key is there twice in one namespace.
    DuplicateKey {
        /// The namespace.
        namespace: Namespace,
        /// The key.
        key: Key,
        /// Its first row.
        first: RowPlace,
        /// The key that it is written along with, if it has no row of its own.
        along_with: Option<Key>,
    },
    /// `delete` and `delete-all` are only for change lists.
    ChangeRow {
        /// The row's type.
        row_type: &'static str,
    },
    /// The values that go with a Wi-Fi key are computed from the row's text, which isn't the value here.
    WifiText {
        /// The key.
        key: Key,
    },
    /// A table can't hold this text: it has a carriage return or NUL, or isn't UTF-8.
    NotWritable {
        /// The key or namespace.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The image can't hold the value or name.
    Image(crate::Error),
}

/// The most likely cause of a comma too many. `Display` says what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SurplusComma {
    /// A value with a comma is not in quotes.
    Unquoted,
    /// A value is in typographic quotes, which CSV treats as text.
    TypographicQuotes,
    /// There are blanks before the opening quote, which must come right after the comma.
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
    /// Something in typographic quotes.
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

/// The part of a key or another field that a message shows.
pub(super) fn excerpt(field: &str) -> String {
    const MOST: usize = 24;
    let mut text: String = field.chars().take(MOST).collect();
    if text.len() < field.len() {
        text.push('…');
    }
    text
}
