//! What is written and read: the 8 provisioning strings, in a partition of 24 KiB.

use esp_nvs::Nvs;
use esp_nvs::mem_flash::MemFlash;
use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::layout::Version;
use fleetmint_nvs::{Key, Namespace};

pub(crate) const SIZE: usize = 0x6000;
pub(crate) const NAMESPACE: &str = "prov";
pub(crate) const STRINGS: [(&str, &str); 8] = [
    ("device_key", "k3v9x0qa"),
    ("client_id", "iotdevice-tempsensor-k3v9x0qa"),
    ("client_secret", "gq2s9cT1xWmZ0bYpLr7uHn4eVd8aKf3oJi6tQw5yEsA"),
    (
        "token_url",
        "https://auth.example.com/realms/iot/protocol/openid-connect/token",
    ),
    ("base_url", "https://fleet.example.com/api"),
    ("mqtt_url", "mqtts://mqtt.example.com:8883"),
    ("wifi_ssid", "Café Zentral"),
    ("wifi_password", "correct horse battery staple"),
];

pub(crate) fn items() -> Vec<Item<'static>> {
    let namespace = Namespace::new(NAMESPACE).unwrap();
    STRINGS
        .iter()
        .map(|(key, value)| Item::new(namespace, Key::new(key).unwrap(), *value))
        .collect()
}

/// A partition of 24 KiB in use for a while, written by esp-nvs: the provisioning strings, with a secret of 64 bytes, among
/// values of an application that were updated again and again, so that pages are full of erased entries.
pub(crate) fn worn() -> Vec<u8> {
    let mut nvs = Nvs::new(0, SIZE, MemFlash::new(SIZE / 4096)).unwrap();
    let key = esp_nvs::Key::from_str;
    for (name, value) in STRINGS {
        let value = if name == SECRET {
            "s".repeat(64)
        } else {
            value.to_owned()
        };
        nvs.set(&key(NAMESPACE), &key(name), value.as_str()).unwrap();
    }
    for i in 0..40_u32 {
        nvs.set(&key("app"), &key(&format!("const{i}")), i).unwrap();
    }
    // Into the fifth page: all but the spare one have been used, and nothing was moved yet.
    for round in 0..480_u32 {
        nvs.set(&key("app"), &key(&format!("count{}", round % 7)), round)
            .unwrap();
    }
    nvs.into_inner().into_inner()
}

/// A fresh partition of 24 KiB without room for more: the provisioning strings, then numbers and short texts in turn.
pub(crate) fn full() -> Vec<u8> {
    let mut image = vec![0; SIZE];
    let mut writer = image::Writer::new(&mut image, Version::V2).unwrap();
    for item in items() {
        writer.set(&item.namespace, &item.key, item.value).unwrap();
    }
    let app = Namespace::new("app").unwrap();
    for i in 0_u32.. {
        let key = Key::new(format!("key{i}")).unwrap();
        let value = if i % 2 == 0 { i.into() } else { "a short text".into() };
        if writer.set(&app, &key, value).is_err() {
            break;
        }
    }
    writer.finish();
    image
}

pub(crate) const SECRET: &str = "client_secret";
