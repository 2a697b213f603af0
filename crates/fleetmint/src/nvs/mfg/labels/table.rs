//! The table of labels, `PREFIX-labels.csv`, for programs that print labels: RFC 4180 with line feeds.

use std::fmt::Write;

use fleetmint_board::wiped::WipedText;

/// One record. A field is quoted where it has to be.
pub(crate) fn record(fields: &[&str]) -> WipedText {
    let mut line = WipedText::default();
    for (number, field) in fields.iter().enumerate() {
        // Writing to memory does not fail.
        let _ = line.write_str(if number == 0 { "" } else { "," });
        let is_quoted = field.contains([',', '"', '\r', '\n']) || *field != field.trim();
        if !is_quoted {
            let _ = line.write_str(field);
            continue;
        }
        let _ = line.write_str("\"");
        for (number, part) in field.split('"').enumerate() {
            let _ = line.write_str(if number == 0 { "" } else { "\"\"" });
            let _ = line.write_str(part);
        }
        let _ = line.write_str("\"");
    }
    let _ = line.write_str("\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_the_fields_back() {
        for fields in [
            &["1", "plain", ""][..],
            &["a,b", "\"quoted\"", "two\nlines", " room "],
            &["{\"ver\":\"v1\",\"pop\":\"\\\"\"}", "grüße", "\r"],
            &["\"", "", ""],
        ] {
            let line = record(fields);
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .from_reader(line.as_bytes());
            let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            assert_eq!(records.len(), 1);
            assert!(records[0].iter().eq(fields.iter().copied()), "{fields:?}");
        }
        assert_eq!(&*record(&["1", "a\"b"]), "1,\"a\"\"b\"\n");
    }
}
