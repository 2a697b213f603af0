//! Changes that spreadsheets and editors make to a table: accepted if the meaning is clear, otherwise named in the
//! error.

use super::{HEADER, generate};
use fleetmint_nvs::csv::{self, ErrorKind, FileFormat};

const ROWS: &str = "dev,namespace,,\nid,data,string,unit-1\n";

fn message(table: &[u8]) -> String {
    csv::read(table).unwrap_err().to_string()
}

fn row_message(row: &str) -> String {
    let error = generate(&format!("n,namespace,,\n{row}\n")).unwrap_err();
    assert_eq!(error.line, 3, "{error}");
    error.to_string()
}

#[test]
fn unambiguous_changes_are_accepted() {
    let want = csv::read(format!("{HEADER}{ROWS}").as_bytes()).unwrap();
    for table in [
        format!("key, type, encoding, value \n{ROWS}"),
        format!("Key,TYPE,Encoding,Value\n{ROWS}"),
        "key,type,encoding,value,,\ndev,namespace,,,,\nid,data,string,unit-1,,\n".to_owned(),
        format!("{HEADER}{ROWS},,,\n , ,\t,\n,,,\n"),
    ] {
        assert_eq!(csv::read(table.as_bytes()), Ok(want.clone()), "{table:?}");
    }
    for line in ["sep=,", "SEP=,", "\"sep=,\"", "\u{FEFF}sep=,"] {
        let rows = csv::read(format!("{line}\r\n{HEADER}{ROWS}").as_bytes()).unwrap();
        assert_eq!((rows.len(), rows[0].line), (2, 3), "{line:?}");
    }
    // A column with exactly the right name wins over one that differs by case, as with Espressif's generator.
    let rows = csv::read(b"Key,key,type, Type,encoding,value\nx,k,data,y,u8,1\n").unwrap();
    assert_eq!(rows[0].key, "k");
    assert_eq!(
        csv::read(b"Key,KEY,type,encoding,value\n").unwrap_err().kind,
        ErrorKind::RepeatedColumn { column: "key" }
    );
}

#[test]
fn files_that_are_not_tables() {
    let utf16 = |text: &str, mark: bool, big: bool| -> Vec<u8> {
        let mark = mark.then_some(0xFEFF_u16);
        let units = mark.into_iter().chain(text.encode_utf16());
        units
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    let table = format!("{HEADER}{ROWS}");
    for (mark, big) in [(true, true), (true, false), (false, true), (false, false)] {
        let error = csv::read(&utf16(&table, mark, big)).unwrap_err();
        assert_eq!((error.line, error.kind), (1, ErrorKind::FileFormat(FileFormat::Utf16)));
    }
    assert_eq!(
        message(&utf16(&table, true, false)),
        "line 1: the file is UTF-16; save it as UTF-8 (\"CSV UTF-8\" in Excel)"
    );
    assert!(message(b"PK\x03\x04\x14\0\x06\0").contains("a ZIP archive, most likely a spreadsheet"));
    let image = generate("n,namespace,,\nk,data,u8,1\n").unwrap();
    assert!(message(&image).contains("an image of an NVS partition"));
    assert!(message(b"\0\0\0\0\0\0").contains("NUL bytes"));
    assert!(
        message(b"key,type,encoding,value\nn,namespace,,\nk,data,string,caf\xE9\n")
            .starts_with("line 3: the text is not UTF-8; save")
    );
    for (separator, name) in [(";", "\";\""), ("\t", "tabs"), ("|", "\"|\"")] {
        for before in ["", "sep=;\n"] {
            let said = message(format!("{before}{}", table.replace(',', separator)).as_bytes());
            assert!(
                said.contains(&format!("separated by {name}; a table needs commas")),
                "{said}"
            );
        }
    }
    assert!(message(ROWS.as_bytes()).starts_with("line 1: the header is missing"));
    assert!(message(b"id,kind,encoding,value\n").contains("the header has no column \"key\""));
}

#[test]
fn numbers_as_spreadsheets_show_them() {
    for number in [
        "1.0",
        "1E+05",
        "\"1,234\"",
        "1.234",
        "1 000",
        "1\u{2019}000",
        "\"1,5\"",
        "50%",
        "1-2",
    ] {
        let said = row_message(&format!("k,data,u32,{number}"));
        assert!(
            said.contains("it looks like 1.0, 1E+05 or 1,234, as spreadsheets format numbers"),
            "{number}: {said}"
        );
    }
    assert!(row_message("k,data,u32,\u{201C}5\u{201D}").contains("typographic quotes"));
    assert!(row_message("k,data,double,\"1,5\"").contains("write it with a decimal point"));
    assert!(row_message("k,data,u32,1,234").contains("a number must be written without commas"));
    assert_eq!(
        row_message("k,data,u32,five"),
        "line 3: key \"k\": the value is not a number, which u32 requires"
    );
    for (texts, said) in [
        (
            &["TRUE", "false", " True ", "yes", "NO", "on", "Off", "WAHR"][..],
            "; it is a truth value: write 1 or 0",
        ),
        (&["", "  "], "; it is empty: write a number, or leave the key out"),
        (
            &["\u{663}", "-\u{FF11}\u{FF12}", "1\u{966}"],
            "; it has digits of another script: write 0 to 9",
        ),
        (
            &["=A1+1", "#N/A", "#REF!", "#VALUE!"],
            "; it looks like a formula or an error of a spreadsheet: write the number itself",
        ),
        (
            &["FF", "0b101", "0o17", "1Fh"],
            "; write it in decimal, or in hexadecimal with 0x before the digits",
        ),
    ] {
        for text in texts {
            let message = row_message(&format!("k,data,i32,{text}"));
            assert!(
                message.ends_with(&format!("which i32 requires{said}")),
                "{text:?}: {message}"
            );
        }
    }
    for (text, sign) in [
        ("\u{2212}5", "U+2212"),
        (" \u{2014} 5", "U+2014"),
        ("\u{FF0D}0x10", "U+FF0D"),
        ("1e\u{2013}3", "U+2013"),
    ] {
        let said = format!("; its minus is the typographic sign {sign}: write the plain -");
        for encoding in ["i32", "float"] {
            let message = row_message(&format!("k,data,{encoding},{text}"));
            assert!(message.ends_with(&said), "{text:?}: {message}");
        }
    }
    assert!(row_message("k,data,i32,a\u{2013}b").ends_with("which i32 requires"));
    assert!(row_message("k,data,double,0xFF").ends_with("which double requires; floats and doubles must be decimal"));
}

#[test]
fn values_that_need_quotes() {
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n";
    let said = row_message(&format!("ca,data,string,{pem}"));
    assert!(
        said.contains("key \"ca\": the value begins a PEM block whose other lines are outside of it"),
        "{said}"
    );
    assert!(row_message(&format!("ca,data,string, \"{pem}\"")).contains("begins a PEM block"));
    assert!(generate(&format!("n,namespace,,\nca,data,string,\"{pem}\"\n")).is_ok());
    assert!(generate("n,namespace,,\nca,data,string,-----BEGIN X-----\nk,data,u8,1\n").is_ok());
    let said = generate("n,namespace,,\nk,data,string,two\nlines\n")
        .unwrap_err()
        .to_string();
    assert_eq!(
        said,
        "line 4: the row ends before its type; a value with several lines needs quotes"
    );

    assert!(row_message("k,data,string,a,b").ends_with("a value with a comma needs quotes"));
    assert!(row_message("k,data,string,\u{201C}a,b\u{201D}").contains("typographic quotes are not recognized"));
    assert!(row_message("k,data,string, \"a,b\"").contains("right after the comma before it, without a blank"));
    // Typographic quotes may be intended.
    assert!(generate("n,namespace,,\nk,data,string,\u{201C}a\u{201D}\n").is_ok());
}

#[test]
fn types_and_encodings_with_spaces_or_capitals() {
    assert!(row_message("k, data,u8,1").ends_with("; write \"data\", without blanks around it"));
    assert!(row_message("k,Data,u8,1").ends_with("; write \"data\""));
    assert!(row_message("k,data, string,a").ends_with("; write \"string\", without blanks around it"));
    assert!(row_message("k,data,String,a").ends_with("; write \"string\""));
    assert!(row_message("k,data,u9,1").ends_with("blob_sz_fill(n;0xXX)"));
}

#[test]
fn nul_bytes_are_named() {
    for (row, said) in [
        ("a\0,data,u8,1", "NUL"),
        ("k,data,string,a\0b", "NUL"),
        ("k,data,u8\0,1", "\"u8\\0\""),
        ("k,data\0,u8,1", "\"data\\0\""),
    ] {
        let message = row_message(row);
        assert!(message.contains(said) && !message.contains('\0'), "{message:?}");
    }
}
