//! One secret of 64 bytes replaced in a worn image of 24 KiB.

use crate::contest::Contest;
use crate::floor;
use crate::provisioning::{NAMESPACE, SECRET, SIZE, worn};
use esp_nvs_partition_tool::{DataValue, EntryContent, NvsPartition};
use fleetmint_nvs::storage::{Mode, SliceFlash, Storage};
use fleetmint_nvs::{Key, Namespace};
use std::hint::black_box;

pub(crate) fn measure() {
    let image = worn();
    let secret = "t".repeat(64);
    let (namespace, key) = (Namespace::new(NAMESPACE).unwrap(), Key::new(SECRET).unwrap());
    let entries = floor::items(&image);
    let (mut patched, mut copy) = (image.clone(), image.clone());
    Contest::new("patch a secret of 64 bytes in a worn image of 24 KiB")
        .contender("storage", || {
            patched.copy_from_slice(black_box(&image));
            let mut storage = Storage::open(SliceFlash::new(&mut patched), Mode::ReadWrite, None).unwrap();
            let prov = storage.open_namespace(&namespace).unwrap();
            storage.set_str(prov, &key, black_box(&secret)).unwrap();
            assert!(storage.repairs().is_empty());
        })
        .contender("esp_nvs_partition_tool", || {
            let mut partition = NvsPartition::try_from_bytes(image.as_slice()).unwrap();
            let entry = partition.find_mut(SECRET).unwrap();
            entry.set_content(EntryContent::Data(DataValue::String(secret.clone())));
            black_box(partition.generate_partition(SIZE).unwrap());
        })
        .contender("floor", || {
            copy.copy_from_slice(black_box(&image));
            for entry in &entries {
                black_box(floor::crc(&copy[entry + 4..entry + 32]));
            }
        })
        .goal("storage", "floor", 2.0)
        .goal("storage", "esp_nvs_partition_tool", 0.1)
        .run();
}
