//! A device's values put into partitions that already hold data.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

use std::fs;
use std::path::Path;

use fleetmint_board::patch::{Error, changed_sectors, patch, steps};
use fleetmint_board::provisioning::{self, Setting, Values};
use fleetmint_board::report::{self, ChangedKey, MaskedKey};
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::entry::{Entry, Number};
use fleetmint_nvs::layout::{BITMAP_OFFSET, ENTRIES_OFFSET, ENTRY_SIZE, PAGE_SIZE, Version};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::storage::{Mode, SliceFlash, Storage, Value, check_key};
use fleetmint_nvs::{Key, Namespace};

const SALT: &[u8] = b"salt";

fn values<'a>() -> Values<'a> {
    Values::default()
        .with(Setting::DeviceKey, Some("abcd1234"))
        .with(Setting::ClientId, Some("iotdevice-m-abcd1234"))
        .with(Setting::ClientSecret, Some("first secret"))
        .with(Setting::TokenUrl, Some("https://id.example/token"))
        .with(Setting::BaseUrl, Some("https://api.example"))
        .with(Setting::WifiSsid, Some("Home"))
}

/// A partition with somebody else's values in it, as the firmware would have written them.
fn in_use(pages: usize, keys: Option<&Keys>) -> Vec<u8> {
    let mut image = vec![0xFF; pages * 0x1000];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, keys.map(Keys::xts)).unwrap();
    let phy = storage.open_namespace(&Namespace::new("phy").unwrap()).unwrap();
    for round in 0..40 {
        let calibration = vec![round; 100];
        storage
            .set_blob(phy, &Key::new("cal_data").unwrap(), &calibration)
            .unwrap();
    }
    storage.commit().unwrap();
    image
}

fn list(image: &[u8], keys: Option<&Keys>) -> Vec<(String, String, Vec<u8>)> {
    let mut copy = image.to_vec();
    let mut storage = Storage::open(SliceFlash::new(&mut copy), Mode::ReadWrite, keys.map(Keys::xts)).unwrap();
    let listed = storage.list().unwrap();
    assert_eq!(storage.repairs().len(), 0, "nothing is left for the firmware to repair");
    let value = |value: Value| match value {
        Value::Str(bytes) | Value::Blob(bytes) => bytes.to_vec(),
        Value::Number(number) => number.to_data().to_vec(),
    };
    let texts = |listed: fleetmint_nvs::storage::Listed| {
        (
            listed.namespace.as_str().unwrap().to_owned(),
            listed.key.as_str().unwrap().to_owned(),
            value(listed.value.unwrap()),
        )
    };
    listed.into_iter().map(texts).collect()
}

#[test]
fn values_come_in_and_everything_else_stays() {
    let keys = Keys::from_bytes(std::array::from_fn(|n| n as u8));
    for keys in [None, Some(&keys)] {
        let mut image = in_use(4, keys);
        let before = image.clone();
        let first = patch(&mut image, keys, &values(), SALT, |_| true).unwrap();
        assert_eq!(first.changed_sectors, changed_sectors(&before, &image));
        assert!(first.differences.iter().all(|difference| difference.change == "added"));
        let entries = list(&image, keys);
        assert!(entries.contains(&("phy".into(), "cal_data".into(), vec![39; 100])));
        assert_eq!(entries.len(), 1 + 6);

        // The same again writes nothing.
        let same = image.clone();
        let again = patch(&mut image, keys, &values(), SALT, |_| true).unwrap();
        assert!((again.changed_sectors.is_empty() && again.differences.is_empty()) && image == same);

        let new = values()
            .with(Setting::ClientSecret, Some("second secret"))
            .with(Setting::WifiSsid, None)
            .with(Setting::MqttUrl, Some("mqtts://broker.example"));
        let second = patch(&mut image, keys, &new, SALT, |_| true).unwrap();
        let changes: Vec<_> = second
            .differences
            .iter()
            .map(|difference| (difference.change, difference.name.key.as_deref().unwrap()))
            .collect();
        assert_eq!(
            changes,
            [
                ("changed", "client_secret"),
                ("added", "mqtt_url"),
                ("removed", "wifi_ssid")
            ]
        );
        assert!(!format!("{second:?}").contains("second secret"));
        let entries = list(&image, keys);
        assert!(entries.contains(&("prov".into(), "client_secret".into(), b"second secret".to_vec())));
        assert!(entries.contains(&("phy".into(), "cal_data".into(), vec![39; 100])));
    }
}

#[test]
fn what_cannot_be_patched_says_why() {
    let keys = Keys::from_bytes([7; 64]);
    let encrypted = in_use(3, Some(&keys));
    assert!(check_key(&encrypted, None).is_err());
    let wrong = patch(&mut encrypted.clone(), None, &values(), SALT, |_| true).unwrap_err();
    assert!(
        matches!(wrong, Error::WrongKey(_)) && wrong.to_string().contains("key"),
        "{wrong}"
    );

    let one = patch(&mut [0xFF; 0x1000], None, &values(), SALT, |_| true).unwrap_err();
    assert!(one.to_string().contains("ESP_ERR_NVS_NO_FREE_PAGES"), "{one}");

    let odd = patch(&mut [0xFF; 0x1800], None, &values(), SALT, |_| true).unwrap_err();
    assert!(matches!(odd, Error::Values(provisioning::Error::Image(_))), "{odd}");

    let missing = values().with(Setting::BaseUrl, None);
    let missing = patch(&mut in_use(3, None), None, &missing, SALT, |_| true).unwrap_err();
    assert!(
        matches!(
            missing,
            Error::Values(provisioning::Error::Required {
                setting: Setting::BaseUrl,
                ..
            })
        ),
        "{missing}"
    );

    let long = "x".repeat(3999);
    let full = values()
        .with(Setting::MqttUrl, Some(&long))
        .with(Setting::BaseUrl, Some(&long))
        .with(Setting::TokenUrl, Some(&long));
    let full = patch(&mut in_use(3, None), None, &full, SALT, |_| true).unwrap_err();
    assert!(matches!(full, Error::DoesNotFit { .. }), "{full}");
}

#[test]
fn work_is_counted_and_stops_when_asked() {
    let mut taken = 0;
    patch(&mut in_use(16, None), None, &values(), SALT, |steps| {
        taken += steps;
        true
    })
    .unwrap();
    assert!((100..steps(16 * 0x1000)).contains(&taken), "{taken}");
    for limit in [0, taken / 4, taken / 2, taken - 1] {
        let mut left = limit;
        let stopped = patch(&mut in_use(16, None), None, &values(), SALT, |steps| {
            left = left.saturating_sub(steps);
            left > 0
        });
        assert_eq!(stopped, Err(Error::Stopped));
    }
}

/// The differences as two whole listings give them.
fn of_listings(before: &[u8], after: &[u8]) -> Vec<MaskedKey<'static>> {
    let list = |image: &[u8]| {
        let mut copy = image.to_vec();
        let mut storage = Storage::open(SliceFlash::new(&mut copy), Mode::ReadWrite, None).unwrap();
        storage.list().unwrap()
    };
    let (old, new) = (list(before), list(after));
    let differences = report::masked(&diff(&old, &new), SALT);
    differences.into_iter().map(ChangedKey::into_owned).collect()
}

/// A partition with items whose namespace is gone, two of them with keys of the device's.
fn orphans() -> Vec<u8> {
    let mut image = vec![0xFF; 4 * PAGE_SIZE];
    let mut bitmap = Bitmap::EMPTY;
    let items =
        ["client_id", "other", "wifi_ssid"].map(|name| Entry::number(1, &Key::new(name).unwrap(), Number::U8(7)));
    for (index, item) in items.iter().enumerate() {
        image[ENTRIES_OFFSET + index * ENTRY_SIZE..][..ENTRY_SIZE].copy_from_slice(&item.to_bytes());
        bitmap.set(index, EntryState::Written);
    }
    image[..BITMAP_OFFSET].copy_from_slice(&PageHeader::encode(PageState::Active, 0, Version::V2));
    image[BITMAP_OFFSET..ENTRIES_OFFSET].copy_from_slice(&bitmap.to_bytes());
    image
}

#[test]
fn the_differences_are_those_of_two_listings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleetmint-nvs/tests/storage/reference/patch");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let images = files.filter(|path| path.to_string_lossy().ends_with(".before.bin"));
    let images = images.map(|path| fs::read(path).unwrap()).chain([orphans()]);
    let (mut compared, mut removed) = (0, 0);
    for before in images {
        let mut after = before.clone();
        let Ok(patched) = patch(&mut after, None, &values(), SALT, |_| true) else {
            continue;
        };
        assert_eq!(patched.differences, of_listings(&before, &after));
        compared += 1;
        let is_removed = |difference: &&MaskedKey<'_>| difference.change == "removed";
        removed += patched.differences.iter().filter(is_removed).count();
    }
    assert!(
        compared > 50 && removed >= 3,
        "{compared} images, {removed} keys removed"
    );
}
