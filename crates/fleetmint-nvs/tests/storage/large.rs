//! Large partitions, orderly and malicious ones: the work grows with the size, not with its square.

use fleetmint_nvs::check::check;
use fleetmint_nvs::entry::{Entry, Number};
use fleetmint_nvs::layout::{ENTRY_COUNT, PAGE_SIZE, Version, entry_offset, page_offset};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::storage::{Mode, ReadOnlySlice, SliceFlash, Storage};
use fleetmint_nvs::{Key, Namespace};
use std::time::{Duration, Instant};

/// A partition whose pages are all full of these one-entry items, but for the last page, which is blank.
fn full_of(pages: usize, mut item: impl FnMut(usize) -> Entry) -> Vec<u8> {
    let mut image = vec![0xFF; pages * PAGE_SIZE];
    for page in 0..pages - 1 {
        let mut bitmap = Bitmap::EMPTY;
        for index in 0..ENTRY_COUNT {
            bitmap.set(index, EntryState::Written);
            let bytes = item(page * ENTRY_COUNT + index).to_bytes();
            image[entry_offset(page, index)..][..32].copy_from_slice(&bytes);
        }
        let header = PageHeader::encode(PageState::Full, page as u32, Version::V2);
        image[page_offset(page)..][..32].copy_from_slice(&header);
        image[page_offset(page) + 32..][..32].copy_from_slice(&bitmap.to_bytes());
    }
    image
}

/// Opens, lists and checks. How long it took.
fn time(mut image: Vec<u8>) -> Duration {
    let start = Instant::now();
    let read_only = Storage::open(ReadOnlySlice::new(&image), Mode::ReadOnly, None);
    drop(read_only.map(|mut storage| storage.list()));
    check(&image, None).unwrap();
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    storage.list().unwrap();
    let ns = storage.open_namespace(&Namespace::new("other").unwrap());
    for number in 0..50 {
        let key = Key::new(format!("key{number}")).unwrap();
        if let Ok(ns) = ns {
            let _ = storage.set_str(ns, &key, "text");
        }
    }
    start.elapsed()
}

#[test]
fn eight_times_the_size_takes_no_more_than_a_few_times_eight() {
    let key = |text: String| Key::new(text).unwrap();
    let same = Key::new("same").unwrap();
    type MakeItem<'a> = Box<dyn Fn(usize) -> Entry + 'a>;
    let kinds: [(&str, MakeItem<'_>); 7] = [
        (
            "numbers",
            Box::new(|n| Entry::number(1, &key(format!("k{n}")), Number::U32(1))),
        ),
        (
            "one number again and again",
            Box::new(|_| Entry::number(1, &same, Number::U32(1))),
        ),
        (
            "namespaces",
            Box::new(|n| Entry::namespace(&Namespace::new(format!("n{n}")).unwrap(), n as u8)),
        ),
        (
            "indexes without chunks",
            Box::new(|n| Entry::blob_index(1, &key(format!("k{n}")), 9, 1, 0)),
        ),
        (
            "one index again and again",
            Box::new(|n| Entry::blob_index(1, &same, 9, 1, if n % 2 == 0 { 0 } else { 0x80 })),
        ),
        (
            "chunks without indexes",
            Box::new(|n| Entry::blob_data(1, &key(format!("k{n}")), 0, &[])),
        ),
        (
            "one empty blob again and again",
            Box::new(|n| match n % 3 {
                0 => Entry::blob_index(1, &same, 0, 1, 0),
                1 => Entry::blob_data(1, &same, 0, &[]),
                _ => Entry::number(1, &same, Number::U8(1)),
            }),
        ),
    ];
    for (name, item) in &kinds {
        // The shortest of three: the others were disturbed.
        let shortest = |pages| (0..3).map(|_| time(full_of(pages, item))).min().unwrap();
        let (small, large) = (shortest(8).max(Duration::from_micros(500)), shortest(64));
        assert!(large < small * 40, "{name}: {small:?} for 8 pages, {large:?} for 64");
    }
}
