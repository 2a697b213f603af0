//! Any bytes as an image: the storage opens it or reports why not, without a panic, and every slot can be shown;
//! read-only it writes nothing; repairs are complete after some starts; a settled image reads the same at each start;
//! and the work is bounded by the image's size.
#![no_main]

use fleetmint_fuzz::{image, mutate, steps};
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::layout::ENTRY_COUNT;
use fleetmint_nvs::storage::{Listed, Metered, Mode, ReadOnlySlice, SliceFlash, Storage, Value, pages, slots};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::input(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let Some((mut image, cipher)) = image::of(data) else {
        return;
    };
    assert_eq!(
        slots(&image, cipher.as_ref()).count(),
        pages(&image).count() * ENTRY_COUNT
    );
    read_only(&image, cipher.clone());
    // The firmware sometimes needs a second start. Each start erases only one of several values with the same name;
    // images of many duplicates, broken blobs and interrupted moves need one start for each of them.
    let starts = pages(&image).count() * (ENTRY_COUNT + 1);
    for _ in 0..starts {
        let before = image.clone();
        if start(&mut image, cipher.clone()).is_none() {
            return;
        }
        if image == before {
            assert_eq!(
                start(&mut image, cipher.clone()),
                start(&mut image, cipher),
                "two starts of a settled image list different values"
            );
            assert_eq!(image, before, "a settled image was changed by another start");
            return;
        }
    }
    panic!("not settled after {starts} starts");
});

/// One start of the firmware that reads everything; `None` if the start fails.
fn start(image: &mut [u8], cipher: Option<Xts>) -> Option<Vec<String>> {
    let meter = steps::meter(image.len());
    let flash = Metered::new(SliceFlash::new(image), meter);
    let mut storage = Storage::open_as_firmware(flash, Mode::ReadWrite, cipher).ok()?;
    let stats = storage.stats();
    assert_eq!(stats.used_entries + stats.free_entries, stats.total_entries);
    assert_eq!(stats.namespace_count, storage.namespaces().count());
    Some(storage.list().expect("a slice can be read").iter().map(shown).collect())
}

/// Everything about a value, a number by its bytes, since a stored float may be NaN.
fn shown(one: &Listed) -> String {
    let bytes = one.value.as_ref().map(|value| match value {
        Value::Number(number) => number.to_data().to_vec(),
        Value::Str(bytes) | Value::Blob(bytes) => bytes.to_vec(),
    });
    format!("{one:?} {bytes:?}")
}

fn read_only(image: &[u8], cipher: Option<Xts>) {
    // Each write to this flash is an error, so a storage that tried would not be able to list.
    let flash = Metered::new(ReadOnlySlice::new(image), steps::meter(image.len()));
    if let Ok(mut storage) = Storage::open_as_firmware(flash, Mode::ReadOnly, cipher) {
        storage.list().expect("read-only, the flash is read alone");
        assert_eq!((storage.ops().writes, storage.ops().erases), (0, 0));
    }
}
