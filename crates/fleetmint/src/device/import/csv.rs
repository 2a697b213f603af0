//! The records of a CSV file with their lines.
//!
//! A field may be a secret. So the file is read into one place and each record into another, both of which are
//! overwritten: the reader of the crate `csv` has buffers that are not.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use zeroize::Zeroizing;

/// Reads records.
pub(super) struct Records<'a> {
    reader: Reader,
    separator: u8,
    rest: &'a [u8],
    /// The line that `rest` begins with.
    line: u64,
    /// A record is never longer than the file.
    fields: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
}

/// A record: the line that it begins with, and its fields.
pub(super) struct Record<'a> {
    pub(super) line: u64,
    /// What is wrong with its quotation marks: the fields are then not what was meant.
    pub(super) misquoted: Option<&'static str>,
    fields: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Records<'a> {
    /// The separator is a comma, or a semicolon if the first line has one and no comma, as some spreadsheets write it.
    pub(super) fn new(file: &'a [u8]) -> Self {
        const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
        let file = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
        let first = file
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .next()
            .unwrap_or_default();
        let separator = match first.contains(&b';') && !first.contains(&b',') {
            true => b';',
            false => b',',
        };
        Self {
            reader: ReaderBuilder::new().delimiter(separator).build(),
            separator,
            rest: file,
            line: 1,
            fields: Zeroizing::new(vec![0; file.len() + 1]),
            ends: vec![0; 64],
        }
    }

    /// The next record that is not an empty line.
    pub(super) fn next(&mut self) -> Option<Record<'_>> {
        while let Some((b'\n' | b'\r', rest)) = self.rest.split_first() {
            self.advance(rest);
        }
        let (line, begin) = (self.line, self.rest);
        let (mut fields, mut ends) = (0, 0);
        loop {
            let (result, read, written, ended) = self.reader.read_record(
                self.rest,
                self.fields.get_mut(fields..).unwrap_or_default(),
                self.ends.get_mut(ends..).unwrap_or_default(),
            );
            let rest = self.rest.get(read..).unwrap_or_default();
            self.advance(rest);
            fields += written;
            ends += ended;
            match result {
                // It is called again, and told that there is no more.
                ReadRecordResult::InputEmpty => {}
                // It cannot happen; a record is never longer than the file.
                ReadRecordResult::OutputFull => return None,
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    let record = begin.get(..begin.len() - self.rest.len()).unwrap_or_default();
                    return Some(Record {
                        line,
                        misquoted: misquoted(record, self.separator),
                        fields: self.fields.get(..fields).unwrap_or_default(),
                        ends: self.ends.get(..ends).unwrap_or_default(),
                    });
                }
                ReadRecordResult::End => return None,
            }
        }
    }

    /// Goes on to `rest`, and counts the lines before it.
    fn advance(&mut self, rest: &'a [u8]) {
        let passed = self.rest.get(..self.rest.len() - rest.len()).unwrap_or_default();
        // A line ends with LF, CRLF or, in old tables of the Mac, CR.
        let ends = passed.iter().enumerate().filter(|(place, byte)| match byte {
            b'\n' => true,
            b'\r' => self.rest.get(place + 1) != Some(&b'\n'),
            _ => false,
        });
        self.line += ends.count() as u64;
        self.rest = rest;
    }
}

/// What is wrong with the quotation marks of a record. The reader never fails: it would drop a mark that is part of a
/// password, and take lines that belong to others.
fn misquoted(record: &[u8], separator: u8) -> Option<&'static str> {
    #[derive(Clone, Copy)]
    enum At {
        Begin,
        Plain,
        Quoted,
        /// After a quotation mark in a quoted field: the end of the field, or the first one of two.
        Mark,
    }
    let mut at = At::Begin;
    for byte in record {
        let ends = *byte == separator || matches!(byte, b'\n' | b'\r');
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Mark,
            (At::Quoted, _) | (At::Begin | At::Mark, b'"') => At::Quoted,
            (At::Mark, _) if !ends => {
                return Some(
                    "text follows the quotation mark that ends a field: put the whole field in quotation marks, and write \
                     each one that is part of it twice",
                );
            }
            _ if ends => At::Begin,
            _ => At::Plain,
        };
    }
    matches!(at, At::Quoted).then_some(
        "a field begins with a quotation mark, and none ends it: if it is part of the value, put the whole field in \
         quotation marks, and write it twice",
    )
}

impl Record<'_> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        let begin = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.fields.get(begin..*self.ends.get(place)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> Vec<(u64, Vec<String>)> {
        let mut records = Records::new(file.as_bytes());
        let mut all = Vec::new();
        while let Some(record) = records.next() {
            let field = |place| String::from_utf8(record.get(place).unwrap().to_vec()).unwrap();
            all.push((record.line, (0..record.len()).map(field).collect()));
            assert!(record.get(record.len()).is_none());
        }
        all
    }

    fn expected(records: &[(u64, &[&str])]) -> Vec<(u64, Vec<String>)> {
        let owned = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
        records.iter().map(|(line, fields)| (*line, owned(fields))).collect()
    }

    #[test]
    fn records_have_the_lines_that_they_begin_with() {
        let file = "\u{FEFF}a,b\r\n\r\n\n1,\"two\nlines \"\"quoted\"\"\"\r\n,\n3";
        assert_eq!(
            read(file),
            expected(&[
                (1, &["a", "b"]),
                (4, &["1", "two\nlines \"quoted\""]),
                (6, &["", ""]),
                (7, &["3"]),
            ])
        );
        assert_eq!(read("a;b\n1,5;2\n"), expected(&[(1, &["a", "b"]), (2, &["1,5", "2"])]));
        assert_eq!(read("a;,b"), expected(&[(1, &["a;", "b"])]));
        assert_eq!(read("\n\n"), []);
        assert_eq!(read(""), []);
    }

    #[test]
    fn lines_may_end_as_on_an_old_mac() {
        assert_eq!(
            read("a;b\r1;2\r\r\"3\r\";4\r5;6"),
            expected(&[(1, &["a", "b"]), (2, &["1", "2"]), (4, &["3\r", "4"]), (6, &["5", "6"])])
        );
    }

    #[test]
    fn quotation_marks_that_would_be_lost_are_found() {
        let misquoted = |file: &str| Records::new(file.as_bytes()).next().unwrap().misquoted;
        for right in [
            "a,b",
            "\"a\",\"\"\"b\"\"\"\r\n",
            "\"\",\"\"",
            "a\"b,c",
            "\"a\nb\",c",
            "\"a\"\rb",
        ] {
            assert_eq!(misquoted(right), None, "{right}");
        }
        for wrong in ["\"abc\"defgh,x", "a,\"b\" ,c"] {
            assert!(misquoted(wrong).unwrap().starts_with("text follows"), "{wrong}");
        }
        for wrong in ["a,\"b", "a,\"b\nc,d\n", "\"", "a,\"b\"\""] {
            assert!(misquoted(wrong).unwrap().contains("none ends it"), "{wrong}");
        }
    }

    #[test]
    fn a_record_may_have_many_fields() {
        let line = vec!["x"; 1000].join(",");
        assert_eq!(read(&line)[0].1.len(), 1000);
    }
}
