//! Large partitions, orderly and malicious ones: the work grows with the size, not with its square.
//!
//! The tests count the steps that a flash's meter gets: the entries that were read.

use fleetmint_nvs::check::{self, Options};
use fleetmint_nvs::entry::{Entry, Number};
use fleetmint_nvs::layout::{ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE, Version, entry_offset, page_offset};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::storage::{Flash, Metered, Mode, ReadOnlySlice, SliceFlash, Storage};
use fleetmint_nvs::{Error, Key, Namespace};

/// A partition whose pages are full of these items, except the last page, which is blank.
fn full_of(pages: usize, state: PageState, item: impl FnMut(usize) -> (Entry, Vec<u8>)) -> Vec<u8> {
    let mut image = vec![0xFF; pages * PAGE_SIZE];
    let mut next = (0..).map(item).peekable();
    for page in 0..pages - 1 {
        let mut bitmap = Bitmap::EMPTY;
        let mut index = 0;
        while let Some((head, data)) = next.next_if(|(head, _)| index + usize::from(head.span) <= ENTRY_COUNT) {
            let end = index + usize::from(head.span);
            (index..end).for_each(|entry| bitmap.set(entry, EntryState::Written));
            image[entry_offset(page, index)..][..ENTRY_SIZE].copy_from_slice(&head.to_bytes());
            image[entry_offset(page, index) + ENTRY_SIZE..][..data.len()].copy_from_slice(&data);
            index = end;
        }
        let header = PageHeader::encode(state, page as u32, Version::V2);
        image[page_offset(page)..][..32].copy_from_slice(&header);
        image[page_offset(page) + 32..][..32].copy_from_slice(&bitmap.to_bytes());
    }
    image
}

/// Counts steps, and stops work that takes more than a hundred times the allowed steps, so that the test fails at once.
struct Meter {
    steps: u64,
    most: u64,
}

impl Meter {
    fn of(image: &[u8]) -> Self {
        Self {
            steps: 0,
            most: 100 * bound(image.len()),
        }
    }

    fn count(&mut self, steps: usize) -> bool {
        self.steps += steps as u64;
        self.steps < self.most
    }
}

/// The allowed number of steps for a partition of this size, whatever its content: each entry of a page may be read
/// once for each of the page's items.
fn bound(size: usize) -> u64 {
    let entries = (size / PAGE_SIZE * ENTRY_COUNT) as u64;
    entries * ENTRY_COUNT as u64 * 8
}

/// The operations of the program and the service on an image, each with its steps.
fn work(image: &[u8]) -> [(&'static str, u64); 4] {
    let mut meter = Meter::of(image);
    let read_only = Metered::new(ReadOnlySlice::new(image), |steps| meter.count(steps));
    if let Ok(mut storage) = Storage::open(read_only, Mode::ReadOnly, None) {
        let _ = storage.list();
    }
    let list_read_only = meter.steps;

    let mut meter = Meter::of(image);
    let _ = check::check_with(
        image,
        Options {
            meter: Some(&mut |steps| meter.count(steps)),
            ..Options::default()
        },
    );
    let check = meter.steps;

    let mut copy = image.to_vec();
    let mut meter = Meter::of(image);
    let flash = Metered::new(SliceFlash::new(&mut copy), |steps| meter.count(steps));
    if let Ok(mut storage) = Storage::open(flash, Mode::ReadWrite, None) {
        let _ = storage.list();
    }
    let list = meter.steps;

    let mut copy = image.to_vec();
    let mut meter = Meter::of(image);
    let flash = Metered::new(SliceFlash::new(&mut copy), |steps| meter.count(steps));
    if let Ok(mut storage) = Storage::open(flash, Mode::ReadWrite, None) {
        write(&mut storage);
        let _ = storage.list();
    }
    [
        ("list read-only", list_read_only),
        ("check", check),
        ("list", list),
        ("write and list", meter.steps),
    ]
}

/// Some calls of an application.
fn write<F: Flash>(storage: &mut Storage<F>) {
    for name in ["other", "any"] {
        let Ok(ns) = storage.open_namespace(&Namespace::new(name).unwrap()) else {
            continue;
        };
        for number in 0..8 {
            let _ = storage.set_str(ns, &key(format!("key{number}")), "text");
        }
        let _ = storage.erase_key(ns, &key("same"));
        let _ = storage.set_blob(ns, &key("same"), &[7; 5000]);
        let _ = storage.erase_all(ns);
    }
}

fn key(name: impl AsRef<[u8]>) -> Key {
    Key::new(name).unwrap()
}

fn alone(entry: Entry) -> (Entry, Vec<u8>) {
    (entry, Vec::new())
}

fn name_255() -> (Entry, Vec<u8>) {
    alone(Entry::namespace(&Namespace::new("any").unwrap(), 255))
}

fn string(ns_index: u8, name: &Key) -> (Entry, Vec<u8>) {
    (Entry::string(ns_index, name, b"text\0"), b"text\0".to_vec())
}

/// A string whose data does not fit its checksum: the getter erases it.
fn damaged(ns_index: u8, name: &Key) -> (Entry, Vec<u8>) {
    (Entry::string(ns_index, name, b"text\0"), b"tent\0".to_vec())
}

fn blob(ns_index: u8, name: &Key, chunk: u8, size: usize) -> (Entry, Vec<u8>) {
    let data = vec![7; size];
    (Entry::blob_data(ns_index, name, chunk, &data), data)
}

/// The inverse of the hash that listing once used for a table of names: names that all fall into one place of that
/// table.
fn colliding(number: usize) -> Key {
    const FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;
    let mut inverse = 1u64;
    for _ in 0..6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(FACTOR.wrapping_mul(inverse)));
    }
    let mix = |hash: u64| {
        let hash = hash.wrapping_mul(FACTOR);
        hash ^ hash >> 32
    };
    let word = u64::from_le_bytes(*b"collide!");
    let first = mix(1u64.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ word);
    // The middle 24 bits of the last hash are fixed; the others are tried until the name is valid.
    let tries = (0..u64::MAX).map(|low| {
        let last =
            0x5555_5500_0000_0000u64 & 0x00FF_FFFF_0000_0000 | (number as u64) << 12 | low & 0xFFF | low >> 12 << 56;
        let hash = last.wrapping_mul(inverse);
        let hash = (hash ^ hash >> 32).wrapping_mul(inverse);
        hash ^ first
    });
    let fits = |word: &u64| {
        let [name @ .., last] = word.to_le_bytes();
        last == 0 && !name.contains(&0)
    };
    let second = tries.into_iter().find(fits).unwrap();
    let name = [word.to_le_bytes(), second.to_le_bytes()].concat();
    key(&name[..15])
}

type Items = Box<dyn Fn(usize) -> (Entry, Vec<u8>)>;

fn kinds() -> Vec<(&'static str, PageState, Items)> {
    let same = || key("same");
    let nth = |number: usize| key(format!("k{number}"));
    let full = PageState::Full;
    let kinds: Vec<(&'static str, PageState, Items)> = vec![
        (
            "numbers",
            full,
            Box::new(move |n| alone(Entry::number(1, &nth(n), Number::U32(1)))),
        ),
        (
            "one number again and again",
            full,
            Box::new(move |_| alone(Entry::number(1, &same(), Number::U32(1)))),
        ),
        (
            "one number again and again on open pages",
            PageState::Active,
            Box::new(move |_| alone(Entry::number(1, &same(), Number::U32(1)))),
        ),
        (
            "one key of two types",
            full,
            Box::new(move |n| {
                let number = if n % 64 == 0 { Number::U8(1) } else { Number::U16(1) };
                alone(Entry::number(1, &same(), number))
            }),
        ),
        (
            "the requested type comes last",
            full,
            Box::new(move |n| match n % 126 {
                0 => alone(Entry::number(1, &same(), Number::U8(1))),
                n if n % 2 == 0 => alone(Entry::number(1, &same(), Number::U16(1))),
                _ => alone(Entry::number(1, &same(), Number::U32(1))),
            }),
        ),
        (
            "namespaces",
            full,
            Box::new(|n| alone(Entry::namespace(&Namespace::new(format!("n{n}")).unwrap(), n as u8))),
        ),
        (
            "one namespace again and again",
            full,
            Box::new(move |n| match n % 2 {
                0 => alone(Entry::namespace(&Namespace::new("twice").unwrap(), (n / 2) as u8)),
                _ => string((n / 2) as u8, &nth(n / 512)),
            }),
        ),
        (
            "one blob in namespaces of one name",
            full,
            Box::new(move |n| match n {
                0..254 => alone(Entry::namespace(&Namespace::new("twice").unwrap(), n as u8 + 1)),
                254 => alone(Entry::blob_index(1, &same(), 4000, 1, 0)),
                255 => blob(1, &same(), 0, 4000),
                _ => blob((n % 254) as u8 + 1, &same(), 0, 1),
            }),
        ),
        (
            "indexes without chunks",
            full,
            Box::new(move |n| alone(Entry::blob_index(1, &nth(n), 9, 1, 0))),
        ),
        (
            "one index again and again",
            full,
            Box::new(move |n| alone(Entry::blob_index(1, &same(), 9, 1, if n % 2 == 0 { 0 } else { 0x80 }))),
        ),
        (
            "indexes of every start",
            full,
            Box::new(move |n| alone(Entry::blob_index(1, &same(), 9, 1, n as u8))),
        ),
        (
            "chunks without indexes",
            full,
            Box::new(move |n| blob(1, &nth(n), 0, 0)),
        ),
        (
            "one empty blob again and again",
            full,
            Box::new(move |n| match n % 3 {
                0 => alone(Entry::blob_index(1, &same(), 0, 1, 0)),
                1 => blob(1, &same(), 0, 0),
                _ => alone(Entry::number(1, &same(), Number::U8(1))),
            }),
        ),
        (
            "one blob of many chunks, with its first one again and again",
            full,
            Box::new(move |n| match n {
                0 => alone(Entry::namespace(&Namespace::new("any").unwrap(), 1)),
                1 => alone(Entry::blob_index(2, &same(), 0, 100, 0)),
                2..102 => blob(2, &same(), n as u8 - 2, 0),
                _ => blob(2, &same(), 0, 0),
            }),
        ),
        (
            "two chunks of one number",
            full,
            Box::new(move |n| match n.checked_sub(1).map(|n| (n / 3, n % 3)) {
                None => alone(Entry::namespace(&Namespace::new("any").unwrap(), 1)),
                Some((n, 0)) => alone(Entry::blob_index(1, &nth(n), 2, 2, 0)),
                Some((n, _)) => blob(1, &nth(n), 0, 1),
            }),
        ),
        (
            "two chunks of one number in namespace 255",
            full,
            Box::new(move |n| match n.checked_sub(1).map(|n| (n / 3, n % 3)) {
                None => name_255(),
                Some((n, 0)) => alone(Entry::blob_index(255, &nth(n), 2, 2, 0)),
                Some((n, _)) => blob(255, &nth(n), 0, 1),
            }),
        ),
        (
            "numbers of namespace 255",
            full,
            Box::new(move |n| match n {
                0 => name_255(),
                _ => alone(Entry::number(255, &nth(n), Number::U8(1))),
            }),
        ),
        (
            "one number of namespace 255 again and again",
            full,
            Box::new(move |n| match n {
                0 => name_255(),
                _ => alone(Entry::number(255, &same(), Number::U8(1))),
            }),
        ),
        (
            "namespace 255, the requested type comes last",
            full,
            Box::new(move |n| match n % 126 {
                0 => name_255(),
                1 => alone(Entry::number(n as u8, &same(), Number::U8(1))),
                _ => alone(Entry::number(255, &same(), Number::U16(1))),
            }),
        ),
        (
            "numbers without a namespace of index 255",
            full,
            Box::new(move |n| alone(Entry::number(255, &nth(n), Number::U8(1)))),
        ),
        (
            "blobs without a namespace of index 255",
            full,
            Box::new(move |n| match n % 2 {
                0 => alone(Entry::blob_index(255, &nth(n / 2), 1, 1, 0)),
                _ => blob(255, &nth(n / 2), 0, 1),
            }),
        ),
        (
            "names of one hash",
            full,
            Box::new(move |n| match n {
                0 => alone(Entry::namespace(&Namespace::new("any").unwrap(), 1)),
                _ => alone(Entry::number(1, &colliding(n), Number::U8(1))),
            }),
        ),
        (
            "names of one hash, and a blob",
            full,
            Box::new(move |n| match n {
                0 => alone(Entry::namespace(&Namespace::new("any").unwrap(), 1)),
                1 => alone(Entry::blob_index(1, &same(), 1, 1, 0)),
                2 => blob(1, &same(), 0, 1),
                _ => alone(Entry::number(1, &colliding(n), Number::U8(1))),
            }),
        ),
        (
            "two damaged strings again and again",
            full,
            Box::new(move |n| match n {
                0 => alone(Entry::namespace(&Namespace::new("any").unwrap(), 1)),
                _ => damaged(1, &nth(n % 2)),
            }),
        ),
        (
            "damaged strings before a number of their name",
            full,
            Box::new(move |n| match n {
                0 => alone(Entry::namespace(&Namespace::new("any").unwrap(), 1)),
                _ if n % 3 == 0 => alone(Entry::number(1, &same(), Number::U8(1))),
                _ => damaged(1, &same()),
            }),
        ),
        (
            "damaged strings of namespace 255",
            full,
            Box::new(move |n| match n {
                0 => name_255(),
                _ => damaged(255, &nth(n % 2)),
            }),
        ),
        (
            "damaged strings without a namespace",
            full,
            Box::new(move |n| damaged(9, &nth(n % 2))),
        ),
    ];
    kinds
}

#[test]
fn twice_the_size_takes_at_most_twice_the_steps() {
    for (name, state, item) in &kinds() {
        let [small, large] = [32, 64].map(|pages| full_of(pages, *state, item));
        for ((what, few), (_, many)) in work(&small).into_iter().zip(work(&large)) {
            assert!(
                many < bound(large.len()),
                "{name}: {what} takes {many} steps for {} bytes, {} are allowed",
                large.len(),
                bound(large.len())
            );
            assert!(
                many * 10 < few * 24,
                "{name}: {what} takes {few} steps for {} bytes and {many} for {}",
                small.len(),
                large.len()
            );
        }
    }
}

#[test]
fn a_meter_stops_each_call() {
    let mut image = full_of(2, PageState::Full, |n| {
        alone(Entry::number(1, &key(format!("k{n}")), Number::U32(1)))
    });
    image.extend([0xFF; PAGE_SIZE]);
    let stopped = Storage::open(
        Metered::new(ReadOnlySlice::new(&image), |_| false),
        Mode::ReadOnly,
        None,
    );
    assert_eq!(stopped.err(), Some(Error::Stopped));
    let options = Options {
        meter: Some(&mut |_| false),
        ..Options::default()
    };
    assert_eq!(check::check_with(&image, options).err(), Some(Error::Stopped));

    let go_on = std::cell::Cell::new(true);
    let flash = Metered::new(SliceFlash::new(&mut image), |_| go_on.get());
    let mut storage = Storage::open(flash, Mode::ReadWrite, None).unwrap();
    let ns = storage.open_namespace(&Namespace::new("n").unwrap()).unwrap();
    go_on.set(false);
    assert_eq!(storage.list().err(), Some(Error::Stopped));
    assert_eq!(storage.set_str(ns, &key("k"), "text"), Err(Error::Stopped));
    assert_eq!(storage.erase_key(ns, &key("k0")), Err(Error::Stopped));
    assert_eq!(storage.erase_all(ns), Err(Error::Stopped));
    // A meter that has stopped the work is not called again.
    go_on.set(true);
    assert_eq!(storage.list().err(), Some(Error::Stopped));
}

/// The seeds of the fuzzers of `storage` and `check` are the kinds that once took steps in the square of their size.
/// After a change: UPDATE_EXPECT=1 cargo test -p fleetmint-nvs --test storage large
#[test]
fn the_fuzzers_seeds_are_of_these_kinds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (file, wanted) in [
        ("namespace-255.bin", "numbers of namespace 255"),
        ("names-of-one-hash.bin", "names of one hash"),
        ("two-chunks-of-one-number.bin", "two chunks of one number"),
    ] {
        let kinds = kinds();
        let (_, state, item) = kinds.iter().find(|(name, ..)| *name == wanted).unwrap();
        let image = full_of(4, *state, item);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(file), &image).unwrap();
        }
        assert!(
            std::fs::read(folder.join(file)).unwrap() == image,
            "{file} is another image"
        );
    }
}
