//! What is written and read: the 8 provisioning strings, in a partition of 24 KiB.

use fleetmint_nvs::image::Item;
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
