//! The values: a header, then one device in each row.

use super::configuration::{Configuration, KeyRow};
use super::error::{Error, ErrorKind};
use super::errors::{Errors, only};
use crate::csv::encoding::Encoding;
use crate::csv::error::{self, excerpt};
use crate::csv::file_format::FileFormat;
use crate::csv::records::{LineEnds, Record, Records};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// The table of values, whose header is matched with a configuration; see the [module](super).
///
/// It can be read several times, and images can be written by several threads at once.
pub struct Values<'a> {
    configuration: &'a Configuration,
    columns: Vec<String>,
    /// The column of each key of the configuration, in its order.
    column_of: Vec<usize>,
    /// A key whose field must not be blank.
    key_with_value: Option<&'a str>,
    /// From the first device on.
    records: Records<'a>,
}

impl<'a> Values<'a> {
    /// Reads the header. The devices are read by [`devices`](Self::devices).
    ///
    /// # Errors
    /// All keys of the configuration without a column, and all columns that are there more often than the configuration has
    /// their name. A text that isn't UTF-8, or that has no device.
    pub fn read(text: &'a [u8], configuration: &'a Configuration) -> Result<Self, Vec<Error>> {
        let mut records = Records::new(text, LineEnds::AsLf).or_else(only)?;
        let Some(header) = records.next() else {
            return only(error::ErrorKind::Empty.at(1));
        };
        let header = header.or_else(only)?;
        let column_of = matched(&header, configuration)?;
        let columns = header.fields.iter().map(|field| field.as_str().to_string()).collect();
        if records.clone().next().is_none() {
            return only(ErrorKind::NoDevices.at(header.line));
        }
        Ok(Self {
            configuration,
            columns,
            column_of,
            key_with_value: configuration
                .keys()
                .find(|key| needs_value(key))
                .map(|key| key.name.as_str()),
            records,
        })
    }

    /// The names of the columns, also of those that the configuration doesn't have.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The first column of this name, from 0.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns_named(name).next()
    }

    /// The columns of this name, from 0: several, if the configuration has the name in several namespaces or not at all.
    pub fn columns_named(&self, name: &str) -> impl Iterator<Item = usize> {
        let columns = self.columns.iter().enumerate();
        columns.filter_map(move |(place, column)| (column == name).then_some(place))
    }

    /// The rows from the first device on.
    pub(super) fn records(&self) -> Records<'a> {
        self.records.clone()
    }

    pub(super) fn configuration(&self) -> &'a Configuration {
        self.configuration
    }

    pub(super) fn column_of(&self) -> &[usize] {
        &self.column_of
    }

    /// A key whose field must not be blank.
    pub(super) fn key_with_value(&self) -> Option<&'a str> {
        self.key_with_value
    }

    /// The columns whose first value goes to all devices.
    pub(super) fn repeated_columns(&self) -> impl Iterator<Item = usize> {
        let keys = self.configuration.keys().zip(&self.column_of);
        keys.filter_map(|(key, column)| key.is_repeated.then_some(*column))
    }
}

/// Shows no value.
impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values")
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// Whether every device must have something in the field of this key.
fn needs_value(key: &KeyRow) -> bool {
    let is_number = !matches!(
        key.encoding,
        Encoding::String
            | Encoding::Binary
            | Encoding::Hex2bin
            | Encoding::Base64
            | Encoding::BlobFill { .. }
            | Encoding::BlobSizeFill { .. }
    );
    !key.is_repeated && (key.is_file || is_number)
}

/// The column of each key of the configuration, in its order.
fn matched(header: &Record, configuration: &Configuration) -> Result<Vec<usize>, Vec<Error>> {
    let mut errors = Errors::default();
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, name) in header.fields.iter().enumerate() {
        places.entry(name.as_str()).or_default().push(place);
    }
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut column_of = Vec::new();
    for KeyRow { name, .. } in configuration.keys() {
        let taken = taken.entry(name.as_str()).or_default();
        match places.get(name.as_str()).and_then(|places| places.get(*taken)) {
            Some(place) => column_of.push(*place),
            None => errors.add(header.line, || missing(header, name, *taken)),
        }
        *taken += 1;
    }
    if !errors.is_empty()
        && let Some(format) = other_format(header)
    {
        return only(error::ErrorKind::FileFormat(format).at(header.line));
    }
    for (name, keys) in &taken {
        let columns = places.get(name).map_or(0, Vec::len);
        if columns > *keys {
            errors.add(header.line, || ErrorKind::SurplusColumns {
                name: excerpt(name),
                columns,
                keys: *keys,
            });
        }
    }
    errors.or(|| column_of)
}

/// What the table is, if its header doesn't have commas.
fn other_format(header: &Record) -> Option<FileFormat> {
    let [only] = header.fields.as_slice() else { return None };
    let separator = [';', '\t', '|']
        .into_iter()
        .find(|separator| only.contains(*separator))?;
    Some(FileFormat::Separator(separator))
}

/// What is wrong with a header that has this name only so many times.
fn missing(header: &Record, name: &str, columns: usize) -> ErrorKind {
    let nearly = |found: &&Zeroizing<String>| found.as_str() != name && found.trim().eq_ignore_ascii_case(name.trim());
    ErrorKind::MissingKeyColumn {
        name: excerpt(name),
        columns,
        nearly: header.fields.iter().find(nearly).map(|found| excerpt(found)),
    }
}
