//! The rows of a table of devices, and everything in it that is wrong.

use std::collections::HashMap;
use std::fmt;

use fleetmint_board::escape;
use zeroize::Zeroizing;

use super::csv::{Record, Records};
use super::rules;
use crate::client::{Override, OverridesChange};
use crate::device::table::Column;

/// The most rows of a table: each takes a few hundred bytes of memory.
const ROWS_MAX: usize = 1_000_000;

/// How many bad places are named at once. A table with more of them is another table than was meant.
pub(super) const BAD_MAX: usize = 10_000;

/// The most bytes of the name of an unknown column that are shown.
const NAME_SHOWN_MAX: usize = 100;

/// What a table in another encoding is told.
const NOT_UTF_8: &str = "it is not UTF-8; save the table as UTF-8";

/// A device to be created.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it begins in the file.
    pub(super) line: u64,
    pub(super) model: String,
    pub(super) name: String,
    pub(super) serial: Option<String>,
    pub(super) overrides: OverridesChange,
}

/// A place in the file that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) line: u64,
    pub(super) column: Option<&'static str>,
    /// It never quotes a value, which may be a secret.
    pub(super) rule: String,
}

impl Bad {
    pub(super) fn new(line: u64, column: Column, rule: impl Into<String>) -> Self {
        Self {
            line,
            column: Some(column.name()),
            rule: rule.into(),
        }
    }

    fn line(line: u64, rule: impl Into<String>) -> Self {
        Self {
            line,
            column: None,
            rule: rule.into(),
        }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "{}: column {column}: {}", self.line, self.rule),
            None => write!(f, "{}: {}", self.line, self.rule),
        }
    }
}

/// Reads all rows. Also of a file with bad places, so that all of them can be named at once.
pub(super) fn read(file: &[u8]) -> (Vec<Row>, Vec<Bad>) {
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    let mut records = Records::new(file);
    let Some(header) = records.next() else {
        return (
            rows,
            vec![Bad::line(1, format!("the table is empty; its columns are {}", names()))],
        );
    };
    // An image that is given by mistake holds secrets: its bytes are no names of columns to show.
    if (0..header.len()).any(|place| header.get(place).is_some_and(|name| name.contains(&0))) {
        let rule = "the file is not text in UTF-8: its header holds NUL bytes, as images and spreadsheets in their own formats do";
        return (rows, vec![Bad::line(1, rule)]);
    }
    let columns = columns(&header, &mut bad);
    if !bad.is_empty() {
        return (rows, bad);
    }
    let mut serials: HashMap<String, u64> = HashMap::new();
    while let Some(record) = records.next() {
        if bad.len() >= BAD_MAX {
            bad.push(Bad::line(record.line, "the rest of the table was not checked"));
            break;
        }
        let Some(row) = row(&record, &columns, &mut bad) else {
            continue;
        };
        if rows.len() == ROWS_MAX {
            let rule = format!("the table has more than {ROWS_MAX} rows, the maximum: split it");
            bad.push(Bad::line(row.line, rule));
            break;
        }
        if let Some(serial) = &row.serial {
            match serials.get(serial) {
                Some(first) => bad.push(Bad::new(
                    row.line,
                    Column::Serial,
                    format!("line {first} has the same serial"),
                )),
                None => drop(serials.insert(serial.clone(), row.line)),
            }
        }
        rows.push(row);
    }
    if rows.is_empty() && bad.is_empty() {
        bad.push(Bad::line(1, "the table has no rows"));
    }
    (rows, bad)
}

/// The names of all columns.
fn names() -> String {
    Column::all().map(Column::name).collect::<Vec<_>>().join(", ")
}

fn columns(header: &Record<'_>, bad: &mut Vec<Bad>) -> Vec<Column> {
    let mut columns = Vec::new();
    if let Some(rule) = header.misquoted {
        bad.push(Bad::line(header.line, rule));
        return columns;
    }
    let mut unknown = Vec::new();
    for place in 0..header.len() {
        let name = std::str::from_utf8(header.get(place).unwrap_or_default());
        let Ok(name) = name else {
            bad.push(Bad::line(header.line, NOT_UTF_8));
            return columns;
        };
        let name = name.trim();
        match Column::all().find(|column| column.name().eq_ignore_ascii_case(name)) {
            Some(column) if columns.contains(&column) => {
                bad.push(Bad::line(header.line, format!("the column {name} is there twice")));
            }
            Some(column) => columns.push(column),
            None => unknown.push(name),
        }
    }
    // Without a header it is a device, whose values may be secrets.
    if columns.is_empty() {
        let rule = format!("it is no header: it has none of the columns {}", names());
        bad.push(Bad::line(header.line, rule));
        return columns;
    }
    bad.extend(unknown.into_iter().take(BAD_MAX).map(|name| {
        let name = escape::bounded_line(name, NAME_SHOWN_MAX);
        let rule = format!("the column \"{name}\" is unknown; the columns are {}", names());
        Bad::line(header.line, rule)
    }));
    for column in Column::all().filter(|column| column.is_required() && !columns.contains(column)) {
        bad.push(Bad::line(
            header.line,
            format!("the column {} is missing", column.name()),
        ));
    }
    columns
}

/// Reads a row, and adds what is wrong with it. `None` if its fields belong to no columns.
fn row(record: &Record<'_>, columns: &[Column], bad: &mut Vec<Bad>) -> Option<Row> {
    let line = record.line;
    if let Some(rule) = record.misquoted {
        bad.push(Bad::line(line, rule));
        return None;
    }
    if record.len() != columns.len() {
        let rule = format!(
            "it has {} fields, the header has {} columns",
            record.len(),
            columns.len()
        );
        bad.push(Bad::line(line, rule));
        return None;
    }
    let mut row = Row {
        line,
        model: String::new(),
        name: String::new(),
        serial: None,
        overrides: OverridesChange::default(),
    };
    for (place, &column) in columns.iter().enumerate() {
        let Ok(text) = std::str::from_utf8(record.get(place).unwrap_or_default()) else {
            bad.push(Bad::new(line, column, NOT_UTF_8));
            continue;
        };
        if let Err(rule) = check(column, text) {
            bad.push(Bad::new(line, column, rule));
            continue;
        }
        match column {
            Column::Model => text.clone_into(&mut row.model),
            Column::Name => text.clone_into(&mut row.name),
            Column::Serial => row.serial = (!text.is_empty()).then(|| text.to_owned()),
            Column::Override(_) if text.is_empty() => {}
            Column::Override(setting) => {
                let value = Zeroizing::new(text.to_owned());
                row.overrides.set(setting, Override::Value(value));
            }
        }
    }
    Some(row)
}

fn check(column: Column, text: &str) -> Result<(), String> {
    // Two missing quotation marks make a field of all lines between them.
    if text.contains(['\n', '\r']) {
        return Err("it has a line break; is a quotation mark missing?".to_owned());
    }
    match column {
        Column::Model if text.is_empty() => Err("it is empty".to_owned()),
        Column::Model => Ok(()),
        Column::Name => rules::name(text),
        Column::Serial | Column::Override(_) if text.is_empty() => Ok(()),
        Column::Serial => rules::serial(text),
        Column::Override(setting) => rules::override_value(setting, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(file: &str) -> Vec<String> {
        read(file.as_bytes()).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_are_read_in_any_order_of_columns() {
        let (rows, bad) =
            read(b"Serial;wifi_password; name ;MODEL\nSN-1;correct horse;Kitchen;tempsensor\n;;Hall;tempsensor\n");
        assert_eq!(bad, []);
        let [first, second] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!(
            (first.line, first.model.as_str(), first.name.as_str()),
            (2, "tempsensor", "Kitchen")
        );
        assert_eq!(
            (first.serial.as_deref(), second.serial.as_deref()),
            (Some("SN-1"), None)
        );
        assert_eq!(
            serde_json::to_string(&first.overrides).unwrap(),
            r#"{"wifi_password":"correct horse"}"#
        );
        assert!(second.overrides.is_empty());
        assert!(!format!("{rows:?}").contains("horse"));
    }

    #[test]
    fn all_bad_places_are_named_and_none_is_quoted() {
        let file = "model,name,serial,wifi_password,mqtt_url\n\
                    ,\u{200b},SN 1 ,hunter2,mqtt://hunter2\n\
                    a,b\n\
                    a,b,SN-1,***,mqtt://***@broker\n\
                    a,b,SN-1,,http://hunter2@x\n\
                    a,\"b,SN-2,,\na,c,SN-3,,\n";
        let found = bad(file);
        assert_eq!(
            found,
            [
                "2: column model: it is empty",
                "2: column name: must have a visible character",
                "2: column serial: must be 1 to 64 printable ASCII characters, without spaces at its ends",
                "2: column wifi_password: wifi_password has 7 bytes: it must be 8 to 63 bytes of UTF-8, or 64 hexadecimal \
                 digits",
                "3: it has 2 fields, the header has 5 columns",
                "4: column wifi_password: *** stands for a secret that an export does not have: put it in, or leave the \
                 field empty",
                "4: column mqtt_url: *** stands for a secret that an export does not have: put it in, or leave the field \
                 empty",
                "5: column mqtt_url: must be an mqtt, mqtts, ws or wss URL, such as mqtts://broker.example.com",
                "5: column serial: line 4 has the same serial",
                "6: a field begins with a quotation mark, and none ends it: if it is part of the value, put the whole field \
                 in quotation marks, and write it twice",
            ]
        );
    }

    #[test]
    fn a_bad_header_is_named() {
        assert_eq!(
            bad("modell,name,name\n"),
            [
                "1: the column name is there twice",
                "1: the column \"modell\" is unknown; the columns are model, name, serial, base_url, token_url, mqtt_url, \
                 wifi_ssid, wifi_password",
                "1: the column model is missing",
            ]
        );
        assert_eq!(
            bad("model,secret\0,name\n"),
            [
                "1: the file is not text in UTF-8: its header holds NUL bytes, as images and spreadsheets in their own formats do"
            ]
        );
        assert_eq!(bad("name,model\n"), ["1: the table has no rows"]);
        assert!(bad("")[0].contains("the table is empty"));
    }

    #[test]
    fn a_table_without_a_header_shows_no_value() {
        let found = bad("tempsensor,Kitchen,SN-1,Home,hunter2 hunter2\n");
        assert!(
            matches!(found.as_slice(), [one] if one.starts_with("1: it is no header: ") && !one.contains("hunter2")),
            "{found:?}"
        );
    }

    #[test]
    fn a_missing_quotation_mark_is_found() {
        assert_eq!(
            bad("model,name\na,\"b\na,c\"\n"),
            ["2: column name: it has a line break; is a quotation mark missing?"]
        );
        let found = bad("model,name\na,\"b\na,c\n");
        assert!(
            matches!(found.as_slice(), [one] if one.starts_with("2: a field begins")),
            "{found:?}"
        );
    }

    #[test]
    fn a_table_in_another_encoding_is_said_to_be_so() {
        for table in ["\u{feff}model,name\na,b\n", "model,name\n"] {
            let utf_16: Vec<u8> = table.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let (rows, bad) = read(&utf_16);
            assert!(rows.is_empty());
            assert!(
                matches!(bad.as_slice(), [one] if one.rule.contains("not text in UTF-8")),
                "{bad:?}"
            );
        }
        assert_eq!(read(b"m\xF6del,name\n").1, [Bad::line(1, NOT_UTF_8)]);
    }

    #[test]
    fn a_table_of_something_else_takes_no_more_memory_than_one_of_devices() {
        let lines = "model,name\n".to_owned() + &"a\n".repeat(3 * BAD_MAX);
        let columns = "model,name".to_owned() + &",c".repeat(3 * BAD_MAX);
        for table in [lines, columns] {
            let found = read(table.as_bytes()).1.len();
            assert!((BAD_MAX..BAD_MAX + 9).contains(&found), "{found}");
        }
    }
}
