//! Limits on the memory for a table, and on the length of a message.

use super::{HEADER, generate, read_file};
use fleetmint_nvs::csv::{self, COLUMNS_MAX, ErrorKind, Generator, ROW_MAX, ROWS_MAX};
use fleetmint_nvs::layout::Version;

#[test]
fn a_row_has_a_limit() {
    let fill = |size: usize| "0".repeat(size);
    // The largest blob fits in hexadecimal.
    assert!(csv::read(format!("{HEADER}k,data,hex2bin,{}\n", fill(1_016_000)).as_bytes()).is_ok());
    for row in [
        format!("k,data,hex2bin,{}\n", fill(ROW_MAX)),
        format!("k,data,string,\"{}\"\n", fill(ROW_MAX)),
        // A quote without an end includes everything after it.
        format!("k,data,string,\"a\n{}", "x,data,u8,1\n".repeat(ROW_MAX / 12)),
        format!("k,data,string,{}", "\"\"".repeat(ROW_MAX)),
    ] {
        let error = csv::read(format!("{HEADER}n,namespace,,\n\n{row}").as_bytes()).unwrap_err();
        assert_eq!(
            (error.line, &error.kind),
            (4, &ErrorKind::RowTooLong { limit: ROW_MAX })
        );
        assert!(
            error
                .to_string()
                .contains("more than 2097152 bytes, the most that a row can have"),
            "{error}"
        );
    }
    let row = format!("k,data,string,{}\n", fill(ROW_MAX - 15));
    assert_eq!(row.len(), ROW_MAX);
    assert!(csv::read(format!("{HEADER}{row}").as_bytes()).is_ok());
    let header = csv::read(fill(ROW_MAX + 1).as_bytes()).unwrap_err();
    assert_eq!(
        (header.line, header.kind),
        (1, ErrorKind::RowTooLong { limit: ROW_MAX })
    );

    let row = |fields: usize| format!("{HEADER}k,data,u8,1{}\n", ",".repeat(fields - 4));
    assert!(csv::read(row(COLUMNS_MAX).as_bytes()).is_ok());
    assert_eq!(
        csv::read(row(COLUMNS_MAX + 1).as_bytes()).unwrap_err().kind,
        ErrorKind::TooManyColumns { limit: COLUMNS_MAX }
    );
}

#[test]
fn a_list_has_a_limit() {
    let rows = "k,delete\n".repeat(ROWS_MAX);
    assert_eq!(
        csv::read_changes(format!("{HEADER}{rows}").as_bytes()).unwrap().len(),
        ROWS_MAX
    );
    let error = csv::read_changes(format!("{HEADER}{rows}k,delete\n").as_bytes()).unwrap_err();
    assert_eq!(
        (error.line, error.kind),
        (ROWS_MAX + 2, ErrorKind::TooManyRows { limit: ROWS_MAX })
    );
}

/// A generator has one row in memory at a time, and stops at the first that doesn't fit.
#[test]
fn reading_a_table_stops_when_the_image_is_full() {
    let rows: String = (0..100_000)
        .map(|i| format!("k{i},data,blob_fill(500000;0x00),\n"))
        .collect();
    let mut image = vec![0; 0x4000];
    let mut generator = Generator::new(&mut image, Version::V2).unwrap();
    let table = format!("{HEADER}n,namespace,,\n{rows}not a row\n");
    let error = generator.add(table.as_bytes(), read_file).unwrap_err();
    assert!(matches!(
        (error.line, error.kind),
        (3, ErrorKind::Image(fleetmint_nvs::Error::NotEnoughSpace { .. }))
    ));
}

#[test]
fn a_message_shows_the_beginning_of_what_is_long() {
    let long = "x".repeat(100_000);
    for row in [
        format!("{long},data,u8,1"),
        format!("{long},data,u8,a"),
        format!("{long},{long},u8,1"),
        format!("{long},data,{long},1"),
        format!("{long},file,binary,{long}"),
        format!("k,file,binary,{long}"),
        format!(",option,{long},"),
        format!("{long},data,\"blob_fill(999999999;0x00)\","),
        format!("{long},data,string,-----BEGIN X\n{long}"),
        format!("{long},namespace,,"),
    ] {
        let error = generate(&format!("n,namespace,,\n{row}\n")).unwrap_err();
        assert!(error.to_string().len() < 600, "{} bytes", error.to_string().len());
        assert!(format!("{error:?}").len() < 600);
    }
}
