//! Reading: the 8 provisioning strings back out of their image, and all that a worn image lists.

use crate::contest::Contest;
use crate::floor;
use crate::provisioning::{NAMESPACE, SIZE, STRINGS, full, items, worn};
use esp_nvs::mem_flash::MemFlash;
use esp_nvs::{ItemType, Nvs};
use esp_nvs_partition_tool::NvsPartition;
use fleetmint_nvs::image::{self, DecodedValue};
use fleetmint_nvs::storage::{Mode, ReadOnlySlice, Storage, Value};
use std::hint::black_box;

pub(crate) fn measure() {
    let image = image::encode(&items(), SIZE).unwrap();
    let headers: Vec<usize> = floor::pages(&image).collect();
    let entries = floor::items(&image);
    let size: usize = STRINGS.iter().map(|(_, value)| 16 + value.len()).sum();
    let (mut out, mut fresh_out, mut floor_out) = (vec![0; SIZE], vec![0; SIZE], vec![0; SIZE]);
    let mut flash = Some(MemFlash::from_bytes(image.clone()));
    let namespace = esp_nvs::Key::from_str(NAMESPACE);
    let keys = STRINGS.map(|(key, _)| esp_nvs::Key::from_str(key));
    Contest::new("decode 8 strings from 24 KiB")
        .contender("image_decode", || {
            let mut at = 0;
            for decoded in image::decode(black_box(&image)).unwrap() {
                let decoded = decoded.unwrap();
                let DecodedValue::Str(text) = decoded.value else {
                    panic!("{decoded:?}")
                };
                fresh_out[at..at + 16].copy_from_slice(decoded.key.field());
                fresh_out[at + 16..at + 16 + text.len()].copy_from_slice(text);
                at += 16 + text.len();
            }
            assert_eq!(black_box(at), size);
        })
        .contender("storage", || {
            let mut storage = Storage::open(ReadOnlySlice::new(black_box(&image)), Mode::ReadOnly, None).unwrap();
            let mut at = 0;
            storage
                .visit(|listed| {
                    let Ok(Value::Str(text)) = listed.value else {
                        panic!("{listed:?}")
                    };
                    out[at..at + 16].copy_from_slice(listed.key.field());
                    out[at + 16..at + 16 + text.len()].copy_from_slice(text);
                    at += 16 + text.len();
                })
                .unwrap();
            assert_eq!(black_box(at), size);
        })
        .contender("storage_list", || {
            let mut storage = Storage::open(ReadOnlySlice::new(black_box(&image)), Mode::ReadOnly, None).unwrap();
            assert_eq!(black_box(storage.list().unwrap()).len(), STRINGS.len());
        })
        .contender("esp_nvs_partition_tool", || {
            black_box(NvsPartition::try_from_bytes(black_box(image.as_slice())).unwrap());
        })
        .contender("esp_nvs", || {
            // The flash goes from run to run, so that nothing is copied.
            let mut nvs = Nvs::new(0, SIZE, flash.take().unwrap()).unwrap();
            for key in &keys {
                black_box(nvs.get::<String>(&namespace, key).unwrap());
            }
            flash = Some(nvs.into_inner());
        })
        .contender("floor", || {
            floor::decode(black_box(&image), &headers, &entries, &mut floor_out);
        })
        .goal("image_decode", "floor", 2.0)
        .goal("image_decode", "esp_nvs_partition_tool", 0.1)
        .goal("storage", "floor", 2.0)
        .goal("storage", "esp_nvs_partition_tool", 0.1)
        .run();

    list("list a worn image of 24 KiB", &worn());
    list("list a full image of 24 KiB", &full());
}

/// All values of an image, each looked at and dropped; `storage_list` keeps them.
fn list(name: &'static str, image: &[u8]) {
    let mut flash = Some(MemFlash::from_bytes(image.to_vec()));
    let count = Storage::open(ReadOnlySlice::new(image), Mode::ReadOnly, None)
        .unwrap()
        .list()
        .unwrap()
        .len();
    Contest::new(name)
        .contender("storage", || {
            let mut storage = Storage::open(ReadOnlySlice::new(black_box(image)), Mode::ReadOnly, None).unwrap();
            let mut seen = 0;
            storage
                .visit(|listed| {
                    black_box(&listed);
                    seen += 1;
                })
                .unwrap();
            assert_eq!(seen, count);
        })
        .contender("storage_list", || {
            let mut storage = Storage::open(ReadOnlySlice::new(black_box(image)), Mode::ReadOnly, None).unwrap();
            assert_eq!(black_box(storage.list().unwrap()).len(), count);
        })
        .contender("esp_nvs", || {
            let mut nvs = Nvs::new(0, SIZE, flash.take().unwrap()).unwrap();
            let entries: Vec<_> = nvs.typed_entries().map(Result::unwrap).collect();
            assert_eq!(entries.len(), count);
            for (namespace, key, item_type) in &entries {
                match item_type {
                    ItemType::Sized => drop(black_box(nvs.get::<String>(namespace, key).unwrap())),
                    _ => {
                        black_box(nvs.get::<u32>(namespace, key).unwrap());
                    }
                }
            }
            flash = Some(nvs.into_inner());
        })
        .goal("storage", "esp_nvs", 0.1)
        .run();
}
