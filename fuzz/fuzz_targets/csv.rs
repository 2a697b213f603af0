//! Any bytes as a table: no panic; a table that was read can be written and read again; a table that the generator
//! accepts has the size that it reports.
#![no_main]

use fleetmint_nvs::csv::{self, Action, Generator, Writer};
use fleetmint_nvs::key::RawName;
use fleetmint_nvs::layout::{PAGE_SIZE, Version};
use fleetmint_nvs::{Key, Namespace};
use libfuzzer_sys::fuzz_target;

/// The files exist, so that `file` rows get past the reading.
fn file(path: &str) -> Result<Vec<u8>, &'static str> {
    match path {
        "a" => Ok(b"3082".to_vec()),
        "b" => Ok(vec![0xA5; 5000]),
        _ => Err("no such file"),
    }
}

// The first byte: the image's version and size; the rest: the table.
fuzz_target!(|data: &[u8]| {
    let Some((&mode, table)) = data.split_first() else {
        return;
    };
    let version = if mode & 1 == 0 { Version::V2 } else { Version::V1 };
    let mut image = vec![0; (usize::from(mode >> 1) % 8 + 1) * PAGE_SIZE];
    let mut generator = Generator::new(&mut image, version).expect("1 to 8 pages");
    let generated = generator.add(table, file);
    if let Err(error) = &generated {
        assert!(!error.to_string().is_empty());
    }
    if generated.is_ok() {
        let used = generator.finish();
        assert!(
            used <= image.len() && used.is_multiple_of(PAGE_SIZE),
            "{used} bytes used of {}",
            image.len()
        );
        assert!(
            image[used..].iter().all(|&byte| byte == 0xFF),
            "something beyond the bytes in use"
        );
    }
    if let Ok(rows) = csv::read(table) {
        write_and_read_again(&rows);
    }
});

fn write_and_read_again(rows: &[csv::Row]) {
    let mut writer = Writer::new();
    let mut written = Vec::new();
    let mut namespace = None;
    for row in rows {
        if row.action == Action::Namespace {
            namespace = Namespace::new(&row.key).ok().map(|name| name.raw());
        }
        let (Some(namespace), Ok(key)) = (namespace, Key::new(&row.key)) else {
            continue;
        };
        let Ok(Some(value)) = row.value(file) else {
            continue;
        };
        if writer.item(namespace, key.raw(), (&value).into()).is_ok() {
            written.push((namespace, row.key.clone(), value));
        }
    }
    // A table without rows is an error.
    if written.is_empty() {
        return;
    }
    let table = writer.finish();
    let rows = csv::read(table.as_bytes()).expect("what was written can be read");
    let mut namespace: Option<RawName> = None;
    let mut read = Vec::new();
    for row in rows {
        match row.value(file).expect("a value that was written can be read") {
            None if row.action == Action::NoComputedRows => {}
            None => namespace = Namespace::new(&row.key).ok().map(|name| name.raw()),
            Some(value) => read.push((namespace.expect("a namespace comes first"), row.key.clone(), value)),
        }
    }
    assert_eq!(written, read, "written as {table:?}");
}
