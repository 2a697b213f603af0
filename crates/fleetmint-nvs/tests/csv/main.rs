//! Tables: the item of each row, and every error with its line. `generator` tests that images equal those of
//! Espressif's generator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod limits;
mod mfg;
mod spreadsheets;
mod wifi;

use fleetmint_nvs::csv::{
    self, Action, Encoding, ErrorKind, Generator, NumberLooks, Source, SurplusComma, Value, Writer,
};
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::layout::Version;
use fleetmint_nvs::{Error, Key, Namespace};

const HEADER: &str = "key,type,encoding,value\n";

fn read_file(path: &str) -> Result<Vec<u8>, &'static str> {
    match path {
        "hex" => Ok(b" 00ff7F\r\n".to_vec()),
        "base64" => Ok(b"aGVs\nbG8=\n".to_vec()),
        "number" => Ok(b"42\n".to_vec()),
        "latin1" => Ok(b"caf\xE9".to_vec()),
        _ => Err("no such file"),
    }
}

/// The value of a row `k,TYPE,ENCODING,VALUE`.
fn value(row: &str) -> Result<Value, ErrorKind> {
    let rows = csv::read(format!("{HEADER}k,{row}\n").as_bytes()).map_err(|error| error.kind)?;
    let value = rows[0].value(read_file).map_err(|error| {
        assert_eq!(error.line, 2);
        error.kind
    })?;
    Ok(value.unwrap())
}

fn generate(rows: &str) -> Result<Vec<u8>, csv::Error> {
    let mut image = vec![0; 0x6000];
    let mut generator = Generator::new(&mut image, Version::V2).unwrap();
    generator.add(format!("{HEADER}{rows}").as_bytes(), read_file)?;
    generator.finish();
    Ok(image)
}

fn error(rows: &str) -> (usize, ErrorKind) {
    let error = generate(rows).unwrap_err();
    (error.line, error.kind)
}

fn ns(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

#[test]
fn integers() {
    let number = |text: &str| value(&format!("data,i64,{text}"));
    for (text, want) in [
        ("42", 42),
        (" +1_000\t", 1000),
        ("-9223372036854775808", i64::MIN),
        ("007", 7),
        ("0x10", 16),
        ("-0XfF_fF", -65535),
        ("\u{A0}5\u{A0}", 5),
    ] {
        assert_eq!(number(text), Ok(Value::Number(Number::I64(want))), "{text:?}");
    }
    for text in [
        "", "abc", "1.0", "1__0", "_1", "1_", "--1", "+", "0x", "0x_1", "1 2", "٣",
    ] {
        let looks = match text {
            "" => NumberLooks::Empty,
            "1.0" | "--1" | "1 2" => NumberLooks::Formatted,
            "abc" => NumberLooks::Radix,
            "٣" => NumberLooks::OtherDigits,
            _ => NumberLooks::Other,
        };
        let want = ErrorKind::NotANumber {
            key: "k".into(),
            encoding: "i64",
            looks,
        };
        assert_eq!(number(text), Err(want), "{text:?}");
    }
    for (encoding, min, max) in [
        ("u8", "0", "255"),
        ("i8", "-128", "127"),
        ("u16", "0", "65535"),
        ("i16", "-32768", "32767"),
        ("u32", "0", "4294967295"),
        ("i32", "-2147483648", "2147483647"),
        ("u64", "0", "18446744073709551615"),
        ("i64", "-9223372036854775808", "9223372036854775807"),
    ] {
        assert!(value(&format!("data,{encoding},{min}")).is_ok());
        assert!(value(&format!("data,{},{max}", encoding.to_uppercase())).is_ok());
        let below = min.parse::<i128>().unwrap() - 1;
        let above = max.parse::<i128>().unwrap() + 1;
        for text in [below.to_string(), above.to_string(), format!("1{}", "0".repeat(99))] {
            let want = ErrorKind::OutOfRange {
                key: "k".into(),
                encoding,
                min,
                max,
            };
            assert_eq!(value(&format!("data,{encoding},{text}")), Err(want));
        }
    }
    assert_eq!(value("file,u8,number"), Ok(Value::Number(Number::U8(42))));
}

#[test]
fn floats() {
    assert_eq!(value("data,float, 1.5 "), Ok(Value::Number(Number::Float(1.5))));
    assert_eq!(
        value("data,double,-inf"),
        Ok(Value::Number(Number::Double(f64::NEG_INFINITY)))
    );
    // Rounded once, without a double in between.
    assert_eq!(
        value("data,float,1.00000017881393432617187499"),
        Ok(Value::Number(Number::Float(1.000_000_1)))
    );
    assert!(matches!(
        value("data,float,1e39"),
        Err(ErrorKind::OutOfRange { encoding: "float", .. })
    ));
    assert!(matches!(
        value("data,double,1e309"),
        Err(ErrorKind::OutOfRange { encoding: "double", .. })
    ));
    assert!(matches!(
        value("data,float,1,5"),
        Err(ErrorKind::TooManyFields {
            fields: 5,
            columns: 4,
            cause: SurplusComma::InNumber
        })
    ));
    assert!(matches!(
        value("data,float,one"),
        Err(ErrorKind::NotANumber { encoding: "float", .. })
    ));
    // A change list may contain NaN, which the firmware's call then refuses. An image cannot contain it.
    assert!(matches!(value("data,float,nan"), Ok(Value::Number(Number::Float(n))) if n.is_nan()));
    assert_eq!(
        error("n,namespace,,\nk,data,double,nan\n"),
        (3, ErrorKind::Image(Error::NotANumber { key: key("k").raw() }))
    );
}

#[test]
fn blobs() {
    let blob = |bytes: &[u8]| Ok(Value::Blob(bytes.to_vec()));
    assert_eq!(value("data,hex2bin, 00fF7f "), blob(&[0, 0xFF, 0x7F]));
    assert_eq!(value("data,hex2bin,"), blob(&[]));
    assert_eq!(value("file,hex2bin,hex"), blob(&[0, 0xFF, 0x7F]));
    assert_eq!(value("data,base64,aGVsbG8="), blob(b"hello"));
    assert_eq!(value("file,base64,base64"), blob(b"hello"));
    // The unused bits of the last character are ignored, as in Python.
    assert_eq!(value("data,base64,aGVsbG9="), blob(b"hello"));
    assert_eq!(value("data,BINARY,caf\u{E9}"), blob(b"caf\xC3\xA9"));
    assert_eq!(value("file,binary,latin1"), blob(b"caf\xE9"));
    assert_eq!(value("data,blob_fill(4;0xAb),xy"), blob(b"xy\xAB\xAB"));
    assert_eq!(value("data,blob_fill(2;0x00)"), blob(&[0, 0]));
    assert_eq!(value("data,blob_sz_fill(4;0x20),\u{E9}"), blob(b"\x02\0\0\0\xC3\xA9  "));
    assert_eq!(value("file,blob_sz_fill(5;0x00),number"), blob(b"\x03\0\0\x0042\n\0\0"));

    let k = || "k".to_string();
    assert_eq!(
        value("data,hex2bin,0g"),
        Err(ErrorKind::Hex {
            key: k(),
            at: 1,
            odd: false
        })
    );
    assert_eq!(
        value("data,hex2bin,012"),
        Err(ErrorKind::Hex {
            key: k(),
            at: 3,
            odd: true
        })
    );
    assert_eq!(
        value("data,blob_fill(1;0x00),xy"),
        Err(ErrorKind::FillTooLong {
            key: k(),
            size: 2,
            limit: 1
        })
    );
    for row in [
        "blob_fill(508001;0x00)",
        "blob_sz_fill(507997;0x00)",
        "blob_fill(99999999999999999999;0x00)",
    ] {
        assert_eq!(
            value(&format!("data,{row},")),
            Err(ErrorKind::FillTooLarge { key: k() })
        );
    }
    for text in ["aGVsbG8", "aGVsbG8=aGVs", "====", "aGV$bG8=", "a", "Ä", "aGVsbG8=="] {
        assert!(
            matches!(value(&format!("data,base64,{text}")), Err(ErrorKind::Base64 { .. })),
            "{text}"
        );
    }
}

#[test]
fn types_and_encodings() {
    let rows = csv::read(
        b"value,encoding,key,note,type\n1,u8,a,x,data\n,,n,,namespace\np,binary,b,,file\n,,c,,delete\n,,,,delete-all\n",
    );
    let rows = rows.unwrap();
    let text = |text: &str| Source::Text(text.into());
    assert_eq!(
        rows[0].action,
        Action::Set {
            encoding: Encoding::U8,
            source: text("1")
        }
    );
    assert_eq!(rows[1].action, Action::Namespace);
    assert_eq!(
        rows[2].action,
        Action::Set {
            encoding: Encoding::Binary,
            source: Source::File("p".into())
        }
    );
    assert_eq!(rows[3].action, Action::Delete);
    assert_eq!(rows[4].action, Action::DeleteAll);
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);

    for encoding in [
        "",
        "String",
        "HEX2BIN",
        "Base64",
        "u9",
        " u8",
        "blob_fill",
        "blob_fill(4;0x0)",
        "blob_fill(;0x00)",
    ] {
        let want = ErrorKind::UnknownEncoding {
            key: "k".into(),
            found: encoding.into(),
        };
        assert_eq!(value(&format!("data,{encoding},1")), Err(want));
    }
    for row_type in ["", "Data", " data", "deleted"] {
        let want = ErrorKind::UnknownType {
            key: "k".into(),
            found: row_type.into(),
        };
        assert_eq!(value(&format!("{row_type},u8,1")), Err(want));
    }
    let kind = |text: &str| csv::read(text.as_bytes()).unwrap_err().kind;
    assert_eq!(
        kind("key,type,value\n"),
        ErrorKind::MissingColumn { column: "encoding" }
    );
    assert_eq!(
        kind("key,type,encoding,value,key\n"),
        ErrorKind::RepeatedColumn { column: "key" }
    );
    assert_eq!(
        kind(&format!("{HEADER}k\n")),
        ErrorKind::MissingField { column: "type" }
    );
    assert_eq!(
        kind(&format!("{HEADER}k,data\n")),
        ErrorKind::MissingField { column: "encoding" }
    );
    assert_eq!(
        kind(&format!("{HEADER}k,data,string\n")),
        ErrorKind::MissingField { column: "value" }
    );
    assert_eq!(
        kind(&format!("{HEADER}k,data,string,a,b\n")),
        ErrorKind::TooManyFields {
            fields: 5,
            columns: 4,
            cause: SurplusComma::Unquoted
        }
    );
    assert_eq!(
        kind(&format!("{HEADER}k,delete,,1\n")),
        ErrorKind::NeedlessField {
            column: "value",
            row_type: "delete"
        }
    );
    assert_eq!(
        kind(&format!("{HEADER}k,delete-all,,\n")),
        ErrorKind::NeedlessField {
            column: "key",
            row_type: "delete-all"
        }
    );
    assert!(csv::read(format!("{HEADER}k,data,u8,1,,\nn,namespace\n").as_bytes()).is_ok());
    for empty in [
        "",
        HEADER,
        "\n# nothing\n",
        &format!("{HEADER},option,no-computed-rows,\n,,,\n"),
    ] {
        for read in [csv::read, csv::read_changes] {
            let error = read(empty.as_bytes()).unwrap_err();
            assert_eq!((error.line, error.kind), (1, ErrorKind::Empty), "{empty:?}");
        }
        let error = Generator::new(&mut [0; 0x3000], Version::V2)
            .unwrap()
            .add(empty.as_bytes(), read_file);
        assert_eq!(error.unwrap_err().kind, ErrorKind::Empty);
    }
}

#[test]
fn a_table_becomes_the_image_of_its_items() {
    let rows = "\u{FEFF}".to_string()
        + HEADER
        + "# c\na,namespace,,\nx,data,u8,1\r\n\r\nb,namespace\nx,data,string,\"1\n# 2\"\n";
    let mut image = vec![0; 0x6000];
    let mut generator = Generator::new(&mut image, Version::V2).unwrap();
    generator.add(rows.as_bytes(), read_file).unwrap();
    // The namespace continues in the next table.
    generator
        .add(b"type,key,encoding,value\nfile,y,hex2bin,hex\n", read_file)
        .unwrap();
    generator.finish();
    let items = [
        Item::new(ns("a"), key("x"), 1_u8),
        Item::new(ns("b"), key("x"), "1\n# 2"),
        Item::new(ns("b"), key("y"), &[0, 0xFF, 0x7F][..]),
    ];
    assert!(image == image::encode(&items, 0x6000).unwrap());
}

#[test]
fn a_namespace_that_several_tables_open_is_one() {
    let add = |tables: &[&str]| {
        let mut image = vec![0; 0x3000];
        let mut generator = Generator::new(&mut image, Version::V2).unwrap();
        for table in tables {
            generator.add(format!("{HEADER}{table}").as_bytes(), read_file)?;
        }
        generator.finish();
        Ok::<_, csv::Error>(image)
    };
    let first = "a,namespace,,\nx,data,u8,1\nb,namespace,,\nx,data,u8,2\n";
    let image = add(&[first, "a,namespace,,\ny,data,u8,3\nb,namespace,,\ny,data,u8,4\n"]).unwrap();
    let mut want = vec![0; 0x3000];
    let mut writer = image::Writer::new(&mut want, Version::V2).unwrap();
    for (namespace, name, value) in [("a", "x", 1_u8), ("b", "x", 2), ("a", "y", 3), ("b", "y", 4)] {
        writer.set(&ns(namespace), &key(name), value.into()).unwrap();
    }
    writer.finish();
    assert!(image == want);

    let twice = add(&[first, "a,namespace,,\nx,data,u8,3\n"]).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "line 3: key \"x\" is already in namespace \"a\", by line 3 of table 1; the firmware would read the first"
    );
    // Within one table it stays an error, even if its first rows belong to the last namespace of the previous table.
    let reopened = add(&[
        first,
        "a,namespace,,\ny,data,u8,3\nb,namespace,,\na,namespace,,\nz,data,u8,4\n",
    ]);
    let error = reopened.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Reopened { first, .. } if (first.line, first.elsewhere) == (2, false)));
    let reopened = add(&[first, "y,data,u8,3\na,namespace,,\nb,namespace,,\nz,data,u8,4\n"]).unwrap_err();
    let from_before = |first: csv::RowPlace| (first.line, first.table, first.elsewhere) == (4, 1, true);
    assert!(
        matches!(reopened.kind, ErrorKind::Reopened { first, .. } if from_before(first)),
        "{reopened}"
    );
}

#[test]
fn silent_errors_of_the_generator_are_errors_here() {
    assert_eq!(error("k,data,u8,1\n"), (2, ErrorKind::NoNamespace { key: key("k") }));
    let reopened = error("a,namespace,,\nx,data,u8,1\nb,namespace,,\na,namespace,,\ny,data,u8,1\n");
    let ErrorKind::Reopened {
        namespace,
        first,
        latest,
    } = reopened.1
    else {
        panic!("{reopened:?}")
    };
    assert_eq!((reopened.0, namespace, first.line, latest), (6, ns("a"), 2, ns("b")));
    // A namespace without a row in it does no harm.
    assert!(generate("a,namespace,,\nb,namespace,,\na,namespace,,\nb,namespace,,\ny,data,u8,1\n").is_ok());
    let twice = error("a,namespace,,\nx,data,u8,1\n\nx,data,string,1\n");
    let ErrorKind::DuplicateKey {
        namespace,
        key: twin,
        first,
        along_with: None,
    } = twice.1
    else {
        panic!("{twice:?}")
    };
    assert_eq!((twice.0, namespace, twin, first.line), (5, ns("a"), key("x"), 3));
    assert_eq!(
        error("a,namespace,,\nx,delete,,\n"),
        (3, ErrorKind::ChangeRow { row_type: "delete" })
    );
    assert_eq!(
        error("a,namespace,,\n,delete-all,,\n"),
        (3, ErrorKind::ChangeRow { row_type: "delete-all" })
    );
    for (row, size) in [
        ("sixteen_bytes_16,data,u8,1", 16),
        ("ääääääää,data,u8,1", 16),
        ("n23456789012345é,namespace,,", 17),
    ] {
        let (line, kind) = error(&format!("a,namespace,,\n{row}\n"));
        let ErrorKind::Image(Error::NameTooLong { size: found, .. }) = kind else {
            panic!("{kind:?}")
        };
        assert_eq!((line, found), (3, size));
    }
    assert!(matches!(
        error("a,namespace,,\n,data,u8,1\n"),
        (3, ErrorKind::Image(Error::NameEmpty { .. }))
    ));
    // Names of up to 15 bytes are valid with any characters.
    let items = [Item::new(ns("\u{FC}"), key("\u{E9}t\u{E9}"), 1_u8)];
    let image = generate("\u{FC},namespace,,\n\u{E9}t\u{E9},data,u8,1\n").unwrap();
    assert!(image == image::encode(&items, 0x6000).unwrap());
}

#[test]
fn files() {
    let (line, kind) = error("a,namespace,,\nk,file,binary,gone\n");
    let want = ErrorKind::File {
        key: "k".into(),
        path: "gone".into(),
        reason: "no such file".into(),
    };
    assert_eq!((line, kind), (3, want));
    let want = ErrorKind::FileNotUtf8 {
        key: "k".into(),
        path: "latin1".into(),
        offset: 3,
    };
    assert_eq!(value("file,string,latin1"), Err(want));
    assert_eq!(value("file,string,number"), Ok(Value::Str("42\n".into())));
}

#[test]
fn a_reader_reads_what_a_writer_wrote() {
    let text = "a,\"b\"\n#c\u{1F600} ";
    let values: [image::Value<'_>; 8] = [
        text.into(),
        "".into(),
        f32::MIN_POSITIVE.into(),
        (-0.0_f64).into(),
        f64::INFINITY.into(),
        i64::MIN.into(),
        u64::MAX.into(),
        (&[0, 0xFF][..]).into(),
    ];
    let mut writer = Writer::new();
    for (i, value) in values.iter().enumerate() {
        writer
            .item(ns("#n").raw(), key(&format!("#\"{i}\",")).raw(), *value)
            .unwrap();
    }
    let rows = csv::read(writer.finish().as_bytes()).unwrap();
    assert_eq!((rows[0].key.as_str(), &rows[0].action), ("#n", &Action::Namespace));
    for (i, (row, want)) in rows[1..].iter().zip(values).enumerate() {
        assert_eq!(row.key, format!("#\"{i}\","));
        let read = row.value(read_file).unwrap().unwrap();
        assert!(image::Value::from(&read) == want, "{i}");
        if let (Value::Number(Number::Double(a)), image::Value::Number(Number::Double(b))) = (&read, want) {
            assert_eq!(a.to_bits(), b.to_bits());
        }
    }
    let mut writer = Writer::new();
    for text in ["a\r\nb", "a\0"] {
        let kind = writer.item(ns("n").raw(), key("k").raw(), text.into()).unwrap_err();
        assert!(matches!(kind, ErrorKind::NotWritable { .. }));
    }
    let name = Key::new([0xFF]).unwrap().raw();
    assert!(matches!(
        writer.item(ns("n").raw(), name, 1_u8.into()),
        Err(ErrorKind::NotWritable { .. })
    ));
    assert!(writer.item(ns("n").raw(), key("k").raw(), f32::NAN.into()).is_err());
    assert_eq!(*writer.finish(), HEADER);
}

#[test]
fn no_message_shows_a_value() {
    let secret = "Tr0ub4dor";
    for row in [
        format!("k,data,u8,{secret}"),
        format!("k,data,float,{secret}"),
        format!("k,data,hex2bin,{secret}"),
        format!("k,data,base64,{secret}"),
        format!("k,data,string,a,{secret}"),
        format!("k,data,blob_fill(2;0x00),{secret}"),
        format!("k,delete,,{secret}"),
        format!("k,data,string,\"{secret}"),
    ] {
        let error = generate(&format!("n,namespace,,\n{row}\n")).unwrap_err();
        assert!(!error.to_string().contains(secret), "{error}");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    let rows = csv::read(format!("{HEADER}k,data,string,{secret}\n").as_bytes()).unwrap();
    assert!(!format!("{rows:?} {:?}", rows[0].value(read_file)).contains(secret));
}
