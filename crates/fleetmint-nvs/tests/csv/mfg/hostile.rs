//! Tables that cost as much as possible: refused after little work, in memory that their size does not decide.

use super::{TWO, images, read_file};
use fleetmint_nvs::csv::mfg::{Configuration, ERRORS_MAX, ErrorKind, Values};
use fleetmint_nvs::csv::{self, COLUMNS_MAX, ROW_MAX};
use fleetmint_nvs::layout::Version;

#[test]
fn a_million_columns() {
    let header = "c,".repeat(1_000_000);
    let configuration = Configuration::read(TWO.as_bytes()).unwrap();
    let text = format!("{header}\n");
    let errors = Values::read(text.as_bytes(), &configuration).unwrap_err();
    assert_eq!((errors.len(), errors[0].line), (1, 1));
    assert_eq!(
        errors[0].kind,
        ErrorKind::Table(csv::ErrorKind::TooManyColumns { limit: COLUMNS_MAX })
    );
    let errors = images(TWO, &format!("serial,no\nA,1\n{header}\n")).unwrap_err();
    assert_eq!((errors.len(), errors[0].line), (1, 3));
    let errors = Configuration::read(format!("a,namespace,\n{header}\n").as_bytes()).unwrap_err();
    assert_eq!((errors.len(), errors[0].line), (1, 2));
}

#[test]
fn a_quote_that_is_never_closed() {
    let text = format!("serial,no\nA,1\n\"B{}", "B,1\n".repeat(2_000_000));
    let errors = images(TWO, &text).unwrap_err();
    assert_eq!(
        (errors.len(), errors[0].line, &errors[0].kind),
        (1, 3, &ErrorKind::Table(csv::ErrorKind::RowTooLong { limit: ROW_MAX }))
    );
    let text = format!("a,namespace,\nk,data,u8\n\"l{}", "l,data,u8\n".repeat(300_000));
    let errors = Configuration::read(text.as_bytes()).unwrap_err();
    assert_eq!(
        (errors.len(), errors[0].line, &errors[0].kind),
        (1, 3, &ErrorKind::Table(csv::ErrorKind::RowTooLong { limit: ROW_MAX }))
    );
}

/// Namespaces are searched one by one, and an image has at most 254.
#[test]
fn a_million_namespaces() {
    let text: String = (0..1_000_000).map(|i| format!("n{i},namespace,\n")).collect();
    assert_eq!(Configuration::read(text.as_bytes()).unwrap_err()[0].line, 255);
}

/// For each key that is missing the whole header is searched for a similar name.
#[test]
fn many_keys_and_many_columns_that_do_not_match() {
    let keys: String = (0..200_000).map(|i| format!("k{i},data,u8\n")).collect();
    let configuration = Configuration::read(format!("a,namespace,\n{keys}").as_bytes()).unwrap();
    let header: Vec<String> = (0..COLUMNS_MAX).map(|i| format!("c{i}")).collect();
    let text = header.join(",");
    let errors = Values::read(text.as_bytes(), &configuration).unwrap_err();
    assert_eq!(errors.len(), ERRORS_MAX + 1);
    assert_eq!(errors[ERRORS_MAX].kind, ErrorKind::MoreErrors { count: 199_000 });
}

#[test]
fn as_many_columns_as_are_allowed() {
    let keys: String = (0..COLUMNS_MAX).map(|i| format!("k{i},data,u8\n")).collect();
    let configuration = Configuration::read(format!("a,namespace,\n{keys}").as_bytes()).unwrap();
    let header: Vec<String> = (0..COLUMNS_MAX).rev().map(|i| format!("k{i}")).collect();
    let text = format!("{}\n{}\n", header.join(","), vec!["7"; COLUMNS_MAX].join(","));
    let values = Values::read(text.as_bytes(), &configuration).unwrap();
    let device = values.devices().next().unwrap().unwrap();
    assert!(
        values
            .write(&device, &mut vec![0; 0x10_0000], Version::V2, read_file)
            .is_ok()
    );
    // Too small for them: one error, not thousands.
    let errors = values
        .write(&device, &mut vec![0; 0x3000], Version::V2, read_file)
        .unwrap_err();
    assert_eq!(errors.len(), 1);
}

#[test]
fn long_names_are_shortened() {
    let long = "x".repeat(100_000);
    for text in [
        format!("a,namespace,\n{long},data,u8\n"),
        format!("a,namespace,\n{long},{long},u8\n"),
        format!("a,namespace,\nk,data,{long}\n"),
        format!("a,namespace,\n{long},data,u8,{long}\n"),
        format!("{long},namespace,\n"),
        format!("{long},{long},\n"),
    ] {
        let errors = Configuration::read(text.as_bytes()).unwrap_err();
        assert!(
            errors
                .iter()
                .all(|error| error.to_string().len() < 600 && format!("{error:?}").len() < 600)
        );
    }
    let errors = images("a,namespace,\nk,file,binary\n", &format!("k\n{long}\n")).unwrap_err();
    assert!(errors[0].to_string().len() < 600);
}
