//! Devices: the rows of the values, one by one.

use super::error::{Error, ErrorKind};
use super::errors::{Errors, only};
use super::values::Values;
use crate::csv::error::{self, SurplusComma, excerpt};
use crate::csv::header::is_typographically_quoted;
use crate::csv::records::{Record, Records};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

impl Values<'_> {
    /// The devices, from the first.
    #[must_use]
    pub fn devices(&self) -> Devices<'_> {
        Devices::new(self)
    }
}

/// One device: its fields, which may be secrets. They are wiped when it is dropped, and `Debug` doesn't show them.
pub struct Device {
    line: usize,
    fields: Vec<Zeroizing<String>>,
    /// The line of the first device, whose values are repeated.
    first: usize,
}

impl Device {
    /// The line where its row begins, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The text in this column, from 0, or that of the first device where it is repeated; empty for a column that the table
    /// doesn't have.
    #[must_use]
    pub fn field(&self, column: usize) -> &str {
        self.fields.get(column).map_or("", |field| field.as_str())
    }

    pub(super) fn first(&self) -> usize {
        self.first
    }
}

/// Shows no value.
impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// The devices of a table, in order: an iterator over each device, or all that is wrong with its row.
///
/// After an error of the text itself, such as a quote that isn't closed, it ends. If the row of the first device is wrong and
/// the configuration has keys with `REPEAT`, no other device is known: then only rows that are wrong too are returned.
pub struct Devices<'a> {
    values: &'a Values<'a>,
    records: Option<Records<'a>>,
    repeated: Repeated,
}

/// What the first device has in the columns that are repeated.
enum Repeated {
    /// It was not read yet.
    Ahead,
    /// Its row is wrong.
    Unknown,
    Known {
        texts: Vec<(usize, Zeroizing<String>)>,
        line: usize,
    },
}

impl<'a> Devices<'a> {
    fn new(values: &'a Values<'a>) -> Self {
        Self {
            values,
            records: Some(values.records()),
            repeated: Repeated::Ahead,
        }
    }

    /// The device of a record; none, if the first would have to be known.
    fn device(&mut self, record: Record) -> Option<Result<Device, Vec<Error>>> {
        let is_first = matches!(self.repeated, Repeated::Ahead);
        let device = match self.whole(record) {
            Ok(device) => device,
            Err(error) => {
                if is_first && self.values.repeated_columns().next().is_some() {
                    self.repeated = Repeated::Unknown;
                }
                return Some(only(error));
            }
        };
        match &self.repeated {
            Repeated::Ahead => {
                let text = |column| (column, Zeroizing::new(device.field(column).to_string()));
                self.repeated = Repeated::Known {
                    texts: self.values.repeated_columns().map(text).collect(),
                    line: device.line,
                };
                Some(Ok(device))
            }
            Repeated::Unknown => None,
            Repeated::Known { texts, line } => Some(filled(device, texts, *line, self.values.columns())),
        }
    }

    /// The device of a record that has as many fields as the header.
    fn whole(&self, record: Record) -> Result<Device, Error> {
        let columns = self.values.columns().len();
        let Record { line, mut fields } = record;
        let count = fields.len();
        if fields.iter().skip(columns).any(|field| !field.is_empty()) {
            let cause = if fields.iter().any(|field| is_typographically_quoted(field)) {
                SurplusComma::TypographicQuotes
            } else if fields.iter().any(|field| is_quoted_after_blank(field)) {
                SurplusComma::BlankBeforeQuote
            } else {
                SurplusComma::Unquoted
            };
            return Err(error::ErrorKind::TooManyFields {
                fields: count,
                columns,
                cause,
            }
            .at(line)
            .into());
        }
        if count < columns {
            return Err(ErrorKind::TooFewFields { fields: count, columns }.at(line));
        }
        fields.truncate(columns);
        // Spreadsheets leave rows of commas below the data. They are devices only if every value of one may be blank.
        if let Some(key) = self.values.key_with_value()
            && fields.iter().all(|field| field.trim().is_empty())
        {
            return Err(ErrorKind::BlankRow { key: excerpt(key) }.at(line));
        }
        let first = match &self.repeated {
            Repeated::Known { line, .. } => *line,
            Repeated::Ahead | Repeated::Unknown => line,
        };
        Ok(Device { line, fields, first })
    }
}

fn is_quoted_after_blank(field: &str) -> bool {
    field.trim_start().starts_with('"') && !field.starts_with('"')
}

/// The device with the values that are repeated, which the device in this line has.
fn filled(
    mut device: Device,
    repeated: &[(usize, Zeroizing<String>)],
    first: usize,
    columns: &[String],
) -> Result<Device, Vec<Error>> {
    let mut errors = Errors::default();
    for (column, text) in repeated {
        match device.fields.get_mut(*column) {
            Some(field) if field.is_empty() => *field = text.clone(),
            Some(field) if *field != *text => {
                let key = || columns.get(*column).map_or_else(String::new, |name| excerpt(name));
                errors.add(device.line, || ErrorKind::RepeatChanged { key: key(), first });
            }
            _ => {}
        }
    }
    errors.or(|| device)
}

impl Iterator for Devices<'_> {
    type Item = Result<Device, Vec<Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.records.as_mut()?.next()? {
                Ok(record) => {
                    if let Some(device) = self.device(record) {
                        return Some(device);
                    }
                }
                Err(error) => {
                    self.records = None;
                    return Some(only(error));
                }
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
