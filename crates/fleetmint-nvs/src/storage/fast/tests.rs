//! With shortcuts and without, a storage gives the same answers and leaves the same bytes.

use crate::crypt::{self, Keys, Xts};
use crate::entry::{Entry, Number, entry_crc};
use crate::error::{Error, EspError};
use crate::key::{Key, Namespace};
use crate::layout::{ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE, Version, entry_offset, page_offset};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};
use crate::storage::medium::Medium;
use crate::storage::{Flash, FlashOps, Listed, Mode, Repair, SliceFlash, Stats, Storage};
use alloc::vec::Vec;
use proptest::prelude::*;
use std::path::Path;

extern crate std;

/// Few names, so that they are there again and again, with other types and chunks and in other namespaces.
fn item() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let ns_index = prop_oneof![8 => 1..3u8, 2 => Just(255), 1 => Just(3)];
    let name = prop_oneof![4 => Just("a"), 2 => Just("b"), 1 => Just("c")];
    let chunk = prop_oneof![4 => 0..3u8, 2 => 0x80..0x82u8];
    let sizes = (0..3usize, 0..3u32, 0..3u8);
    (0..8u8, ns_index, name, chunk, sizes, any::<bool>()).prop_map(
        |(kind, ns_index, name, chunk, (size, whole, chunks), damaged)| {
            let key = Key::new(name).unwrap();
            let mut data = alloc::vec![b'x'; size];
            let alone = |entry| (entry, Vec::new());
            let (entry, data) = match kind {
                0 => alone(Entry::number(ns_index, &key, Number::U8(chunk))),
                1 => alone(Entry::number(ns_index, &key, Number::U32(7))),
                2 | 3 => {
                    data.push(0);
                    (Entry::string(ns_index, &key, &data), data)
                }
                4 => (Entry::old_blob(ns_index, &key, &data), data),
                5 | 6 => (Entry::blob_data(ns_index, &key, chunk, &data), data),
                _ => alone(Entry::blob_index(ns_index, &key, whole, chunks, chunk & 0x80)),
            };
            let data = data.into_iter().map(|byte| byte ^ u8::from(damaged)).collect();
            (entry, data)
        },
    )
}

/// Names of their own, one value each, some of them damaged: what is listed in place.
fn distinct_items() -> impl Strategy<Value = Vec<(Entry, Vec<u8>)>> {
    let value = (0..4u8, 0..70usize, prop::bool::weighted(0.1));
    prop::collection::vec((1..4u8, value), 0..60).prop_map(|values| {
        let items = values.into_iter().enumerate();
        items
            .map(|(number, (ns_index, (kind, size, damaged)))| {
                let key = Key::new(alloc::format!("k{number}")).unwrap();
                let mut data = alloc::vec![b'x'; size];
                data.push(0);
                let entry = match kind {
                    0 => return (Entry::number(ns_index, &key, Number::I64(-1)), Vec::new()),
                    1 => Entry::old_blob(ns_index, &key, &data),
                    _ => Entry::string(ns_index, &key, &data),
                };
                data[size / 2] ^= u8::from(damaged);
                (entry, data)
            })
            .collect()
    })
}

/// These items on as many pages as they need, with a blank one after them. The last page with items is closed or not.
fn image(items: &[(Entry, Vec<u8>)], per_page: usize, last: PageState) -> Vec<u8> {
    let named = [("one", 1), ("any", 255), ("two", 2)];
    let names = named.map(|(name, index)| (Entry::namespace(&Namespace::new(name).unwrap(), index), Vec::new()));
    let all: Vec<_> = names.iter().chain(items).collect();
    image_of(&all, per_page, last)
}

fn image_of(items: &[&(Entry, Vec<u8>)], per_page: usize, last: PageState) -> Vec<u8> {
    let pages = items.len().div_ceil(per_page);
    let mut image = alloc::vec![0xFF; (pages + 1) * PAGE_SIZE];
    for (page, items) in items.chunks(per_page).enumerate() {
        let mut bitmap = Bitmap::EMPTY;
        let mut index = 0;
        for (entry, data) in items {
            let end = index + usize::from(entry.span);
            (index..end.min(ENTRY_COUNT)).for_each(|entry| bitmap.set(entry, EntryState::Written));
            image[entry_offset(page, index)..][..ENTRY_SIZE].copy_from_slice(&entry.to_bytes());
            image[entry_offset(page, index + 1)..][..data.len()].copy_from_slice(data);
            index = end;
        }
        let state = if page + 1 == pages { last } else { PageState::Full };
        let header = PageHeader::encode(state, page as u32, Version::V2);
        image[page_offset(page)..][..32].copy_from_slice(&header);
        image[page_offset(page) + 32..][..32].copy_from_slice(&bitmap.to_bytes());
    }
    image
}

fn last_state() -> impl Strategy<Value = PageState> {
    prop_oneof![Just(PageState::Active), Just(PageState::Full), Just(PageState::Freeing)]
}

/// Bits to flip, and whether the entries' checksums are made to fit afterwards.
fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, bool)> {
    let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12);
    (flips, any::<bool>())
}

fn apply(image: &mut [u8], (flips, sealed): &(Vec<(prop::sample::Index, u8)>, bool)) {
    for (at, bits) in flips {
        image[at.index(image.len())] ^= bits;
    }
    if !*sealed {
        return;
    }
    for page in 0..image.len() / PAGE_SIZE {
        for index in 0..ENTRY_COUNT {
            let at = entry_offset(page, index);
            let bytes: &mut [u8; ENTRY_SIZE] = (&mut image[at..at + ENTRY_SIZE]).try_into().unwrap();
            if Entry::from_bytes(bytes).item_type().is_some() {
                let crc = entry_crc(bytes);
                bytes[4..8].copy_from_slice(&crc.to_le_bytes());
            }
        }
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    listed: Result<Vec<Listed>, Error>,
    calls: Vec<Result<(), EspError>>,
    again: Result<Vec<Listed>, Error>,
    repairs: Vec<Repair>,
    ops: FlashOps,
    stats: Stats,
}

/// The answers of a storage to many calls, and its bytes afterwards.
fn use_storage(image: &[u8], mode: Mode, cipher: Option<Xts>, shortcuts: bool) -> Result<(Outcome, Vec<u8>), Error> {
    let mut image = image.to_vec();
    let flash = SliceFlash::new(&mut image);
    let mut medium = if shortcuts {
        Medium::new(flash, cipher, mode)
    } else {
        Medium::plain(flash, cipher, mode)
    };
    medium.key_is_checked = true;
    let mut storage = Storage::start(medium)?;
    let outcome = make_calls(&mut storage);
    drop(storage);
    Ok((outcome, image))
}

fn make_calls<F: Flash>(storage: &mut Storage<F>) -> Outcome {
    let listed = storage.list();
    let mut calls = Vec::new();
    for (round, name) in (0u8..).zip(["one", "any", "two", "one", "any", "new"]) {
        let Ok(ns) = storage.open_namespace(&Namespace::new(name).unwrap()) else {
            continue;
        };
        for key in ["a", "b", "k1", "k2", "d"].map(|key| Key::new(key).unwrap()) {
            let call = match round {
                0 => storage.set_number(ns, &key, Number::U8(round)),
                1 | 2 => storage.set_blob(ns, &key, &alloc::vec![round; 700]),
                3 => storage.erase_key(ns, &key),
                4 => storage.set_str(ns, &key, "text"),
                _ => storage.set_number(ns, &key, Number::I32(-7)),
            };
            calls.push(call.map_err(|error| error.esp().unwrap_or(EspError::Fail)));
        }
    }
    Outcome {
        listed,
        calls,
        again: storage.list(),
        repairs: storage.repairs().to_vec(),
        ops: storage.ops(),
        stats: storage.stats(),
    }
}

/// In both modes, plain and encrypted.
fn same_with_and_without_shortcuts(image: &[u8], encrypted: bool) -> Result<(), TestCaseError> {
    let keys = Keys::from_bytes([7; 64]);
    let mut image = image.to_vec();
    if encrypted {
        crypt::encrypt(&mut image, &keys).unwrap();
    }
    let cipher = || encrypted.then(|| keys.xts());
    for mode in [Mode::ReadOnly, Mode::ReadWrite] {
        let fast = use_storage(&image, mode, cipher(), true);
        let plain = use_storage(&image, mode, cipher(), false);
        match (fast, plain) {
            (Ok((fast, fast_image)), Ok((plain, plain_image))) => {
                prop_assert_eq!(fast, plain);
                prop_assert!(fast_image == plain_image, "the bytes differ, {:?}", mode);
            }
            (fast, plain) => prop_assert_eq!(fast.map(|_| ()), plain.map(|_| ())),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_few_names_again_and_again(
        items in prop::collection::vec(item(), 20..200),
        per_page in prop_oneof![1..6usize, 40..41usize],
        last in last_state(),
        encrypted in prop::bool::weighted(0.2),
    ) {
        same_with_and_without_shortcuts(&image(&items, per_page, last), encrypted)?;
    }

    #[test]
    fn of_a_damaged_image(
        items in prop::collection::vec(item(), 0..60),
        per_page in 10..41usize,
        last in last_state(),
        damage in damage(),
        encrypted in prop::bool::weighted(0.2),
    ) {
        let mut image = image(&items, per_page, last);
        apply(&mut image, &damage);
        same_with_and_without_shortcuts(&image, encrypted)?;
    }

    #[test]
    fn of_names_that_differ(
        items in distinct_items(), per_page in 20..41usize, last in last_state(), damage in damage(),
    ) {
        let name = (Entry::namespace(&Namespace::new("one").unwrap(), 1), Vec::new());
        let all: Vec<_> = core::iter::once(&name).chain(&items).collect();
        let mut image = image_of(&all, per_page, last);
        same_with_and_without_shortcuts(&image, false)?;
        apply(&mut image, &damage);
        same_with_and_without_shortcuts(&image, false)?;
    }

    #[test]
    fn of_a_damaged_image_of_the_firmware(which in any::<prop::sample::Index>(), damage in damage()) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage/reference/golden");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|kind| kind == "bin"));
        files.sort();
        let mut image = std::fs::read(which.get(&files)).unwrap();
        if !image.len().is_multiple_of(PAGE_SIZE) {
            return Ok(());
        }
        same_with_and_without_shortcuts(&image, false)?;
        apply(&mut image, &damage);
        same_with_and_without_shortcuts(&image, false)?;
    }
}
