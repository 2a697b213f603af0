//! The header: which column is where.

use super::encoding::Encoding;
use super::error::{Error, ErrorKind, SurplusComma};
use super::file_format::FileFormat;
use super::records::Record;
use super::row::{Row, action};

/// The header of a table: how many columns it has, and the numbers of the four that matter.
pub(super) struct Header {
    columns: usize,
    key: usize,
    row_type: usize,
    encoding: usize,
    value: usize,
}

impl Header {
    pub(super) fn new(record: &Record) -> Result<Self, Error> {
        let find = |column| find(record, column);
        Ok(Self {
            columns: record.fields.len(),
            key: find("key")?,
            row_type: find("type")?,
            encoding: find("encoding")?,
            value: find("value")?,
        })
    }

    /// The row that a record is under this header.
    pub(super) fn row(&self, record: Record) -> Result<Row, Error> {
        let cause = self.surplus_comma(&record);
        let Record { line, mut fields } = record;
        let count = fields.len();
        if fields.iter().skip(self.columns).any(|field| !field.is_empty()) {
            return Err(ErrorKind::TooManyFields {
                fields: count,
                columns: self.columns,
                cause,
            }
            .at(line));
        }
        let mut take = |place: usize| fields.get_mut(place).map(core::mem::take);
        let mut key = take(self.key).ok_or_else(|| ErrorKind::MissingField { column: "key" }.at(line))?;
        let row_type = take(self.row_type).ok_or_else(|| ErrorKind::MissingField { column: "type" }.at(line))?;
        let (encoding, value) = (take(self.encoding), take(self.value));
        let action = action(&key, &row_type, encoding, value).map_err(|kind| kind.at(line))?;
        let key = core::mem::take(&mut *key);
        Ok(Row { line, key, action })
    }

    /// The most likely cause, if the record has a field too many.
    fn surplus_comma(&self, record: &Record) -> SurplusComma {
        if record.fields.iter().any(|field| is_typographically_quoted(field)) {
            SurplusComma::TypographicQuotes
        } else if record
            .fields
            .iter()
            .any(|field| field.trim_start().starts_with('"') && !field.starts_with('"'))
        {
            SurplusComma::BlankBeforeQuote
        } else if record
            .fields
            .get(self.encoding)
            .is_some_and(|field| Encoding::NUMBER_NAMES.contains(&field.as_str()))
        {
            SurplusComma::InNumber
        } else {
            SurplusComma::Unquoted
        }
    }
}

/// Whether a text begins with a typographic quote.
pub(super) fn is_typographically_quoted(text: &str) -> bool {
    text.trim_start().starts_with([
        '\u{201C}', '\u{201D}', '\u{201E}', '\u{2018}', '\u{2019}', '\u{201A}', '\u{AB}', '\u{BB}',
    ])
}

/// The number of a column: of the field with exactly this name, else of the one that differs only by blanks and case.
fn find(record: &Record, column: &'static str) -> Result<usize, Error> {
    let exactly = |name: &str| name == column;
    let nearly = |name: &str| name.trim().eq_ignore_ascii_case(column);
    let one = |matches: &dyn Fn(&str) -> bool| {
        let mut places = record.fields.iter().enumerate().filter(|(_, name)| matches(name));
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Some(Ok(place)),
            (None, _) => None,
            (Some(_), Some(_)) => Some(Err(ErrorKind::RepeatedColumn { column }.at(record.line))),
        }
    };
    one(&exactly)
        .or_else(|| one(&nearly))
        .unwrap_or_else(|| Err(missing(record, column).at(record.line)))
}

/// What is wrong with a header that doesn't name this column.
fn missing(record: &Record, column: &'static str) -> ErrorKind {
    let fields = &record.fields;
    if fields.iter().any(|name| name.contains('\0')) {
        return ErrorKind::FileFormat(FileFormat::Binary);
    }
    for separator in [';', '\t', '|'] {
        let names = fields.iter().flat_map(|field| field.split(separator));
        if names
            .map(|name| name.trim_matches([' ', '"']))
            .any(|name| name.eq_ignore_ascii_case(column))
        {
            return ErrorKind::FileFormat(FileFormat::Separator(separator));
        }
    }
    match fields.get(1).map(|field| field.trim()) {
        Some("namespace" | "data" | "file" | "option" | "delete" | "delete-all") => {
            ErrorKind::FileFormat(FileFormat::NoHeader)
        }
        _ => ErrorKind::MissingColumn { column },
    }
}
