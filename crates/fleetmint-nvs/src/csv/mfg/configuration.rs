//! The configuration: which keys each device has, in the order of the image.

use super::Error;
use super::error::ErrorKind;
use super::errors::{Errors, only};
use crate::csv::ROWS_MAX;
use crate::csv::encoding::Encoding;
use crate::csv::error::{self, RowPlace, excerpt};
use crate::csv::file_format::FileFormat;
use crate::csv::names::Names;
use crate::csv::records::{LineEnds, Record, Records};
use crate::csv::row::{Action, Source, SourceRef, action};
use crate::csv::wifi::{Along, Wifi};
use crate::key::{Key, Namespace};
use crate::layout::NAMESPACE_LAST;
use alloc::string::String;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The configuration of `mfg_gen.py`: which keys each device has; see the [module](super).
#[derive(Clone, Debug)]
pub struct Configuration {
    rows: Vec<Row>,
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
    /// other than `REPEAT`. A configuration without a key is an error, and so is one with more than 254 namespaces.
    ///
    /// A first row that can't be that of a configuration is the only error: the text is most likely another table. No error
    /// shows a type or a fourth field, which there could be a secret.
    pub fn read(text: &[u8]) -> Result<Self, Vec<Error>> {
        let records = Records::new(text, LineEnds::AsLf).or_else(only)?;
        let (mut rows, mut errors, mut check) = (Vec::new(), Errors::default(), Check::default());
        let mut is_first = true;
        for record in records {
            let record = match record {
                Ok(record) => record,
                // What follows can't be split into rows.
                Err(error::Error { line, kind }) => {
                    errors.add(line, || kind.into());
                    break;
                }
            };
            if record.fields.iter().all(|field| field.trim().is_empty()) {
                continue;
            }
            let line = record.line;
            if rows.len() == ROWS_MAX {
                errors.add(line, || error::ErrorKind::TooManyRows { limit: ROWS_MAX }.into());
                break;
            }
            if core::mem::replace(&mut is_first, false)
                && let Some(kind) = other_table(&record)
            {
                return only(kind.at(line));
            }
            let is_namespace = record.fields.get(1).is_some_and(|field| is_nearly_namespace(field));
            match content(record).and_then(|content| check.row(content, line)) {
                Ok(content) => rows.push(Row { line, content }),
                Err(kind) => {
                    if is_namespace {
                        check.lost = true;
                    }
                    let is_last = matches!(
                        kind,
                        ErrorKind::Table(error::ErrorKind::Image(crate::Error::TooManyNamespaces { .. }))
                    );
                    errors.add(line, || kind);
                    if is_last {
                        break;
                    }
                }
            }
        }
        if errors.is_empty() && !rows.iter().any(|row| matches!(row.content, Content::Key(_))) {
            errors.add(1, || ErrorKind::NoKeys);
        }
        errors.or(|| Self { rows })
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows with a key.
    pub(super) fn keys(&self) -> impl Iterator<Item = &KeyRow> {
        self.rows.iter().filter_map(|row| match &row.content {
            Content::Key(key) => Some(key),
            _ => None,
        })
    }
}

/// Whether this type is `namespace`, perhaps with blanks or in capitals, which is an error.
fn is_nearly_namespace(row_type: &str) -> bool {
    row_type.trim().eq_ignore_ascii_case("namespace")
}

/// What the table is instead, if this can't be the first row of a configuration.
fn other_table(first: &Record) -> Option<ErrorKind> {
    let mut fields = first.fields.iter().map(|field| field.as_str());
    let (name, row_type) = (fields.next().unwrap_or_default(), fields.next());
    match row_type {
        Some("namespace" | "data" | "file" | "option" | "delete" | "delete-all") => None,
        // A slip in the only type that may come first.
        Some(row_type) if is_nearly_namespace(row_type) => None,
        Some(_) => Some(ErrorKind::NotAConfiguration),
        None => {
            let separator = [';', '\t', '|'].into_iter().find(|separator| name.contains(*separator));
            Some(separator.map_or(ErrorKind::NotAConfiguration, |separator| {
                error::ErrorKind::FileFormat(FileFormat::Separator(separator)).into()
            }))
        }
    }
}

/// The content of a row with these fields.
fn content(record: Record) -> Result<Content, ErrorKind> {
    let mut fields = record.fields.into_iter();
    let count = fields.len();
    let key = fields.next().unwrap_or_default();
    let Some(row_type) = fields.next() else {
        return Err(error::ErrorKind::MissingField { column: "type" }.into());
    };
    let (encoding, repeat) = (fields.next(), fields.next());
    if fields.any(|field| !field.is_empty()) {
        return Err(ErrorKind::ConfigurationFields { fields: count });
    }
    let repeat = repeat.as_ref().map_or("", |field| field.as_str());
    // Espressif's script doesn't look at the rest of a namespace's row.
    if !matches!(repeat, "" | "REPEAT") && *row_type != "namespace" {
        return Err(ErrorKind::NotRepeat { key: excerpt(&key) });
    }
    let value = Some(Zeroizing::new(String::new()));
    let action = action(&key, &row_type, encoding, value).map_err(|kind| match kind {
        error::ErrorKind::UnknownType { key, .. } => ErrorKind::ConfigurationType { key },
        kind => kind.into(),
    })?;
    Ok(match action {
        Action::Namespace => Content::Namespace(Namespace::new(key.as_str())?),
        Action::Set { encoding, source } => Content::Key(KeyRow {
            key: Key::new(key.as_str())?,
            name: key.as_str().into(),
            encoding,
            is_file: matches!(source, Source::File(_)),
            is_repeated: repeat == "REPEAT",
        }),
        Action::NoComputedRows => Content::NoComputedRows,
        Action::Delete => return Err(error::ErrorKind::ChangeRow { row_type: "delete" }.into()),
        Action::DeleteAll => return Err(error::ErrorKind::ChangeRow { row_type: "delete-all" }.into()),
    })
}

/// Checks what doesn't depend on a device's values: the names, and the Wi-Fi rows that any device has.
#[derive(Default)]
struct Check {
    names: Names,
    namespaces: usize,
    wifi: Wifi,
    computes_nothing: bool,
    /// Whether the latest row of a namespace was wrong: it is not known where the keys after it belong.
    lost: bool,
}

impl Check {
    fn row(&mut self, content: Content, line: usize) -> Result<Content, ErrorKind> {
        let place = RowPlace {
            table: RowPlace::CONFIGURATION,
            line,
            elsewhere: false,
        };
        match &content {
            Content::Namespace(namespace) => {
                if !self.names.knows(namespace) {
                    if self.namespaces == usize::from(NAMESPACE_LAST) {
                        let namespace = namespace.raw();
                        return Err(crate::Error::TooManyNamespaces { namespace }.into());
                    }
                    self.namespaces += 1;
                }
                self.names.open(*namespace, place);
                self.lost = false;
            }
            Content::Key(row) if !self.lost => self.key(row, place)?,
            Content::Key(_) => {}
            Content::NoComputedRows => self.computes_nothing = true,
        }
        Ok(content)
    }

    fn key(&mut self, row: &KeyRow, place: RowPlace) -> Result<(), ErrorKind> {
        let namespace = self.names.current(row.key, place)?;
        self.names.take(namespace, row.key, place, None)?;
        if self.computes_nothing {
            return Ok(());
        }
        // A blank value is computed from nowhere: what is left are the rows that come with any.
        let source = match row.is_file {
            true => SourceRef::File(""),
            false => SourceRef::Text(""),
        };
        match self.wifi.along(&row.name, row.encoding, source) {
            Along::Unclear => Err(error::ErrorKind::WifiText { key: row.key }.into()),
            Along::After(rows) => rows.iter().try_for_each(|(name, _)| {
                let name = Key::new(name)?;
                Ok(self.names.take(namespace, name, place, Some(row.key))?)
            }),
            Along::Nothing | Along::Before(..) => Ok(()),
        }
    }
}
