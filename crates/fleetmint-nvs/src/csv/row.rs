//! Rows: what each row of a table asks for.

use super::NO_COMPUTED_ROWS;
use super::encoding::{Encoding, EncodingFault};
use super::error::{ErrorKind, excerpt};
use alloc::string::String;
use core::fmt;
use zeroize::{Zeroize, Zeroizing};

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line where it begins, from 1.
    pub line: usize,
    /// The key or the namespace's name, not checked yet. Empty for `delete-all`.
    pub key: String,
    /// The row's content.
    pub action: Action,
}

/// The content of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `namespace`: the following rows belong to the namespace of this name.
    Namespace,
    /// `data` or `file`: set the key. [`Row::value`] gives the value.
    Set {
        /// How the text or the file's content becomes a value.
        encoding: Encoding,
        /// The text or the file.
        source: Source,
    },
    /// `option` with the encoding `no-computed-rows`: no Wi-Fi rows are computed for the rows that follow in this table.
    NoComputedRows,
    /// `delete`: erase the key. Only in change lists.
    Delete,
    /// `delete-all`: erase every key of the namespace. Only in change lists.
    DeleteAll,
}

/// Where a row's value comes from. The text may be a secret: `Debug` doesn't show it, and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// `data`: the text in the row.
    Text(String),
    /// `file`: the file at this path.
    File(String),
}

/// A [`Source`] that is borrowed.
#[derive(Clone, Copy)]
pub(super) enum SourceRef<'a> {
    Text(&'a str),
    File(&'a str),
}

impl Source {
    pub(super) fn as_ref(&self) -> SourceRef<'_> {
        match self {
            Self::Text(text) => SourceRef::Text(text),
            Self::File(path) => SourceRef::File(path),
        }
    }
}

/// Wipes the text.
impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Text(text) = self {
            text.zeroize();
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// The content of a row with these fields.
pub(super) fn action(
    key: &str,
    row_type: &str,
    encoding: Option<Zeroizing<String>>,
    value: Option<Zeroizing<String>>,
) -> Result<Action, ErrorKind> {
    let key_field = ("key", key);
    let encoding_field = ("encoding", text(encoding.as_ref()));
    let value_field = ("value", text(value.as_ref()));
    match row_type {
        // Espressif's generator doesn't look at the rest of the row.
        "namespace" => Ok(Action::Namespace),
        "option" if encoding_field.1 == NO_COMPUTED_ROWS => {
            needless("option", &[key_field, value_field])?;
            Ok(Action::NoComputedRows)
        }
        "option" => Err(ErrorKind::UnknownOption {
            found: excerpt(encoding_field.1),
        }),
        "delete" => {
            needless("delete", &[encoding_field, value_field])?;
            Ok(Action::Delete)
        }
        "delete-all" => {
            needless("delete-all", &[key_field, encoding_field, value_field])?;
            Ok(Action::DeleteAll)
        }
        "data" => {
            let encoding = parse_encoding(encoding, key)?;
            let text = match value {
                None if matches!(encoding, Encoding::BlobFill { .. } | Encoding::BlobSizeFill { .. }) => String::new(),
                value => taken(value)?,
            };
            let source = Source::Text(text);
            Ok(Action::Set { encoding, source })
        }
        "file" => {
            let encoding = parse_encoding(encoding, key)?;
            let source = Source::File(taken(value)?);
            Ok(Action::Set { encoding, source })
        }
        _ => Err(ErrorKind::UnknownType {
            key: excerpt(key),
            found: excerpt(row_type),
        }),
    }
}

/// Refuses the first field that isn't empty, for a type of row that takes none of them.
fn needless(row_type: &'static str, fields: &[(&'static str, &str)]) -> Result<(), ErrorKind> {
    match fields.iter().find(|(_, field)| !field.is_empty()) {
        Some((column, _)) => Err(ErrorKind::NeedlessField { column, row_type }),
        None => Ok(()),
    }
}

fn text(field: Option<&Zeroizing<String>>) -> &str {
    field.map_or("", |field| field.as_str())
}

/// The text of the column `value`, which its new owner wipes.
fn taken(value: Option<Zeroizing<String>>) -> Result<String, ErrorKind> {
    let mut value = value.ok_or(ErrorKind::MissingField { column: "value" })?;
    Ok(core::mem::take(&mut *value))
}

fn parse_encoding(name: Option<Zeroizing<String>>, key: &str) -> Result<Encoding, ErrorKind> {
    let name = name.ok_or(ErrorKind::MissingField { column: "encoding" })?;
    Encoding::parse(&name).map_err(|fault| match fault {
        EncodingFault::Unknown => ErrorKind::UnknownEncoding {
            key: excerpt(key),
            found: excerpt(&name),
        },
        EncodingFault::FillTooLarge => ErrorKind::FillTooLarge { key: excerpt(key) },
    })
}
