//! The values: a header, then one device in each row.

use super::add;
use super::configuration::{Configuration, Content, KeyRow};
use crate::csv::error::{Error, ErrorKind, RowPlace, SurplusComma, excerpt};
use crate::csv::file_format::FileFormat;
use crate::csv::generator::Generator;
use crate::csv::header::is_typographically_quoted;
use crate::csv::records::{LineEnds, Record, Records};
use crate::csv::row::SourceRef;
use crate::csv::value::value_of;
use crate::layout::Version;
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
        let one = |error: Error| Vec::from([error]);
        let mut records = Records::new(text, LineEnds::AsLf).map_err(one)?;
        let Some(header) = records.next() else {
            return Err(one(ErrorKind::Empty.at(1)));
        };
        let header = header.map_err(one)?;
        let column_of = matched(&header, configuration)?;
        let columns = header.fields.iter().map(|field| field.as_str().to_string()).collect();
        let values = Self {
            configuration,
            columns,
            column_of,
            records,
        };
        if values.records.clone().next().is_none() {
            return Err(one(ErrorKind::NoDevices.at(header.line)));
        }
        Ok(values)
    }

    /// The names of the columns, also of those that the configuration doesn't have.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The first column of this name, from 0.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The devices, from the first.
    #[must_use]
    pub fn devices(&self) -> Devices<'_> {
        Devices {
            values: self,
            records: Some(self.records.clone()),
            repeated: None,
        }
    }

    /// Writes the image of a device of this table over this buffer, whose length is the partition's size, and returns the bytes
    /// in use, a multiple of 4096. The bytes are those of [`Generator`] for a table with the same rows.
    ///
    /// `read_file` gives a file's bytes for the path in a field.
    ///
    /// # Errors
    /// All values that are not what their encoding asks for, and the first that does not fit, with the device's line. The image
    /// is then incomplete.
    pub fn write<B: Into<Vec<u8>>, E: fmt::Display>(
        &self,
        device: &Device,
        image: &mut [u8],
        version: Version,
        mut read_file: impl FnMut(&str) -> Result<B, E>,
    ) -> Result<usize, Vec<Error>> {
        let at = |kind: ErrorKind| kind.at(device.line);
        let mut generator = Generator::new(image, version).map_err(|error| Vec::from([at(ErrorKind::Image(error))]))?;
        let mut errors = Vec::new();
        let mut columns = self.column_of.iter();
        for row in &self.configuration.rows {
            let place = RowPlace {
                table: RowPlace::CONFIGURATION,
                line: row.line,
                elsewhere: true,
            };
            let written = match &row.content {
                Content::Namespace(namespace) => generator.namespace(*namespace, place),
                Content::NoComputedRows => {
                    generator.compute_nothing();
                    Ok(())
                }
                Content::Key(row) => {
                    let field = columns.next().map_or("", |column| device.field(*column));
                    let source = match row.is_file {
                        true => SourceRef::File(field),
                        false => SourceRef::Text(field),
                    };
                    match value_of(row.encoding, &row.name, source, &mut read_file) {
                        // After an error, only the other values are checked.
                        Ok(_) if !errors.is_empty() => Ok(()),
                        Ok(value) => generator.set(row.key, (&value).into(), row.encoding, source, place),
                        Err(kind) => Err(kind),
                    }
                }
            };
            if let Err(kind) = written {
                add(&mut errors, at(kind));
            }
        }
        match errors.is_empty() {
            true => Ok(generator.finish()),
            false => Err(errors),
        }
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

/// The column of each key of the configuration, in its order.
fn matched(header: &Record, configuration: &Configuration) -> Result<Vec<usize>, Vec<Error>> {
    let mut errors = Vec::new();
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
            None => add(&mut errors, missing(header, name, *taken).at(header.line)),
        }
        *taken += 1;
    }
    for (name, keys) in &taken {
        let columns = places.get(name).map_or(0, Vec::len);
        if columns > *keys {
            let name = excerpt(name);
            let keys = *keys;
            add(
                &mut errors,
                ErrorKind::SurplusColumns { name, columns, keys }.at(header.line),
            );
        }
    }
    match errors.is_empty() {
        true => Ok(column_of),
        false => Err(errors),
    }
}

/// What is wrong with a header that has this name only so many times.
fn missing(header: &Record, name: &str, columns: usize) -> ErrorKind {
    if let [only] = header.fields.as_slice()
        && let Some(separator) = [';', '\t', '|'].into_iter().find(|separator| only.contains(*separator))
    {
        return ErrorKind::FileFormat(FileFormat::Separator(separator));
    }
    let nearly = |found: &&Zeroizing<String>| found.as_str() != name && found.trim().eq_ignore_ascii_case(name);
    ErrorKind::MissingKeyColumn {
        name: excerpt(name),
        columns,
        nearly: header.fields.iter().find(nearly).map(|found| excerpt(found)),
    }
}

/// One device: its fields, which may be secrets. They are wiped when it is dropped, and `Debug` doesn't show them.
pub struct Device {
    line: usize,
    fields: Vec<Zeroizing<String>>,
}

impl Device {
    /// The line where its row begins, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The text in this column, from 0; empty for a column that the table doesn't have.
    #[must_use]
    pub fn field(&self, column: usize) -> &str {
        self.fields.get(column).map_or("", |field| field.as_str())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// The devices of a table, in order: an iterator over each device, or all that is wrong with its row.
///
/// After an error of the text itself, such as a quote that isn't closed, it ends.
pub struct Devices<'a> {
    values: &'a Values<'a>,
    records: Option<Records<'a>>,
    /// What the first device has in the columns that are repeated.
    repeated: Option<Vec<Repeated>>,
}

/// A value that goes to every device.
struct Repeated {
    column: usize,
    text: Zeroizing<String>,
    /// The line of the first device.
    line: usize,
}

impl Devices<'_> {
    fn device(&mut self, record: Record) -> Result<Device, Vec<Error>> {
        let columns = self.values.columns.len();
        let Record { line, mut fields } = record;
        let count = fields.len();
        let surplus = fields.iter().skip(columns).any(|field| !field.is_empty());
        if count < columns || surplus {
            let cause = match fields.iter().any(|field| is_typographically_quoted(field)) {
                true => SurplusComma::TypographicQuotes,
                false => SurplusComma::Unquoted,
            };
            return Err(Vec::from([match surplus {
                true => ErrorKind::TooManyFields {
                    fields: count,
                    columns,
                    cause,
                },
                false => ErrorKind::TooFewFields { fields: count, columns },
            }
            .at(line)]));
        }
        fields.truncate(columns);
        let configuration = self.values.configuration;
        let blank = columns > 1 && fields.iter().all(|field| field.trim().is_empty());
        if blank && configuration.keys().any(|key| !key.is_repeated) {
            return Err(Vec::from([ErrorKind::BlankRow.at(line)]));
        }
        let device = Device { line, fields };
        match &self.repeated {
            None => {
                let keys = configuration.keys().zip(&self.values.column_of);
                let repeated = keys.filter(|(key, _)| key.is_repeated).map(|(_, column)| Repeated {
                    column: *column,
                    text: Zeroizing::new(device.field(*column).to_string()),
                    line,
                });
                self.repeated = Some(repeated.collect());
                Ok(device)
            }
            Some(repeated) => filled(device, repeated, &self.values.columns),
        }
    }
}

/// The device with the values that are repeated.
fn filled(mut device: Device, repeated: &[Repeated], columns: &[String]) -> Result<Device, Vec<Error>> {
    let mut errors = Vec::new();
    for Repeated { column, text, line } in repeated {
        match device.fields.get_mut(*column) {
            Some(field) if field.is_empty() => *field = text.clone(),
            Some(field) if *field != *text => {
                let key = columns.get(*column).map_or_else(String::new, |name| excerpt(name));
                let first = *line;
                add(&mut errors, ErrorKind::RepeatChanged { key, first }.at(device.line));
            }
            _ => {}
        }
    }
    match errors.is_empty() {
        true => Ok(device),
        false => Err(errors),
    }
}

impl Iterator for Devices<'_> {
    type Item = Result<Device, Vec<Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.records.as_mut()?.next()? {
            Ok(record) => Some(self.device(record)),
            Err(error) => {
                self.records = None;
                Some(Err(Vec::from([error])))
            }
        }
    }
}

/// Shows no value.
impl fmt::Debug for Devices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices").finish_non_exhaustive()
    }
}
