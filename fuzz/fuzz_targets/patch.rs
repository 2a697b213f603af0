//! A random image from a random history, then random changes as a list: after each change the storage has the same
//! values as a plain map, a change that fails changes nothing, and a restart finds the same with nothing to repair.
//!
//! Or any bytes as the image, then random changes of its values: whatever it contains, the work is bounded by its size.
//!
//! ```text
//!   mode, 1 byte │ history │ changes
//!   0xFE │ length of the changes, 1 byte │ changes │ image, as the image targets have it
//! ```
//!
//! One failure leaves its mark, in the firmware itself: a blob that does not fit. What was written of it is taken back
//! from the pages that it was written to, although garbage collection may have moved it, and by chunk numbers from 0,
//! although it may have begun at 0x80. So chunks may lie about until the next start, and an old blob may be lost. The
//! key is left out then, and nothing follows. Nothing is then written behind what garbage collection moved either, and
//! the next start takes two chunks of one blob there for duplicates: exactly those blobs are gone.
#![no_main]

use std::collections::BTreeMap;

use fleetmint_fuzz::history::{Change, Changes, Map};
use fleetmint_fuzz::{image, mutate, steps};
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::csv;
use fleetmint_nvs::key::Key;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Flash, Listed, Metered, Mode, PatchFault, ReadOnlySlice, SliceFlash, Storage, Value};
use fleetmint_nvs::{Error, EspError, RawName};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use lost::loses_blob;

#[path = "../../crates/fleetmint-nvs/tests/storage/lost.rs"]
mod lost;

/// The first byte of an input with an image.
const IMAGE: u8 = 0xFE;

/// The offset of the image in such an input.
fn image_offset(data: &[u8]) -> Option<usize> {
    let [IMAGE, length, rest @ ..] = data else { return None };
    let length = usize::from(*length);
    (length <= rest.len()).then_some(2 + length)
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match image_offset(&data[..size]) {
        Some(at) if !seed.is_multiple_of(4) => at + mutate::input(&mut data[at..], size - at, max_size - at, seed),
        Some(at) => {
            // The changes keep their length, so that the image keeps its offset.
            let changes = at - 2;
            let mutated = fuzzer_mutate(&mut data[2..at], changes, changes);
            data[2 + mutated..at].fill(0);
            size
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});

// The mode: 3 to 6 pages, encrypted or not, and how much of the rest is history.
fuzz_target!(|data: &[u8]| {
    if let Some(at) = image_offset(data) {
        if let Some((image, cipher)) = image::of(&data[at..]) {
            patch_image(image, cipher, &data[2..at]);
        }
        return;
    }
    let Some((&mode, rest)) = data.split_first() else {
        return;
    };
    let mut image = vec![0xFF; (usize::from(mode) % 4 + 3) * PAGE_SIZE];
    let cipher = (mode & 4 != 0).then(|| Xts::new(&[0x11; 32], &[0x22; 32]));
    let (before, changes) = rest.split_at(rest.len() * usize::from(mode >> 3) / 32);
    let mut map = Map::new();

    let end = call(&mut image, cipher.clone(), before, &mut map);
    restart(&mut image, cipher.clone(), &mut map, &end);
    if end.half_written.is_none() {
        let end = patch(&mut image, cipher.clone(), changes, &mut map);
        restart(&mut image, cipher, &mut map, &end);
    }
});

/// How a series of changes ended.
#[derive(Default)]
struct End {
    /// There was no room for a change.
    failed: bool,
    /// It was this blob, of which parts may be left until the next start.
    half_written: Option<(String, String)>,
    /// The blob's old value may be lost.
    lost: bool,
}

impl End {
    fn after_failure(change: &Change, map: &Map) -> Self {
        let half_written = match change {
            Change::Set(namespace, key, csv::Value::Blob(_)) => Some((namespace.clone(), key.clone())),
            _ => None,
        };
        let old = half_written.as_ref().and_then(|name| map.get(name));
        Self {
            failed: true,
            lost: matches!(old, Some(csv::Value::Blob(_))),
            half_written,
        }
    }
}

/// The history, call by call.
fn call(image: &mut [u8], cipher: Option<Xts>, history: &[u8], map: &mut Map) -> End {
    // All values are listed after each call, and each of these is a piece of work of its own.
    let meter = steps::meter(image.len() * (history.len() + 1));
    let flash = Metered::new(SliceFlash::new(image), meter);
    let mut storage = Storage::open(flash, Mode::ReadWrite, cipher).expect("a blank partition");
    let mut end = End::default();
    for change in Changes(history) {
        match make(&mut storage, &change) {
            Ok(()) => change.apply(map),
            Err(error) => {
                assert!(is_full(&error), "{change:?}: {error}");
                end = End::after_failure(&change, map);
            }
        }
        compare(&mut storage, map, end.half_written.as_ref());
        if end.half_written.is_some() {
            break;
        }
    }
    end
}

fn make<F: Flash>(storage: &mut Storage<F>, change: &Change) -> Result<(), Error> {
    let namespace = storage.open_namespace(&change.namespace())?;
    let name = |key: &str| Key::new(key).expect("a short name");
    match change {
        Change::Set(_, key, csv::Value::Number(number)) => storage.set_number(namespace, &name(key), *number),
        Change::Set(_, key, csv::Value::Str(text)) => storage.set_str(namespace, &name(key), text),
        Change::Set(_, key, csv::Value::Blob(blob)) => storage.set_blob(namespace, &name(key), blob),
        Change::Erase(_, key) => match storage.erase_key(namespace, &name(key)) {
            Err(Error::NotFound { .. }) => Ok(()),
            done => done,
        },
        Change::EraseAll(_) => storage.erase_all(namespace),
    }
}

/// The changes as one list, which ends at the first row that fails.
fn patch(image: &mut [u8], cipher: Option<Xts>, changes: &[u8], map: &mut Map) -> End {
    let changes: Vec<Change> = Changes(changes).collect();
    // A list without rows is an error.
    if changes.is_empty() {
        return End::default();
    }
    let rows: String = changes.iter().map(Change::rows).collect();
    let rows =
        csv::read_changes(format!("key,type,encoding,value\n{rows}").as_bytes()).expect("a list that was written");
    let meter = steps::meter(image.len() * (rows.len() + 1));
    let flash = Metered::new(SliceFlash::new(image), meter);
    let mut storage = Storage::open(flash, Mode::ReadWrite, cipher).expect("opened before");
    let end = match storage.patch(&rows, |_| Err::<Vec<u8>, _>("no files here")) {
        Ok(patched) => {
            assert_eq!(patched.rows, rows.len());
            changes.iter().for_each(|change| change.apply(map));
            End::default()
        }
        Err(error) => {
            assert!(
                matches!(&error.cause, PatchFault::Call(error) if is_full(error)),
                "{error}"
            );
            // Two rows for each change.
            let made = (error.row - 1) / 2;
            changes[..made].iter().for_each(|change| change.apply(map));
            End::after_failure(&changes[made], map)
        }
    };
    compare(&mut storage, map, end.half_written.as_ref());
    end
}

/// The changes as one list, of the namespaces and keys that the image has.
fn patch_image(mut image: Vec<u8>, cipher: Option<Xts>, changes: &[u8]) {
    let names = names(&image, cipher.clone());
    let changes: Vec<Change> = Changes(changes).map(|change| change.of(&names)).collect();
    if changes.is_empty() {
        return;
    }
    let rows: String = changes.iter().map(Change::rows).collect();
    let rows =
        csv::read_changes(format!("key,type,encoding,value\n{rows}").as_bytes()).expect("a list that was written");
    // The start and the list of values are work, too.
    let meter = steps::meter(image.len() * (rows.len() + 2));
    let flash = Metered::new(SliceFlash::new(&mut image), meter);
    let Ok(mut storage) = Storage::open_as_firmware(flash, Mode::ReadWrite, cipher.clone()) else {
        return;
    };
    // For a damaged partition only the amount of work is known.
    if let Ok(patched) = storage.patch(&rows, |_| Err::<Vec<u8>, _>("no files here")) {
        assert_eq!(patched.rows, rows.len());
    }
    storage.list().expect("a slice can be read");
    drop(storage);
    let flash = Metered::new(ReadOnlySlice::new(&image), steps::meter(image.len() * 2));
    if let Ok(mut storage) = Storage::open_as_firmware(flash, Mode::ReadOnly, cipher) {
        storage.list().expect("a slice can be read");
    }
}

/// Namespace and key of the values in an image that a list of changes can name, some of them.
fn names(image: &[u8], cipher: Option<Xts>) -> Vec<(String, String)> {
    const MOST: usize = 64;
    let flash = Metered::new(ReadOnlySlice::new(image), steps::meter(image.len() * 2));
    let Ok(mut storage) = Storage::open_as_firmware(flash, Mode::ReadOnly, cipher) else {
        return Vec::new();
    };
    let listed = storage.list().expect("a slice can be read");
    let plain = |name: &RawName| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let bytes = name.as_bytes();
        (!bytes.is_empty() && bytes.iter().all(|byte| is_plain(*byte))).then(|| name.to_string_lossy().to_string())
    };
    let key = |one: &Listed| plain(&one.key).unwrap_or_else(|| "key0".to_owned());
    let names = listed.iter().filter_map(|one| Some((plain(&one.namespace)?, key(one))));
    names.take(MOST).collect()
}

fn restart(image: &mut [u8], cipher: Option<Xts>, map: &mut Map, end: &End) {
    let before = image.to_vec();
    let mut storage = Storage::open(SliceFlash::new(image), Mode::ReadWrite, cipher.clone()).expect("opened before");
    if end.failed {
        let namespaces: BTreeMap<String, u8> = storage
            .namespaces()
            .map(|(name, index)| (name.to_string_lossy().to_string(), index))
            .collect();
        map.retain(|(namespace, key), _| {
            let name = Key::new(key).expect("a short name").raw();
            !loses_blob(&before, cipher.as_ref(), namespaces[namespace], name)
        });
    }
    compare(&mut storage, map, end.half_written.as_ref().filter(|_| end.lost));
    drop(storage);
    // A call that failed half-way may leave chunks of a blob without an index.
    assert!(end.failed || image == before, "there was something to repair");
}

fn compare<F: Flash>(storage: &mut Storage<F>, map: &Map, without: Option<&(String, String)>) {
    let mut listed = BTreeMap::new();
    for one in storage.list().expect("a slice can be read") {
        let name = (
            one.namespace.to_string_lossy().to_string(),
            one.key.to_string_lossy().to_string(),
        );
        if without == Some(&name) {
            continue;
        }
        assert!(!one.orphan && !one.repeat && one.iterated, "{one:?}");
        let value = match one.value.expect("no value is damaged") {
            Value::Number(number) => csv::Value::Number(number),
            Value::Str(text) => csv::Value::Str(String::from_utf8(text.to_vec()).expect("the text that was set")),
            Value::Blob(blob) => csv::Value::Blob(blob.to_vec()),
        };
        listed.insert(name, value);
    }
    let mut expected = map.clone();
    expected.retain(|name, _| without != Some(name));
    assert_eq!(listed, expected);
}

/// The only error that a call may have: no room.
fn is_full(error: &Error) -> bool {
    matches!(error.esp(), Some(EspError::NotEnoughSpace | EspError::ValueTooLong))
}
