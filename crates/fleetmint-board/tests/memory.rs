//! The memory that a patch needs, for any content of the partition. This is a separate program, because the allocator
//! counts all threads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

use fleetmint_board::patch::{Error, memory, patch, steps};
use fleetmint_board::provisioning::{Setting, Values};
use fleetmint_nvs::entry::{Entry, Number};
use fleetmint_nvs::layout::{BITMAP_OFFSET, ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE, Version};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::{Key, Namespace};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A partition full of items that `item` creates for each page and entry, except for two free pages.
fn full(size: usize, item: impl Fn(usize, usize) -> Entry) -> Vec<u8> {
    let pages = size / PAGE_SIZE;
    let mut image = vec![0xFF; size];
    for (number, page) in image.chunks_exact_mut(PAGE_SIZE).enumerate().take(pages - 2) {
        let mut bitmap = Bitmap::EMPTY;
        for (index, entry) in page[ENTRIES_OFFSET..].chunks_exact_mut(ENTRY_SIZE).enumerate() {
            entry.copy_from_slice(&item(number, index).to_bytes());
            bitmap.set(index, EntryState::Written);
        }
        let header = PageHeader::encode(PageState::Full, number as u32, Version::V2);
        page[..BITMAP_OFFSET].copy_from_slice(&header);
        page[BITMAP_OFFSET..ENTRIES_OFFSET].copy_from_slice(&bitmap.to_bytes());
    }
    image
}

type Item<'a> = &'a dyn Fn(usize, usize) -> Entry;

fn key(text: impl AsRef<[u8]>) -> Key {
    Key::new(text).unwrap()
}

#[test]
fn it_is_bounded_whatever_the_partition_holds() {
    // As good as the largest: all that is bounded grows with the size.
    let size = 1 << 20;
    let number = |ns_index, page, index| {
        let name = key(format!("k{}", page * ENTRY_COUNT + index));
        Entry::number(ns_index, &name, Number::U8(7))
    };
    let namespace = |name: &str, index| Entry::namespace(&Namespace::new(name).unwrap(), index);
    let damaged = |page, index| {
        let mut entry = Entry::string(1, &key(format!("k{}", page * ENTRY_COUNT + index)), b"");
        entry.data[4] ^= 1;
        Entry::from_bytes(&entry.to_bytes())
    };
    let kinds: [(&str, Item<'_>); 10] = [
        ("numbers", &|page, index| match (page, index) {
            (0, 0) => namespace("any", 1),
            _ => number(1, page, index),
        }),
        ("two namespaces of one name", &|page, index| match (page, index) {
            (0, 0 | 1) => namespace("any", 1 + index as u8),
            _ => number(1 + (index % 2) as u8, page, index),
        }),
        (
            "one key in a namespace that searches all",
            &|page, index| match (page, index) {
                (0, 0) => namespace("any", 255),
                _ => Entry::string(255, &key(format!("k{}", index % 3)), b""),
            },
        ),
        ("other keys in such a namespace", &|page, index| match (page, index) {
            (0, 0) => namespace("any", 255),
            _ => number(255, page, index),
        }),
        ("damaged strings", &|page, index| match (page, index) {
            (0, 0) => namespace("any", 1),
            _ => damaged(page, index),
        }),
        ("blob indexes", &|page, index| match (page, index) {
            (0, 0) => namespace("any", 1),
            _ => Entry::blob_index(1, &key(format!("k{}", page * ENTRY_COUNT + index)), 0, 0, 0),
        }),
        (
            "blob indexes beside such a namespace",
            &|page, index| match (page, index) {
                (0, 0) => namespace("any", 1),
                (0, 1) => namespace("all", 255),
                (0, 2) => Entry::string(255, &key("k"), b""),
                _ => Entry::blob_index(1, &key(format!("k{}", page * ENTRY_COUNT + index)), 0, 0, 0),
            },
        ),
        ("chunks", &|page, index| match (page, index) {
            (0, 0) => namespace("any", 1),
            (_, 0 | 1) => Entry::blob_index(1, &key(format!("k{page}")), 0, 1, 0),
            _ => Entry::blob_data(1, &key(format!("k{page}")), (index % 2) as u8, b""),
        }),
        ("namespaces", &|page, index| {
            namespace(&format!("n{}", page * ENTRY_COUNT + index), (index % 200) as u8)
        }),
        ("items of no namespace", &|page, index| number(1, page, index)),
    ];
    let values = Values::default()
        .with(Setting::DeviceKey, Some("abcd1234"))
        .with(Setting::ClientId, Some("iotdevice-m-abcd1234"))
        .with(Setting::ClientSecret, Some("first secret"))
        .with(Setting::TokenUrl, Some("https://id.example/token"))
        .with(Setting::BaseUrl, Some("https://api.example"));
    for (kind, item) in kinds {
        let mut image = full(size, item);
        let (before, mut taken) = (ALLOCATOR.current_usage(), 0);
        ALLOCATOR.reset_peak_usage();
        let patched = patch(&mut image, None, &values, b"salt", |steps| {
            taken += steps;
            true
        });
        let peak = ALLOCATOR.peak_usage() - before;
        assert!(peak <= memory(size), "{kind}: {peak} bytes");
        assert!(taken <= steps(size), "{kind}: {taken} steps");
        match patched {
            Ok(patched) => assert_eq!(patched.differences.len(), 5, "{kind}"),
            // They would be in the new namespace, each of them a difference.
            Err(error) => assert_eq!((kind, error), ("items of no namespace", Error::TooManyChanges)),
        }
    }
}
