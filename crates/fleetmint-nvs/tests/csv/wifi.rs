//! The rows that Espressif's generator computes for Wi-Fi keys, and the option that leaves them out.

use super::{HEADER, error, generate, key, ns, read_file};
use fleetmint_nvs::csv::{self, Action, ErrorKind, Generator, Writer};
use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::layout::Version;
use fleetmint_nvs::storage::{Mode, SliceFlash, Storage};

#[test]
fn wifi_rows_add_computed_rows() {
    let image = generate("n,namespace,,\nsta.ssid,data,string,Home\nsta.pswd,data,string,12345678\n").unwrap();
    let (apinfo, pmk, apsw) = ([0xFF; 140], [0; 32], [0; 2]);
    let items = [
        Item::new(ns("n"), key("sta.ssid"), "Home"),
        Item::new(ns("n"), key("sta.apinfo"), &apinfo[..]),
        Item::new(ns("n"), key("sta.pmk"), &pmk[..]),
        Item::new(ns("n"), key("sta.apsw"), &apsw[..]),
        Item::new(ns("n"), key("sta.pswd"), "12345678"),
    ];
    assert!(image == image::encode(&items, 0x6000).unwrap());

    // IEEE 802.11-2012, annex M.4.3: the first test vector for passphrases.
    let image =
        generate("n,namespace,,\nap.passwd,data,string,password\nap.authmode,data,u8,3\nap.ssid,data,string,IEEE\n");
    let mut info = vec![0; 100];
    info.extend(hex::decode("f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e").unwrap());
    let items = [
        Item::new(ns("n"), key("ap.passwd"), "password"),
        Item::new(ns("n"), key("ap.authmode"), 3_u8),
        Item::new(ns("n"), key("ap.pmk_info"), info.as_slice()),
        Item::new(ns("n"), key("ap.ssid"), "IEEE"),
    ];
    assert!(image.unwrap() == image::encode(&items, 0x6000).unwrap());

    // Open Wi-Fi has no key.
    let open = generate("n,namespace,,\nap.ssid,data,string,x\nap.passwd,data,string,y\nap.authmode,data,u8,0\n");
    assert!(!open.unwrap().windows(11).any(|bytes| bytes == b"ap.pmk_info"));

    assert_eq!(
        error("n,namespace,,\nsta.ssid,file,string,number\n"),
        (3, ErrorKind::WifiText { key: key("sta.ssid") })
    );
    let from_file = "n,namespace,,\nap.ssid,file,string,number\nap.passwd,data,string,12345678\n";
    assert!(generate(from_file).is_ok());
    assert_eq!(
        error(&format!("{from_file}ap.authmode,data,u8,3\n")),
        (
            5,
            ErrorKind::WifiText {
                key: key("ap.authmode")
            }
        )
    );
    let (line, kind) = error("n,namespace,,\nsta.ssid,data,string,x\nsta.pmk,data,hex2bin,00\n");
    assert!(matches!(kind, ErrorKind::DuplicateKey { .. }) && line == 4);
}

#[test]
fn an_option_marks_a_table_that_has_the_computed_rows() {
    let rows = "n,namespace,,\n,option,no-computed-rows,\nsta.ssid,data,hex2bin,00\nsta.pmk,data,hex2bin,11\n\
                ap.ssid,data,hex2bin,00\nap.passwd,data,hex2bin,00\nap.authmode,data,u8,3\n";
    let items = [
        Item::new(ns("n"), key("sta.ssid"), &[0][..]),
        Item::new(ns("n"), key("sta.pmk"), &[0x11][..]),
        Item::new(ns("n"), key("ap.ssid"), &[0][..]),
        Item::new(ns("n"), key("ap.passwd"), &[0][..]),
        Item::new(ns("n"), key("ap.authmode"), 3_u8),
    ];
    assert!(generate(rows).unwrap() == image::encode(&items, 0x6000).unwrap());

    // It is valid from its row to the end of its table.
    let mut image = vec![0; 0x3000];
    let mut generator = Generator::new(&mut image, Version::V2).unwrap();
    let marked = format!("{HEADER},option,no-computed-rows,\nm,namespace,,\nsta.pmk,data,hex2bin,11\n");
    generator.add(marked.as_bytes(), read_file).unwrap();
    let plain = format!("{HEADER}sta.ssid,data,string,x\n");
    let twice = generator.add(plain.as_bytes(), read_file).unwrap_err();
    assert!(
        matches!(
            twice.kind,
            ErrorKind::DuplicateKey {
                along_with: Some(_),
                ..
            }
        ),
        "{twice}"
    );

    assert_eq!(
        error(",option,no-computed-row,\n"),
        (
            2,
            ErrorKind::UnknownOption {
                found: "no-computed-row".into()
            }
        )
    );
    for (row, column) in [
        ("x,option,no-computed-rows,", "key"),
        (",option,no-computed-rows,1", "value"),
    ] {
        let want = ErrorKind::NeedlessField {
            column,
            row_type: "option",
        };
        assert_eq!(error(&format!("{row}\n")), (2, want));
    }
}

#[test]
fn a_change_list_may_have_the_option_but_never_computes_rows() {
    let rows = csv::read_changes(
        format!("{HEADER},option,no-computed-rows,\nn,namespace,,\nsta.ssid,data,string,x\n").as_bytes(),
    );
    let rows = rows.unwrap();
    assert_eq!(rows[0].action, Action::NoComputedRows);
    let mut image = vec![0xFF; 0x3000];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    let done = storage.patch(&rows, read_file).unwrap();
    assert_eq!((done.rows, storage.list().unwrap().len()), (2, 1));
}

#[test]
fn a_writer_sets_the_option_before_the_first_key_with_computed_rows() {
    let table = |keys: &[&str]| {
        let mut writer = Writer::new();
        for name in keys {
            writer.item(ns("n").raw(), key(name).raw(), 1_u8.into()).unwrap();
        }
        String::from(writer.finish().as_str())
    };
    let option = ",option,no-computed-rows,\n";
    assert_eq!(
        table(&["a", "sta.ssid", "sta.pswd"]),
        format!("{HEADER}n,namespace,,\na,data,u8,1\n{option}sta.ssid,data,u8,1\nsta.pswd,data,u8,1\n")
    );
    assert!(table(&["sta.pswd"]).contains(option));
    // For only two of these nothing is computed: Espressif's generator accepts the table.
    assert!(!table(&["ap.ssid", "ap.passwd", "sta.pmk", "ap.ssid"]).contains(option));
    assert_eq!(
        table(&["ap.authmode", "ap.passwd", "ap.ssid"]),
        format!("{HEADER}n,namespace,,\nap.authmode,data,u8,1\nap.passwd,data,u8,1\n{option}ap.ssid,data,u8,1\n")
    );
}
