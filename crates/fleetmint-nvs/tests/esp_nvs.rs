//! Fresh images, read by another implementation: the crate `esp-nvs`, which has no float and no double.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use esp_nvs::Nvs;
use esp_nvs::mem_flash::MemFlash;
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::image::{self, Item, Value};
use fleetmint_nvs::{Key, Namespace};

fn read(nvs: &mut Nvs<MemFlash>, item: &Item<'_>) {
    let namespace = esp_nvs::Key::from_str(core::str::from_utf8(item.namespace.as_bytes()).unwrap());
    let key = esp_nvs::Key::from_str(core::str::from_utf8(item.key.as_bytes()).unwrap());
    let (namespace, key) = (&namespace, &key);
    match item.value {
        Value::Number(Number::U8(n)) => assert_eq!(nvs.get::<u8>(namespace, key).unwrap(), n),
        Value::Number(Number::I8(n)) => assert_eq!(nvs.get::<i8>(namespace, key).unwrap(), n),
        Value::Number(Number::U16(n)) => assert_eq!(nvs.get::<u16>(namespace, key).unwrap(), n),
        Value::Number(Number::I16(n)) => assert_eq!(nvs.get::<i16>(namespace, key).unwrap(), n),
        Value::Number(Number::U32(n)) => assert_eq!(nvs.get::<u32>(namespace, key).unwrap(), n),
        Value::Number(Number::I32(n)) => assert_eq!(nvs.get::<i32>(namespace, key).unwrap(), n),
        Value::Number(Number::U64(n)) => assert_eq!(nvs.get::<u64>(namespace, key).unwrap(), n),
        Value::Number(Number::I64(n)) => assert_eq!(nvs.get::<i64>(namespace, key).unwrap(), n),
        Value::Str(text) => assert_eq!(nvs.get::<String>(namespace, key).unwrap(), text),
        Value::Blob(bytes) => assert_eq!(nvs.get::<Vec<u8>>(namespace, key).unwrap(), bytes),
        Value::Number(Number::Float(_) | Number::Double(_)) => panic!("{item:?}"),
    }
}

/// It reads every item, lists no others, and repairs nothing.
fn is_read(items: &[Item<'_>], size: usize) {
    let image = image::encode(items, size).unwrap();
    let mut nvs = Nvs::new(0, size, MemFlash::from_bytes(image.clone())).unwrap();
    items.iter().for_each(|item| read(&mut nvs, item));
    assert_eq!(nvs.typed_entries().map(Result::unwrap).count(), items.len());
    assert!(nvs.into_inner().into_inner() == image);
}

#[test]
fn numbers_strings_and_blobs_over_pages_and_namespaces() {
    let text = "x".repeat(3999);
    let blob: Vec<u8> = (0..=u8::MAX).cycle().take(20_000).collect();
    let names: Vec<String> = (0..400).map(|i| format!("key{i}")).collect();
    let mut items: Vec<Item<'_>> = Vec::new();
    for (i, name) in (0_u32..).zip(&names) {
        let namespace = Namespace::new(["one", "two", "three"].get(i as usize % 3).unwrap()).unwrap();
        let odd = i.wrapping_mul(0x9E37_79B9);
        let value: Value<'_> = match i % 11 {
            0 => (odd as u8).into(),
            1 => (odd as i8).into(),
            2 => (odd as u16).into(),
            3 => (odd as i16).into(),
            4 => odd.into(),
            5 => odd.cast_signed().into(),
            6 => (u64::from(odd) << 20).into(),
            7 => i64::MIN.into(),
            8 => text.get(..i as usize).unwrap().into(),
            9 => blob.get(..i as usize * 3).unwrap().into(),
            _ => "".into(),
        };
        items.push(Item::new(namespace, Key::new(name).unwrap(), value));
    }
    let last = Namespace::new("last").unwrap();
    items.push(Item::new(last, Key::new("whole_page").unwrap(), text.as_str()));
    items.push(Item::new(last, Key::new("pages").unwrap(), blob.as_slice()));
    items.push(Item::new(last, Key::new("empty").unwrap(), &[][..]));
    is_read(&items, 0x4_0000);
}

#[test]
fn blobs_that_start_at_every_entry_of_a_page() {
    let names: Vec<String> = (0..126).map(|i| format!("k{i}")).collect();
    let namespace = Namespace::new("n").unwrap();
    for before in 0..=125 {
        let mut items: Vec<Item<'_>> = names
            .iter()
            .take(before)
            .map(|name| Item::new(namespace, Key::new(name).unwrap(), 1_u8))
            .collect();
        items.push(Item::new(namespace, Key::new("blob").unwrap(), &[7; 100][..]));
        items.push(Item::new(namespace, Key::new("text").unwrap(), "after it"));
        is_read(&items, 0x4000);
    }
}
