//! Reading fresh images back, and where an image stops being fresh. `round_trips.rs` tests that what was encoded is decoded.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use fleetmint_nvs::entry::{Entry, Number};
use fleetmint_nvs::image::{self, DecodedValue, Item, Writer};
use fleetmint_nvs::layout::Version;
use fleetmint_nvs::{Error, Key, Namespace};

fn ns(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// Two namespaces, a number, a string, and a blob of two chunks: 0 and 1 in page 0, 2 in page 1.
fn image() -> Vec<u8> {
    let blob = [7; 4000];
    let items = [
        Item::new(ns("a"), key("number"), -2_i32),
        Item::new(ns("b"), key("text"), "text"),
        Item::new(ns("a"), key("blob"), &blob[..]),
        Item::new(ns("b"), key("last"), 1_u8),
    ];
    image::encode(&items, 0x4000).unwrap()
}

/// The first place that no fresh image has, and the number of items before it.
fn stops_at(image: &[u8]) -> (usize, usize) {
    let items = match image::decode(image) {
        Ok(items) => items,
        Err(Error::NotFresh { offset, .. }) => return (offset, 0),
        Err(other) => panic!("{other}"),
    };
    let mut count = 0;
    for item in items {
        match item {
            Ok(_) => count += 1,
            Err(Error::NotFresh { offset, .. }) => return (offset, count),
            Err(other) => panic!("{other}"),
        }
    }
    panic!("nothing is wrong, {count} items")
}

fn slot(page: usize, entry: usize) -> usize {
    page * 4096 + 64 + entry * 32
}

fn put(image: &mut [u8], at: usize, entry: Entry) {
    image[at..at + 32].copy_from_slice(&entry.to_bytes());
}

#[test]
fn items_come_in_the_order_of_the_image() {
    let image = image();
    let items: Vec<_> = image::decode(&image).unwrap().map(Result::unwrap).collect();
    let names: Vec<_> = items
        .iter()
        .map(|item| (item.namespace.to_string(), item.key.to_string()))
        .collect();
    assert_eq!(
        names,
        [("a", "number"), ("b", "text"), ("a", "blob"), ("b", "last")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert!(matches!(items[0].value, DecodedValue::Number(Number::I32(-2))));
    assert!(matches!(items[1].value, DecodedValue::Str(b"text")));
    let DecodedValue::Blob(chunks) = &items[2].value else {
        panic!()
    };
    assert_eq!(chunks.size(), 4000);
    let chunks: Vec<_> = chunks.clone().collect();
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks.concat(), [7; 4000]);
    assert!(!format!("{items:?}").contains("116"), "no value is shown");
}

#[test]
fn blobs_of_version_1() {
    let mut image = vec![0; 0x3000];
    let mut writer = Writer::new(&mut image, Version::V1).unwrap();
    writer.set(&ns("n"), &key("k"), (&[1, 2, 3][..]).into()).unwrap();
    writer.finish();
    let item = image::decode(&image).unwrap().next().unwrap().unwrap();
    let DecodedValue::Blob(mut chunks) = item.value else {
        panic!()
    };
    assert_eq!((chunks.next(), chunks.next()), (Some(&[1, 2, 3][..]), None));
}

#[test]
fn an_empty_image_has_no_items_and_a_blank_one_is_none() {
    let image = image::encode(&[], 0x3000).unwrap();
    assert_eq!(image::decode(&image).unwrap().count(), 0);
    assert!(matches!(
        image::decode(&[0xFF; 0x3000]),
        Err(Error::NotFresh { offset: 0, .. })
    ));
    assert_eq!(
        image::decode(&[0xFF; 100]).err(),
        Some(Error::PartitionSize { size: 100 })
    );
}

#[test]
fn pages_are_in_order_and_none_of_their_entries_is_erased() {
    let stopping = |change: fn(&mut Vec<u8>)| {
        let mut image = image();
        change(&mut image);
        stops_at(&image)
    };
    // A page that is being moved, a wrong checksum, an erased entry, one missing in the bitmap.
    assert_eq!(stopping(|image| image[0] = 0xF8), (0, 0));
    assert_eq!(stopping(|image| image[20] = 0), (0, 0));
    assert_eq!(stopping(|image| image[32] &= !3), (0, 0));
    assert_eq!(stopping(|image| image[32] |= 3), (0, 0));
    // Two pages swapped; a missing second page; a page after the last one.
    assert_eq!(
        stopping(|image| (0..4096).for_each(|i| image.swap(i, 4096 + i))),
        (0, 0)
    );
    assert_eq!(stopping(|image| image[4096..8192].fill(0xFF)), (4096, 2));
    assert_eq!(stopping(|image| image.copy_within(4096..8192, 8192)), (4096, 2));
}

#[test]
fn entries_and_values_are_checked() {
    let stopping = |change: fn(&mut Vec<u8>)| {
        let mut image = image();
        change(&mut image);
        stops_at(&image)
    };
    let blob_head = slot(0, 5);
    // The key of the number; the text; the blob's first chunk and its second one.
    assert_eq!(stopping(|image| image[slot(0, 1) + 9] ^= 1), (slot(0, 1), 0));
    assert_eq!(stopping(|image| image[slot(0, 4)] ^= 1), (slot(0, 3), 1));
    assert_eq!(stopping(|image| image[slot(0, 7)] ^= 1), (blob_head, 2));
    assert_eq!(stopping(|image| image[slot(1, 1)] ^= 1), (slot(1, 0), 2));
    // An unknown type with a correct checksum; an item of a namespace that comes later; a namespace with a wrong index.
    let number = |ns_index| Entry::number(ns_index, &key("number"), Number::U8(1));
    let mut image = image();
    put(&mut image, slot(0, 1), number(2));
    assert_eq!(stops_at(&image), (slot(0, 2), 0));
    put(&mut image, slot(0, 1), Entry::namespace(&ns("c"), 3));
    assert_eq!(stops_at(&image), (slot(0, 2), 0));
    // An index without chunks; chunks without an index, or with that of another blob.
    put(&mut image, slot(0, 1), Entry::blob_index(1, &key("number"), 0, 0, 0));
    assert_eq!(stops_at(&image), (slot(0, 2), 0));
    put(&mut image, slot(0, 1), number(1));
    put(&mut image, slot(1, 4), Entry::blob_index(1, &key("blob"), 3999, 2, 0));
    assert!(matches!(stops_at(&image), (_, 2)));
    put(&mut image, slot(1, 4), number(1));
    assert!(matches!(stops_at(&image), (_, 2)));
}
