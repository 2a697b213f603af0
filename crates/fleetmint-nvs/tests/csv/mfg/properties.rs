//! Random tables: the image of each device is that of a table written by hand for it, whatever the order of the columns.

use super::HEADER;
use fleetmint_nvs::csv::mfg::{Configuration, ErrorKind, Values};
use fleetmint_nvs::csv::{self, Generator};
use fleetmint_nvs::layout::Version;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const SIZE: usize = 0x4000;

/// A key of the configuration, with what each device has in its column.
#[derive(Clone, Debug)]
struct Column {
    is_file: bool,
    encoding: &'static str,
    is_repeated: bool,
    /// As many as there can be devices.
    texts: Vec<String>,
}

const DEVICES_MAX: usize = 6;

fn column() -> impl Strategy<Value = Column> {
    let encodings = select(
        [
            "u8",
            "i8",
            "u16",
            "i16",
            "u32",
            "i32",
            "u64",
            "i64",
            "float",
            "double",
            "string",
            "binary",
            "hex2bin",
            "base64",
            "blob_fill(40;0xA5)",
            "blob_sz_fill(40;0x00)",
            "U16",
        ]
        .as_slice(),
    );
    (encodings, prop::bool::weighted(0.2), prop::bool::weighted(0.3)).prop_flat_map(
        |(encoding, is_file, is_repeated)| {
            let text = match encoding {
                "hex2bin" => "([0-9a-fA-F]{2}){0,40}".boxed(),
                "base64" => "([A-Za-z0-9+/]{4}){0,20}".boxed(),
                "string" | "binary" => prop_oneof!["[^\r\0]{0,60}", "[ab,\"#\n ]{0,9}", "[A-Z0-9:]{12}"].boxed(),
                "float" | "double" => "-?[0-9]{1,4}(\\.[0-9]{1,3})?".boxed(),
                "i8" | "i16" | "i32" | "i64" => "-?([0-9]|1[01][0-9])".boxed(),
                encoding if encoding.starts_with("blob") => "[ab,\"é]{0,12}".boxed(),
                _ => "0x[0-9a-f]{1,2}|[0-9]{1,2}| 1_0\t".boxed(),
            };
            // One in thirty is wrong for most encodings.
            let text = prop_oneof![29 => text, 1 => "[g-z]{1,3}|".boxed()];
            vec(text, DEVICES_MAX).prop_map(move |texts| Column {
                is_file,
                encoding,
                is_repeated,
                texts,
            })
        },
    )
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-d]",
        2 => "[a-z0-9_.]{1,15}",
        2 => "[#\", äé\n=]{1,7}",
        2 => "namespace|REPEAT|data|file|key|sta\\.ssid|sta\\.pswd|sta\\.pmk|ap\\.(ssid|passwd|authmode)",
    ]
    .prop_filter("15 bytes at most, and no blank row", |name| {
        name.len() <= 15 && !name.trim().is_empty()
    })
}

/// Tables, and how they are written.
#[derive(Clone, Debug)]
struct Tables {
    namespaces: Vec<(String, Vec<(String, Column)>)>,
    /// Columns that the configuration doesn't have.
    others: Vec<String>,
    devices: usize,
    /// Swaps of columns.
    swaps: Vec<(Index, Index)>,
    /// For each device: whether it says again what is repeated.
    says_again: Vec<bool>,
    line_end: &'static str,
    mark: &'static str,
    /// What stands between rows, over and over.
    between: Vec<&'static str>,
    quotes_all: bool,
    version: Version,
}

prop_compose! {
    fn tables()(
        namespaces in btree_map(name(), btree_map(name(), column(), 0..6), 1..4),
        others in vec("[A-Z]{1,3}|", 0..4),
        devices in 1..=DEVICES_MAX,
        swaps in vec(any::<(Index, Index)>(), 0..20),
        says_again in vec(any::<bool>(), DEVICES_MAX),
        line_end in select(["\n", "\r\n", "\r"].as_slice()),
        mark in select(["", "\u{FEFF}"].as_slice()),
        between in vec(select(["", "", "\n", "# a \"comment\n", " \t\n", "#\n\n"].as_slice()), 1..5),
        quotes_all: bool,
        is_v1 in prop::bool::weighted(0.2),
    ) -> Tables {
        let namespaces = namespaces.into_iter().map(|(name, keys)| (name, keys.into_iter().collect())).collect();
        let version = if is_v1 { Version::V1 } else { Version::V2 };
        Tables { namespaces, others, devices, swaps, says_again, line_end, mark, between, quotes_all, version }
    }
}

impl Tables {
    fn field(&self, text: &str) -> String {
        if self.quotes_all || text.contains([',', '"', '\n']) || text.starts_with(['#', ' ', '\t', '"']) {
            format!("\"{}\"", text.replace('"', "\"\"")).replace('\n', self.line_end)
        } else {
            text.to_owned()
        }
    }

    /// The text of these rows, and the line of each.
    fn text(&self, rows: &[Vec<String>]) -> (String, Vec<usize>) {
        let (mut text, mut lines) = (self.mark.to_owned(), Vec::new());
        let mut line = 1;
        let mut between = self.between.iter().cycle();
        for row in rows {
            let gap = between.next().unwrap();
            text += &gap.replace('\n', self.line_end);
            line += gap.matches('\n').count();
            lines.push(line);
            let fields: Vec<String> = row.iter().map(|field| self.field(field)).collect();
            // A row that is only blank would not be one.
            let written = if row.len() == 1 && row[0].trim_matches([' ', '\t']).is_empty() {
                format!("\"{}\"", row[0])
            } else {
                fields.join(",")
            };
            text += &written;
            text += self.line_end;
            line += row.iter().map(|field| field.matches('\n').count()).sum::<usize>() + 1;
        }
        (text, lines)
    }

    fn keys(&self) -> impl Iterator<Item = &(String, Column)> {
        self.namespaces.iter().flat_map(|(_, keys)| keys)
    }

    fn configuration(&self) -> String {
        let row = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        let mut rows = Vec::new();
        for (namespace, keys) in &self.namespaces {
            rows.push(row(&[namespace, "namespace", ""]));
            for (key, column) in keys {
                let mut fields = row(&[key, if column.is_file { "file" } else { "data" }, column.encoding]);
                if column.is_repeated {
                    fields.push("REPEAT".to_owned());
                }
                rows.push(fields);
            }
        }
        self.text(&rows).0
    }

    /// The columns: a key's number, or the name of one that the configuration doesn't have. Of keys with one name the order is
    /// the configuration's.
    fn columns(&self) -> Vec<Result<usize, &str>> {
        let names: Vec<&String> = self.keys().map(|(name, _)| name).collect();
        let others = self.others.iter().filter(|other| !names.contains(other));
        let mut columns: Vec<Result<usize, &str>> = (0..names.len())
            .map(Ok)
            .chain(others.map(|other| Err(other.as_str())))
            .collect();
        if columns.is_empty() {
            return columns;
        }
        for (a, b) in &self.swaps {
            let (a, b) = (a.index(columns.len()), b.index(columns.len()));
            columns.swap(a, b);
        }
        for name in &names {
            let is_named = |column: &Result<usize, &str>| column.is_ok_and(|key| names[key] == *name);
            let mut sorted: Vec<_> = columns.iter().copied().filter(is_named).collect();
            sorted.sort_unstable();
            let mut sorted = sorted.into_iter();
            for column in columns.iter_mut().filter(|column| is_named(column)) {
                *column = sorted.next().unwrap();
            }
        }
        columns
    }

    /// The values, and the line of each device.
    fn values(&self) -> (String, Vec<usize>) {
        let keys: Vec<_> = self.keys().collect();
        let columns = self.columns();
        let name = |column: &Result<usize, &str>| column.map_or_else(str::to_owned, |key| keys[key].0.clone());
        let mut rows = vec![columns.iter().map(name).collect::<Vec<_>>()];
        for device in 0..self.devices {
            let field = |column: &Result<usize, &str>| match column {
                Ok(key) => {
                    let column = &keys[*key].1;
                    match (column.is_repeated, device) {
                        (true, 1..) if !self.says_again[device] => String::new(),
                        (true, _) => column.texts[0].clone(),
                        (false, _) => column.texts[device].clone(),
                    }
                }
                // Values that are called like columns are values.
                Err(other) => keys
                    .first()
                    .map_or_else(|| (*other).to_owned(), |(name, _)| name.clone()),
            };
            rows.push(columns.iter().map(field).collect());
        }
        let (text, lines) = self.text(&rows);
        (text, lines[1..].to_vec())
    }

    /// The rows of a table for one device, with the numbers of the keys that are set.
    fn by_hand(&self, device: usize, with: impl Fn(usize) -> bool) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut rows = HEADER.to_owned();
        let mut number = 0;
        for (namespace, keys) in &self.namespaces {
            rows += &format!("{},namespace,,\n", quoted(namespace));
            for (key, column) in keys {
                let text = &column.texts[if column.is_repeated { 0 } else { device }];
                if with(number) {
                    let row_type = if column.is_file { "file" } else { "data" };
                    rows += &format!("{},{row_type},{},{}\n", quoted(key), column.encoding, quoted(text));
                }
                number += 1;
            }
        }
        rows
    }
}

/// Files whose content is their name; those with an `x` can't be read, and none has a blank name.
fn named_files(path: &str) -> Result<Vec<u8>, &'static str> {
    if path.trim().is_empty() || path.contains('x') && !path.contains('0') {
        Err("not here")
    } else {
        Ok(path.as_bytes().to_vec())
    }
}

/// The generator's image and the bytes it uses.
fn generated(table: &str, version: Version) -> Result<(usize, Vec<u8>), csv::ErrorKind> {
    let mut image = vec![0; SIZE];
    let mut generator = Generator::new(&mut image, version).unwrap();
    generator
        .add(table.as_bytes(), named_files)
        .map_err(|error| error.kind)?;
    Ok((generator.finish(), image))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn each_device_has_the_image_of_its_own_table(tables in tables()) {
        let (text, lines) = tables.values();
        let configuration = match Configuration::read(tables.configuration().as_bytes()) {
            Ok(configuration) => configuration,
            Err(_) => {
                // No keys, or Wi-Fi rows that the generator refuses too, whatever the values.
                let refused = (0..tables.devices).all(|device| generated(&tables.by_hand(device, |_| true), tables.version).is_err());
                prop_assert!(refused || tables.keys().next().is_none());
                return Ok(());
            }
        };
        let values = Values::read(text.as_bytes(), &configuration).unwrap();
        let mut images = values.images(tables.version);
        let mut devices = 0;
        for device in values.devices() {
            let mut image = vec![0xAA; SIZE];
            let line = lines[devices];
            let want = generated(&tables.by_hand(devices, |_| true), tables.version);
            let made = device.and_then(|device| {
                assert_eq!(device.line(), line);
                let made = images.write(&device, &mut image, named_files);
                // What images have in common is a shortcut.
                let mut alone = vec![0x55; SIZE];
                let plain = values.write(&device, &mut alone, tables.version, named_files);
                assert_eq!(made.is_ok(), plain.is_ok());
                if made.is_ok() {
                    assert!(alone == image);
                }
                assert_eq!(&made, &plain);
                made
            });
            match (made, want) {
                (Ok(used), Ok((same, want))) => prop_assert!(used == same && image == want, "line {}", line),
                (Err(errors), Err(kind)) => {
                    prop_assert!(errors.iter().all(|error| error.line == line || error.line == lines[0]));
                    // The generator's first error is there.
                    prop_assert!(errors.iter().any(|error| said(&error.kind, &kind)), "{:?} {:?}", errors, kind);
                }
                (made, want) => prop_assert!(false, "line {}: {:?}, {:?}", line, made, want.map(|(used, _)| used)),
            }
            devices += 1;
        }
        prop_assert_eq!(devices, tables.devices);
    }

    /// With every key that is wrong left out, the generator makes an image: no error is missing.
    #[test]
    fn every_key_that_is_wrong_is_named(tables in tables()) {
        let Ok(configuration) = Configuration::read(tables.configuration().as_bytes()) else { return Ok(()) };
        let (text, _) = tables.values();
        let values = Values::read(text.as_bytes(), &configuration).unwrap();
        let Some(Ok(device)) = values.devices().next() else { return Ok(()) };
        let Err(errors) = values.write(&device, &mut [0; SIZE], tables.version, named_files) else { return Ok(()) };
        let mut wrong: Vec<usize> = Vec::new();
        let keys: Vec<&String> = tables.keys().map(|(name, _)| name).collect();
        // Row by row what the generator refuses alone; what is computed for Wi-Fi depends on several.
        if keys.iter().any(|key| key.starts_with("sta.") || key.starts_with("ap.")) {
            return Ok(());
        }
        for number in 0..keys.len() {
            if generated(&tables.by_hand(0, |one| one == number), tables.version).is_err() {
                wrong.push(number);
            }
        }
        prop_assert_eq!(errors.len(), wrong.len(), "{:?}", errors);
        for (error, number) in errors.iter().zip(&wrong) {
            let kind = generated(&tables.by_hand(0, |one| one == *number), tables.version).unwrap_err();
            prop_assert!(said(&error.kind, &kind), "{:?} {:?}", error.kind, kind);
        }
    }

    /// In memory that is not theirs and with texts that are not tables.
    #[test]
    fn any_bytes_are_tables_or_errors_with_lines(
        configuration in vec(any::<u8>(), 0..200),
        values in vec(any::<u8>(), 0..300),
    ) {
        run(&configuration, &values);
        run(b"a,namespace,\nk,data,string\nl,data,u8,REPEAT\n", &values);
    }

    #[test]
    fn any_text_of_rows_is_a_table_or_errors_with_lines(
        configuration in "(([a-c]|\"|#|sta\\.ssid)?,(namespace|data|file|option|x)?,?(u8|string|hex2bin|blob_fill\\(9;0x00\\)|x)?(,REPEAT)?,?\n){0,8}",
        values in "(([a-c]|\"|#|sta\\.ssid)?(,([a-c0-9]|\"|\n)?){0,4}\n){0,8}",
    ) {
        run(configuration.as_bytes(), values.as_bytes());
    }
}

/// Whether an error says what the generator's error says.
fn said(ours: &ErrorKind, generators: &csv::ErrorKind) -> bool {
    match (ours, generators) {
        // Where the first row of a key is, which the generator counts in its own table.
        (
            ErrorKind::Table(csv::ErrorKind::DuplicateKey { key, .. }),
            csv::ErrorKind::DuplicateKey { key: same, .. },
        ) => key == same,
        (ErrorKind::BlankRow { .. }, _) => true,
        (ErrorKind::Table(ours), generators) => ours == generators,
        _ => false,
    }
}

fn run(configuration: &[u8], values: &[u8]) {
    let configuration = match Configuration::read(configuration) {
        Ok(configuration) => configuration,
        Err(errors) => return assert!(!errors.is_empty() && errors.iter().all(|error| error.line >= 1)),
    };
    let values = match Values::read(values, &configuration) {
        Ok(values) => values,
        Err(errors) => return assert!(!errors.is_empty() && errors.iter().all(|error| error.line >= 1)),
    };
    let mut image = vec![0; 0x1000];
    let mut last = 0;
    for device in values.devices() {
        let line = match device {
            Ok(device) => {
                let _ = values.write(&device, &mut image, Version::V2, named_files);
                device.line()
            }
            Err(errors) => errors[0].line,
        };
        assert!(line >= last);
        last = line;
    }
}
