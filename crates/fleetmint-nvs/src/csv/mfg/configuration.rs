//! The configuration: which keys each device has, in the order of the image.

use super::add;
use crate::csv::ROWS_MAX;
use crate::csv::encoding::Encoding;
use crate::csv::error::{Error, ErrorKind, RowPlace, excerpt};
use crate::csv::file_format::FileFormat;
use crate::csv::names::Names;
use crate::csv::records::{LineEnds, Record, Records};
use crate::csv::row::{Action, Source, action};
use crate::key::{Key, Namespace};
use alloc::string::String;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The configuration of `mfg_gen.py`: which keys each device has; see the [module](super).
#[derive(Clone, Debug)]
pub struct Configuration {
    pub(super) rows: Vec<Row>,
}

/// A row of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) content: Content,
}

/// What a row asks for.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Namespace(Namespace),
    Key(KeyRow),
    NoComputedRows,
}

/// A key that each device has.
#[derive(Clone, Debug)]
pub(super) struct KeyRow {
    pub(super) key: Key,
    /// The key as the header of the values names it.
    pub(super) name: String,
    pub(super) encoding: Encoding,
    /// Whether the field names a file.
    pub(super) is_file: bool,
    /// Whether the first device's value goes to every device.
    pub(super) is_repeated: bool,
}

impl Configuration {
    /// Reads a configuration.
    ///
    /// # Errors
    /// All rows that are wrong, as far as the text can be read: types and encodings that are unknown, names that NVS doesn't
    /// allow, keys before any namespace, keys that a namespace has twice, namespaces that are opened again, a fourth field
    /// other than `REPEAT`. A configuration without a key is an error.
    pub fn read(text: &[u8]) -> Result<Self, Vec<Error>> {
        let records = Records::new(text, LineEnds::AsLf).map_err(|error| Vec::from([error]))?;
        let mut names = Names::default();
        let (mut rows, mut errors, mut has_keys) = (Vec::new(), Vec::new(), false);
        for record in records {
            let record = match record {
                Ok(record) => record,
                // What follows can't be split into rows.
                Err(error) => {
                    add(&mut errors, error);
                    break;
                }
            };
            if record.fields.iter().all(|field| field.trim().is_empty()) {
                continue;
            }
            let line = record.line;
            if rows.len() == ROWS_MAX {
                add(&mut errors, ErrorKind::TooManyRows { limit: ROWS_MAX }.at(line));
                break;
            }
            match content(record).and_then(|content| check_names(content, &mut names, line)) {
                Ok(content) => {
                    has_keys |= matches!(content, Content::Key(_));
                    rows.push(Row { line, content });
                }
                Err(kind) => add(&mut errors, kind.at(line)),
            }
        }
        if errors.is_empty() && !has_keys {
            errors.push(ErrorKind::NoKeys.at(1));
        }
        match errors.is_empty() {
            true => Ok(Self { rows }),
            false => Err(errors),
        }
    }

    /// The rows with a key.
    pub(super) fn keys(&self) -> impl Iterator<Item = &KeyRow> {
        self.rows.iter().filter_map(|row| match &row.content {
            Content::Key(key) => Some(key),
            _ => None,
        })
    }
}

/// The content of a row with these fields.
fn content(record: Record) -> Result<Content, ErrorKind> {
    let mut fields = record.fields.into_iter();
    let count = fields.len();
    let key = fields.next().unwrap_or_default();
    let Some(row_type) = fields.next() else {
        let separator = [';', '\t', '|'].into_iter().find(|separator| key.contains(*separator));
        return Err(match separator {
            Some(separator) => ErrorKind::FileFormat(FileFormat::Separator(separator)),
            None => ErrorKind::MissingField { column: "type" },
        });
    };
    let (encoding, repeat) = (fields.next(), fields.next());
    if fields.any(|field| !field.is_empty()) {
        return Err(ErrorKind::ConfigurationFields { fields: count });
    }
    if *key == "key" && *row_type == "type" {
        return Err(ErrorKind::ConfigurationHeader);
    }
    let is_repeated = match repeat.as_ref().map(|field| field.as_str()) {
        None | Some("") => false,
        Some("REPEAT") => true,
        Some(found) if *row_type != "namespace" => {
            return Err(ErrorKind::NotRepeat {
                key: excerpt(&key),
                found: excerpt(found),
            });
        }
        // Espressif's script doesn't look at the rest of the row.
        Some(_) => false,
    };
    let value = Some(Zeroizing::new(String::new()));
    Ok(match action(&key, &row_type, encoding, value)? {
        Action::Namespace => Content::Namespace(Namespace::new(key.as_str()).map_err(ErrorKind::Image)?),
        Action::Set { encoding, source } => Content::Key(KeyRow {
            key: Key::new(key.as_str()).map_err(ErrorKind::Image)?,
            name: key.as_str().into(),
            encoding,
            is_file: matches!(source, Source::File(_)),
            is_repeated,
        }),
        Action::NoComputedRows => Content::NoComputedRows,
        Action::Delete => return Err(ErrorKind::ChangeRow { row_type: "delete" }),
        Action::DeleteAll => return Err(ErrorKind::ChangeRow { row_type: "delete-all" }),
    })
}

/// Checks that NVS and the rows so far allow the names of a row.
fn check_names(content: Content, names: &mut Names, line: usize) -> Result<Content, ErrorKind> {
    let place = RowPlace {
        table: 1,
        line,
        elsewhere: false,
    };
    match &content {
        Content::Namespace(namespace) => names.open(*namespace, place),
        Content::Key(KeyRow { key, .. }) => {
            let namespace = names.current(*key, place)?;
            names.take(namespace, *key, place, None)?;
        }
        Content::NoComputedRows => {}
    }
    Ok(content)
}
