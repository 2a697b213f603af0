//! Records: a text split into lines and fields, in the dialect of Python's `csv` module that Espressif's generator uses.

use super::error::{Error, ErrorKind};
use super::file_format;
use super::{COLUMNS_MAX, ROW_MAX};
use crate::wiped;
use alloc::string::String;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The fields of one row.
#[derive(PartialEq, Eq)]
pub(super) struct Record {
    /// The line where it begins, from 1.
    pub(super) line: usize,
    pub(super) fields: Vec<Zeroizing<String>>,
}

/// Reads a text row by row. Blank lines, and lines that begin with `#`, are skipped between rows.
#[derive(Clone)]
pub(super) struct Records<'a> {
    rest: &'a str,
    line: usize,
    line_ends: LineEnds,
}

/// How line ends inside quotes are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// Every kind as LF, as Espressif's generator reads them.
    AsLf,
    /// As part of the value, unchanged.
    AsTheyAre,
}

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// Whether this is the line `sep=;`, which only tells Excel how the columns are separated.
fn is_separator_line(line: &str) -> bool {
    let line = line.trim_matches('"');
    let (name, separator) = line.split_at_checked("sep=".len()).unwrap_or_default();
    name.eq_ignore_ascii_case("sep=") && separator.chars().count() == 1
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a [u8], line_ends: LineEnds) -> Result<Self, Error> {
        if let Some(format) = file_format::of(text) {
            return Err(ErrorKind::FileFormat(format).at(1));
        }
        match core::str::from_utf8(text) {
            Ok(text) => {
                let mut records = Self {
                    rest: text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text),
                    line: 1,
                    line_ends,
                };
                records.skip_separator_line();
                Ok(records)
            }
            Err(error) => {
                let (valid, _) = text.split_at_checked(error.valid_up_to()).unwrap_or((text, &[]));
                let valid = core::str::from_utf8(valid).unwrap_or_default();
                let mut before = Records {
                    rest: valid,
                    line: 1,
                    line_ends,
                };
                while before.next_char().is_some() {}
                Err(ErrorKind::NotUtf8.at(before.line))
            }
        }
    }

    /// The next character, with every kind of line end (LF, CRLF, CR) as LF.
    fn next_char(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let mut char = chars.next()?;
        if char == '\r' {
            char = '\n';
            self.rest = chars.as_str().strip_prefix('\n').unwrap_or(chars.as_str());
        } else {
            self.rest = chars.as_str();
        }
        if char == '\n' {
            self.line += 1;
        }
        Some(char)
    }

    /// The next character inside quotes.
    fn next_quoted_char(&mut self) -> Option<char> {
        if self.line_ends == LineEnds::AsTheyAre
            && let Some(rest) = self.rest.strip_prefix("\r\n")
        {
            // The next call returns the LF and counts the line.
            let (_, lf_and_rest) = self.rest.split_at_checked(self.rest.len() - rest.len() - 1)?;
            self.rest = lf_and_rest;
            return Some('\r');
        }
        let is_cr = self.rest.starts_with('\r');
        let char = self.next_char()?;
        Some(if is_cr && self.line_ends == LineEnds::AsTheyAre {
            '\r'
        } else {
            char
        })
    }

    /// The rest of the line without its line end, and the text from the line end on.
    fn split_line(&self) -> (&'a str, &'a str) {
        let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        self.rest.split_at_checked(end).unwrap_or((self.rest, ""))
    }

    fn skip_separator_line(&mut self) {
        let (line, after) = self.split_line();
        if is_separator_line(line) {
            self.rest = after;
            self.next_char();
        }
    }

    fn skip_blank_and_comment_lines(&mut self) {
        loop {
            let (line, after) = self.split_line();
            if !line.starts_with('#') && !line.trim_matches([' ', '\t']).is_empty() {
                return;
            }
            self.rest = after;
            if self.next_char().is_none() {
                return;
            }
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blank_and_comment_lines();
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let left = self.rest.len().saturating_sub(ROW_MAX);
        let too_long = |rest: &str| rest.len() < left;
        let mut fields = Vec::new();
        let mut field = Zeroizing::new(String::new());
        // A quote opens a value only at the beginning of a field. Text after the closing quote still belongs to the field.
        let mut at_start = true;
        while let Some(char) = self.next_char() {
            if too_long(self.rest) {
                return Some(Err(ErrorKind::RowTooLong { limit: ROW_MAX }.at(line)));
            }
            match char {
                ',' if fields.len() + 1 == COLUMNS_MAX => {
                    return Some(Err(ErrorKind::TooManyColumns { limit: COLUMNS_MAX }.at(line)));
                }
                ',' => {
                    fields.push(core::mem::take(&mut field));
                    at_start = true;
                    continue;
                }
                '\n' => break,
                '"' if at_start => {
                    let opened = self.line;
                    loop {
                        if too_long(self.rest) {
                            return Some(Err(ErrorKind::RowTooLong { limit: ROW_MAX }.at(line)));
                        }
                        match self.next_quoted_char() {
                            Some('"') => match self.rest.strip_prefix('"') {
                                Some(rest) => {
                                    wiped::push(&mut field, '"');
                                    self.rest = rest;
                                }
                                None => break,
                            },
                            Some(char) => wiped::push(&mut field, char),
                            None => return Some(Err(ErrorKind::UnclosedQuote.at(opened))),
                        }
                    }
                }
                char => wiped::push(&mut field, char),
            }
            at_start = false;
        }
        fields.push(field);
        Some(Ok(Record { line, fields }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn texts(record: &Record) -> Vec<String> {
        record.fields.iter().map(|field| field.as_str().to_string()).collect()
    }

    fn records(text: &str) -> Vec<(usize, Vec<String>)> {
        Records::new(text.as_bytes(), LineEnds::AsLf)
            .unwrap()
            .map(|record| record.map(|r| (r.line, texts(&r))).unwrap())
            .collect()
    }

    fn one(text: &str) -> Vec<String> {
        let [(_, fields)] = <[_; 1]>::try_from(records(text)).unwrap();
        fields
    }

    #[test]
    fn quotes_as_python_reads_them() {
        assert_eq!(one("a,\"b,c\",\"d\"\"e\",f\"g\"\n"), ["a", "b,c", "d\"e", "f\"g\""]);
        assert_eq!(one("\"a\"b\"c,d"), ["ab\"c", "d"]);
        assert_eq!(one("a, \"b\""), ["a", " \"b\""]);
        assert_eq!(one("\"\",,"), ["", "", ""]);
        assert_eq!(one("\"\"\"\""), ["\""]);
    }

    #[test]
    fn line_ends_and_line_numbers() {
        assert_eq!(one("\"a\r\nb\rc\nd\""), ["a\nb\nc\nd"]);
        let lines: Vec<usize> = records("a\r\n\r\nb\rc\n# x\n \t\n\"d\n\ne\"\nf")
            .iter()
            .map(|(line, _)| *line)
            .collect();
        assert_eq!(lines, [1, 3, 4, 7, 10]);
    }

    #[test]
    fn line_ends_of_values_as_they_are() {
        let text = b"\"a\r\nb\rc\nd\"\r\ne";
        let records: Vec<_> = Records::new(text, LineEnds::AsTheyAre)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(texts(&records[0]), ["a\r\nb\rc\nd"]);
        assert_eq!((records[1].line, texts(&records[1])), (5, vec!["e".to_string()]));
    }

    #[test]
    fn comments_stand_between_rows_only() {
        assert_eq!(
            records("# a,\"b\nc\n #d\n"),
            [(2, vec!["c".to_string()]), (3, vec![" #d".to_string()])]
        );
        assert_eq!(one("\"a\n# b\nc\""), ["a\n# b\nc"]);
        assert!(records("#").is_empty());
        assert!(records("\u{FEFF}\n\n").is_empty());
    }

    #[test]
    fn broken_texts() {
        let error = Records::new(b"a\nb\n\n,\"\xFF\"", LineEnds::AsLf).err().unwrap();
        assert_eq!((error.line, error.kind), (4, ErrorKind::NotUtf8));
        let error = Records::new(b"a\nb,\"c\nd\n", LineEnds::AsLf)
            .unwrap()
            .nth(1)
            .unwrap()
            .err()
            .unwrap();
        assert_eq!((error.line, error.kind), (2, ErrorKind::UnclosedQuote));
    }
}
