//! Written data is read back: tables, images, encryption. And no bytes make the table reader panic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use fleetmint_nvs::check;
use fleetmint_nvs::crypt::{self, Keys};
use fleetmint_nvs::csv::{self, Generator, Writer};
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::image::{self, DecodedValue, Item, Value};
use fleetmint_nvs::layout::{PAGE_SIZE, Version};
use fleetmint_nvs::storage::{self, Flash, Mode, ReadOnlySlice, SliceFlash, Storage};
use fleetmint_nvs::{Error, Key, Namespace};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SIZE: usize = 0x1_0000;

/// A value that owns its content.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Number(Number),
    Str(String),
    Blob(Vec<u8>),
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Str(text) => Value::Str(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    let number = prop_oneof![
        any::<u8>().prop_map(Number::U8),
        any::<i8>().prop_map(Number::I8),
        any::<u16>().prop_map(Number::U16),
        any::<i16>().prop_map(Number::I16),
        any::<u32>().prop_map(Number::U32),
        any::<i32>().prop_map(Number::I32),
        any::<u64>().prop_map(Number::U64),
        any::<i64>().prop_map(Number::I64),
        any::<f32>()
            .prop_filter("NaN is refused", |n| !n.is_nan())
            .prop_map(Number::Float),
        any::<f64>()
            .prop_filter("NaN is refused", |n| !n.is_nan())
            .prop_map(Number::Double),
    ];
    prop_oneof![
        number.prop_map(Owned::Number),
        // Any text that a table can contain.
        "[^\r\0]{0,200}".prop_map(Owned::Str),
        "[ab,\"#\n]{0,40}".prop_map(Owned::Str),
        vec(any::<u8>(), 0..3000).prop_map(Owned::Blob),
    ]
}

/// Names of up to 15 bytes: with characters that could mislead a reader of tables, and Wi-Fi keys, for which others are
/// computed.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9_]{1,15}",
        "[ -~]{1,15}",
        "[#\", äé\n]{1,7}",
        "[^\r\0]{1,3}",
        "sta\\.(ssid|pswd|apinfo|pmk|apsw)|ap\\.(ssid|passwd|authmode|pmk_info)",
    ]
    .prop_filter("15 bytes at most", |name| name.len() <= 15)
}

fn namespaces() -> impl Strategy<Value = BTreeMap<String, BTreeMap<String, Owned>>> {
    btree_map(name(), btree_map(name(), owned(), 0..12), 0..6)
}

fn items(namespaces: &BTreeMap<String, BTreeMap<String, Owned>>) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    for (namespace, values) in namespaces {
        for (key, value) in values {
            items.push(Item::new(
                Namespace::new(namespace).unwrap(),
                Key::new(key).unwrap(),
                value.value(),
            ));
        }
    }
    items
}

/// Files whose content is their own name.
fn named_files(path: &str) -> Result<Vec<u8>, &'static str> {
    if path.is_empty() {
        Err("no name")
    } else {
        Ok(path.as_bytes().to_vec())
    }
}

/// The storage's listing, in the order of the map that the image was created from.
fn listed<F: Flash>(storage: &mut Storage<F>) -> Vec<(Vec<u8>, Vec<u8>, Owned)> {
    let mut list: Vec<_> = storage
        .list()
        .unwrap()
        .into_iter()
        .map(|listed| {
            assert!(!listed.orphan && !listed.repeat);
            let value = match listed.value.unwrap() {
                storage::Value::Number(number) => Owned::Number(number),
                storage::Value::Str(text) => Owned::Str(String::from_utf8(text.to_vec()).unwrap()),
                storage::Value::Blob(bytes) => Owned::Blob(bytes.to_vec()),
            };
            (
                listed.namespace.as_bytes().to_vec(),
                listed.key.as_bytes().to_vec(),
                value,
            )
        })
        .collect();
    list.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    list
}

/// The items of `decode`, in the order of the map that the image was created from.
fn decoded(image: &[u8]) -> Vec<(Vec<u8>, Vec<u8>, Owned)> {
    let mut list = Vec::new();
    for item in image::decode(image).unwrap() {
        let item = item.unwrap();
        let value = match item.value {
            DecodedValue::Number(number) => Owned::Number(number),
            DecodedValue::Str(text) => Owned::Str(String::from_utf8(text.to_vec()).unwrap()),
            DecodedValue::Blob(chunks) => Owned::Blob(chunks.flatten().copied().collect()),
        };
        list.push((item.namespace.as_bytes().to_vec(), item.key.as_bytes().to_vec(), value));
    }
    list
}

fn wanted(namespaces: &BTreeMap<String, BTreeMap<String, Owned>>) -> Vec<(Vec<u8>, Vec<u8>, Owned)> {
    let mut list = Vec::new();
    for (namespace, values) in namespaces {
        for (key, value) in values {
            list.push((namespace.as_bytes().to_vec(), key.as_bytes().to_vec(), value.clone()));
        }
    }
    list
}

fn no_files(_: &str) -> Result<Vec<u8>, &'static str> {
    Err("no files here")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_firmware_reads_what_was_encoded(namespaces in namespaces(), key: Option<[u8; 32]>) {
        let Ok(mut image) = image::encode(&items(&namespaces), SIZE) else { return Ok(()) };
        let keys = key.map(|key| Keys::from_bytes([key, key.map(|byte| !byte)].concat().try_into().unwrap()));
        if let Some(keys) = &keys {
            crypt::encrypt(&mut image, keys).unwrap();
        }
        let cipher = || keys.as_ref().map(Keys::xts);
        let before = image.clone();
        let mut read_only = Storage::open(ReadOnlySlice::new(&image), Mode::ReadOnly, cipher()).unwrap();
        prop_assert_eq!(listed(&mut read_only), wanted(&namespaces));
        let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, cipher()).unwrap();
        prop_assert_eq!(listed(&mut storage), wanted(&namespaces));
        prop_assert!(storage.repairs().is_empty());
        prop_assert!(image == before, "there is nothing to repair");
        let report = check::check(&image, cipher().as_ref()).unwrap();
        prop_assert!(!report.has_errors(), "{:?}", report);
    }

    #[test]
    fn an_encoded_image_is_decoded(namespaces in namespaces()) {
        let Ok(image) = image::encode(&items(&namespaces), SIZE) else { return Ok(()) };
        prop_assert_eq!(decoded(&image), wanted(&namespaces));
    }

    /// Reading a fresh image without the storage is a shortcut; the storage is the plain path.
    #[test]
    fn decode_reads_what_the_storage_lists(namespaces in namespaces()) {
        let Ok(image) = image::encode(&items(&namespaces), SIZE) else { return Ok(()) };
        let mut storage = Storage::open(ReadOnlySlice::new(&image), Mode::ReadOnly, None).unwrap();
        prop_assert_eq!(decoded(&image), listed(&mut storage));
    }

    /// The writer recognizes new keys by a filter and a search; a set of names is the plain path. With enough keys the
    /// filter mistakes many new keys for known ones.
    #[test]
    fn a_duplicate_key_is_found_exactly_when_a_set_finds_it(
        names in vec((prop_oneof!["[ab]", "[a-z]{1,3}"], "[a-z]{1,4}"), 0..1200),
    ) {
        let mut image = vec![0; 2 * SIZE];
        let mut writer = image::Writer::new(&mut image, Version::V2).unwrap();
        let mut known = BTreeSet::new();
        for (namespace, key) in &names {
            let (ns, name) = (Namespace::new(namespace).unwrap(), Key::new(key).unwrap());
            match writer.set(&ns, &name, 1_u8.into()) {
                Ok(()) => prop_assert!(known.insert((namespace, key))),
                Err(Error::DuplicateKey { .. }) => prop_assert!(known.contains(&(namespace, key))),
                Err(Error::TooManyNamespaces { .. }) => break,
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn an_image_is_the_same_over_any_buffer(namespaces in namespaces(), before: u8) {
        let mut image = vec![before; SIZE];
        match (image::encode(&items(&namespaces), SIZE), image::encode_into(&items(&namespaces), &mut image)) {
            (Ok(want), Ok(_)) => prop_assert!(image == want),
            (want, ours) => prop_assert_eq!(ours.err(), want.err()),
        }
    }

    #[test]
    fn any_damage_is_decoded_or_an_error(namespaces in namespaces(), damage in vec((0..SIZE / 4, any::<u8>()), 1..20)) {
        let Ok(mut image) = image::encode(&items(&namespaces), SIZE) else { return Ok(()) };
        for (at, byte) in damage {
            image[at] = byte;
        }
        let Ok(items) = image::decode(&image) else { return Ok(()) };
        let mut left = SIZE / 32;
        for item in items {
            if let Ok(DecodedValue::Blob(chunks)) = item.map(|item| item.value) {
                prop_assert_eq!(chunks.size(), chunks.flatten().count());
            }
            left -= 1;
        }
        prop_assert!(left > 0);
    }

    #[test]
    fn the_firmware_reads_what_was_encoded_in_version_1(namespaces in namespaces()) {
        let mut image = vec![0; SIZE];
        let mut writer = image::Writer::new(&mut image, Version::V1).unwrap();
        for item in items(&namespaces) {
            if writer.set(&item.namespace, &item.key, item.value).is_err() {
                return Ok(());
            }
        }
        writer.finish();
        let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
        prop_assert_eq!(listed(&mut storage), wanted(&namespaces));
        prop_assert!(storage.repairs().is_empty());
    }

    #[test]
    fn a_written_table_makes_the_same_image(namespaces in namespaces()) {
        let items = items(&namespaces);
        let mut table = Writer::new();
        for item in &items {
            table.item(item.namespace.raw(), item.key.raw(), item.value).unwrap();
        }
        let table = table.finish();
        let mut image = vec![0; SIZE];
        let mut generator = Generator::new(&mut image, Version::V2).unwrap();
        match (generator.add(table.as_bytes(), no_files), image::encode(&items, SIZE)) {
            (Ok(()), Ok(want)) => {
                generator.finish();
                prop_assert!(image == want);
            }
            (Err(error), Err(same)) => prop_assert_eq!(error.kind, csv::ErrorKind::Image(same)),
            (Err(error), Ok(_)) if items.is_empty() => prop_assert_eq!(error.kind, csv::ErrorKind::Empty),
            (ours, want) => panic!("{ours:?}, {:?}", want.map(|image| image.len())),
        }
    }

    #[test]
    fn decrypting_undoes_encrypting(namespaces in namespaces(), noise in vec((0..SIZE, any::<u8>()), 0..200), key: [u8; 32]) {
        let Ok(mut plain) = image::encode(&items(&namespaces), SIZE) else { return Ok(()) };
        // Any bytes after the first page: bitmaps, leftovers, damage.
        for (at, byte) in noise.into_iter().filter(|(at, _)| *at >= PAGE_SIZE) {
            plain[at] = byte;
        }
        let keys = Keys::from_bytes([key, key.map(|byte| byte ^ 0x5A)].concat().try_into().unwrap());
        let mut image = plain.clone();
        crypt::encrypt(&mut image, &keys).unwrap();
        for (cipher, plain) in image.chunks(PAGE_SIZE).zip(plain.chunks(PAGE_SIZE)) {
            prop_assert!(cipher[..64] == plain[..64], "header and bitmap stay plain");
        }
        let sound = crypt::decrypt(&mut image, &keys);
        prop_assert!(image == plain);
        prop_assert!(sound.is_ok() || namespaces.is_empty() || namespaces.values().all(BTreeMap::is_empty));
    }

    #[test]
    fn any_bytes_are_a_table_or_an_error_with_a_line(bytes in vec(any::<u8>(), 0..300)) {
        if let Err(error) = csv::read(&bytes) {
            prop_assert!(error.line >= 1);
        }
    }

    #[test]
    fn any_row_is_a_value_or_an_error(
        rows in vec(
            (
                "[a-z#\"]{0,17}",
                "namespace|data|file|delete|delete-all|[a-z]{0,3}",
                "u8|i64|float|double|string|binary|hex2bin|base64|blob_fill\\([0-9]{1,7};0x[0-9a-f]{2}\\)|blob_sz_fill\\([0-9]{1,3};0x00\\)",
                "[0-9]{0,25}|[0-9a-f]{0,9}|[A-Za-z+/=]{0,12}|[^\r\0]{0,9}|-?inf|nan|[0-9]{1,3}e[0-9]{1,4}|\"",
            ),
            0..12,
        ),
    ) {
        let mut table = "key,type,encoding,value\nn,namespace,,\n".to_owned();
        for (key, row_type, encoding, value) in &rows {
            table += &format!("{key},{row_type},{encoding},{value}\n");
        }
        if let Ok(rows) = csv::read(table.as_bytes()) {
            for row in rows {
                let _ = row.value(named_files);
            }
        }
        let mut image = vec![0; 0x3000];
        let mut generator = Generator::new(&mut image, Version::V1).unwrap();
        if let Err(error) = generator.add(table.as_bytes(), named_files) {
            prop_assert!(error.line >= 2);
        }
    }
}
