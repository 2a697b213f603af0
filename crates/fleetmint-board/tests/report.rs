//! The JSON form of the reports.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use fleetmint_board::report::{self, CheckReport, EntryReport};
use fleetmint_nvs::check;
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::entry::{Entry, Number};
use fleetmint_nvs::layout::{BITMAP_OFFSET, ENTRIES_OFFSET, ENTRY_SIZE, PAGE_SIZE, Version};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::storage::{Listed, Mode, SliceFlash, Storage};
use fleetmint_nvs::{Key, Namespace};
use serde_json::{Value, json};

fn value(report: impl serde::Serialize) -> Value {
    serde_json::to_value(report).unwrap()
}

fn list(image: &mut [u8]) -> Vec<Listed> {
    let mut storage = Storage::open(SliceFlash::new(image), Mode::ReadWrite, None).unwrap();
    storage.list().unwrap()
}

/// An image with one number for each name, in the namespaces 1, 2, … in this order.
fn with_names(names: &[(&str, &str)]) -> Vec<u8> {
    let mut image = vec![0xFF; 3 * PAGE_SIZE];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    for (namespace, key) in names {
        let namespace = storage.open_namespace(&Namespace::new(namespace).unwrap()).unwrap();
        storage
            .set_number(namespace, &Key::new(key).unwrap(), Number::Float(-0.5))
            .unwrap();
    }
    storage.commit().unwrap();
    image
}

#[test]
fn names_and_texts_that_are_not_utf_8_are_hexadecimal() {
    let key = Key::new(b"k\xFF".as_slice()).unwrap();
    let namespace = Namespace::new(b"n\xFE".as_slice()).unwrap();
    let mut image = vec![0xFF; 3 * PAGE_SIZE];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    let namespace = storage.open_namespace(&namespace).unwrap();
    storage.set_str(namespace, &key, b"\xC0").unwrap();
    let listed = storage.list().unwrap();
    let entry =
        json!({"namespace_hex": "6efe", "key_hex": "6bff", "type": "str", "value_hex": "c0", "size": 2, "ns_index": 1});
    assert_eq!(value(EntryReport::from(&listed[0])), entry);

    let differences = diff(&[], &listed);
    let revealed = value(report::revealed(&differences));
    let after = json!({"type": "str", "size": 2, "value_hex": "c0"});
    let changed = json!([{"change": "added", "namespace_hex": "6efe", "key_hex": "6bff", "after": after}]);
    assert_eq!(revealed, changed);
    let debug = format!("{:?}", report::revealed(&differences));
    assert!(!debug.contains("c0"), "{debug}");
}

#[test]
fn a_float_has_its_bits() {
    let listed = list(&mut with_names(&[("a", "half")]));
    let text = serde_json::to_string(&EntryReport::from(&listed[0])).unwrap();
    assert_eq!(
        text,
        r#"{"namespace":"a","key":"half","type":"float","value":-0.5,"bits":"bf000000","ns_index":1}"#
    );
}

#[test]
fn masked_keys_hold_no_value() {
    let listed = list(&mut with_names(&[("a", "half"), ("b", "half")]));
    let masked = value(report::masked(&diff(&[], &listed), b"salt"));
    let fingerprints: Vec<_> = masked
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["after"].clone())
        .collect();
    assert_eq!(fingerprints[0], fingerprints[1], "equal values have equal fingerprints");
    let members: Vec<_> = fingerprints[0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["fingerprint", "type"]);
    let other_salt = value(report::masked(&diff(&[], &listed), b"pepper"));
    assert_ne!(masked, other_salt);
}

#[test]
fn a_masked_key_is_a_line_as_a_difference_is() {
    let old = list(&mut with_names(&[("a", "half"), ("b", "half")]));
    let new = list(&mut with_names(&[("b", "half"), ("c", "half")]));
    let differences = diff(&old, &new);
    assert_eq!(differences.len(), 2);
    for (masked, difference) in report::masked(&differences, b"salt").iter().zip(&differences) {
        assert_eq!(masked.to_string(), difference.masked(b"salt").to_string());
    }
}

#[test]
fn a_check_names_the_rule_the_place_and_the_effect() {
    // One entry whose namespace does not exist.
    let mut image = vec![0xFF; 3 * PAGE_SIZE];
    let entry = Entry::number(1, &Key::new("key").unwrap(), Number::U8(7));
    let mut bitmap = Bitmap::EMPTY;
    bitmap.set(0, EntryState::Written);
    image[..BITMAP_OFFSET].copy_from_slice(&PageHeader::encode(PageState::Active, 0, Version::V2));
    image[BITMAP_OFFSET..ENTRIES_OFFSET].copy_from_slice(&bitmap.to_bytes());
    image[ENTRIES_OFFSET..][..ENTRY_SIZE].copy_from_slice(&entry.to_bytes());

    let checked = check::check_with(&image, check::Options::default()).unwrap();
    let report = value(CheckReport::new(0x9000, &checked, &[]));
    assert_eq!(report["clean"], false);
    assert_eq!(report["partition_offset"], 0x9000);
    assert_eq!(
        (&report["read_write"], &report["readonly"]),
        (&json!("ESP_OK"), &json!("ESP_OK"))
    );
    let orphan = &report["findings"][0];
    assert_eq!(
        (&orphan["rule"], &orphan["page"], &orphan["entry"]),
        (&json!("orphan"), &json!(0), &json!(0))
    );
    assert_eq!(
        (&orphan["firmware"], &orphan["offset"]),
        (&json!("nothing"), &json!(64))
    );
}
