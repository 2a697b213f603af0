//! Tables: the header, then row by row what they ask for.

use super::ROWS_MAX;
use super::error::{Error, ErrorKind, excerpt};
use super::header::Header;
use super::records::{LineEnds, Record, Records};
use super::row::{Action, Row, Source};
use alloc::string::String;
use alloc::vec::Vec;

/// Reads a table: the rows in order, each with its line. [`Row::value`] then reads files and decodes values.
///
/// ```
/// use fleetmint_nvs::csv::{self, Action};
/// let rows = csv::read(b"key,type,encoding,value\nprov,namespace,,\nclient_secret,delete,,\n")?;
/// assert_eq!((rows[1].line, rows[1].key.as_str(), &rows[1].action), (3, "client_secret", &Action::Delete));
/// # Ok::<(), csv::Error>(())
/// ```
///
/// # Errors
/// Text that isn't UTF-8, a quote that isn't closed, a header without the four columns, no rows, rows with too many or too
/// few fields, unknown types and encodings, more than [`ROW_MAX`](super::ROW_MAX) bytes in a row, more than [`ROWS_MAX`]
/// rows.
pub fn read(text: &[u8]) -> Result<Vec<Row>, Error> {
    rows(text, LineEnds::AsLf)
}

/// Reads a change list as [`read`] reads a table, but keeps line ends inside quotes as they are.
///
/// ```
/// use fleetmint_nvs::csv::{self, Value};
/// let rows = csv::read_changes(b"key,type,encoding,value\nnote,data,string,\"a\r\nb\"\n")?;
/// assert_eq!(rows[0].value(|_| Err::<Vec<u8>, _>("no files"))?, Some(Value::Str("a\r\nb".into())));
/// # Ok::<(), csv::Error>(())
/// ```
///
/// # Errors
/// As [`read`].
pub fn read_changes(text: &[u8]) -> Result<Vec<Row>, Error> {
    rows(text, LineEnds::AsTheyAre)
}

fn rows(text: &[u8], line_ends: LineEnds) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for row in Rows::new(text, line_ends)? {
        let row = row?;
        if rows.len() == ROWS_MAX {
            return Err(ErrorKind::TooManyRows { limit: ROWS_MAX }.at(row.line));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The rows of a table, one at a time.
pub(super) struct Rows<'a> {
    records: Records<'a>,
    header: Header,
    /// Whether there was a row that asks for something.
    any: bool,
    /// The key and line of the previous row, if its value begins a PEM block without ending it.
    open_pem: Option<(String, usize)>,
    ended: bool,
}

impl<'a> Rows<'a> {
    /// Reads the header.
    pub(super) fn new(text: &'a [u8], line_ends: LineEnds) -> Result<Self, Error> {
        let mut records = Records::new(text, line_ends)?;
        let Some(header) = records.next() else {
            return Err(ErrorKind::Empty.at(1));
        };
        Ok(Self {
            records,
            header: Header::new(&header?)?,
            any: false,
            open_pem: None,
            ended: false,
        })
    }

    fn row(&mut self, record: Record) -> Result<Row, Error> {
        let open_pem = self.open_pem.take();
        if let (Some((key, line)), 1) = (open_pem, record.fields.len()) {
            return Err(ErrorKind::UnquotedPem { key }.at(line));
        }
        let row = self.header.row(record)?;
        if let Action::Set {
            source: Source::Text(text),
            ..
        } = &row.action
            && text.contains("-----BEGIN ")
            && !text.contains("-----END ")
        {
            self.open_pem = Some((excerpt(&row.key), row.line));
        }
        Ok(row)
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let record = match self.records.next() {
                Some(Ok(record)) => record,
                Some(Err(error)) => return Some(Err(error)),
                None if self.any || self.ended => return None,
                None => {
                    self.ended = true;
                    return Some(Err(ErrorKind::Empty.at(1)));
                }
            };
            // Spreadsheets leave such rows below the data.
            if record.fields.iter().all(|field| field.trim().is_empty()) {
                continue;
            }
            let row = self.row(record);
            self.any |= !matches!(&row, Ok(row) if row.action == Action::NoComputedRows);
            return Some(row);
        }
    }
}
