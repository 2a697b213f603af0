//! The rules of the provisioning values, and the image that they become.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use fleetmint_board::provisioning::{Error, Kind, Missing, Setting, VALUE_MAX, Values};
use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::{Key, Namespace};

fn values() -> Values<'static> {
    Values::default()
        .with(Setting::DeviceKey, Some("k1234567"))
        .with(Setting::ClientId, Some("iotdevice-tempsensor-k1234567"))
        .with(
            Setting::ClientSecret,
            Some("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"),
        )
        .with(Setting::TokenUrl, Some("https://id.example/oauth2/token"))
        .with(Setting::BaseUrl, Some("https://api.example"))
        .with(Setting::MqttUrl, Some("mqtts://broker.example"))
        .with(Setting::WifiSsid, Some("Werkstatt-Süd"))
        .with(Setting::WifiPassword, Some("größer als acht"))
}

fn encode(values: &Values<'_>, size: usize) -> Result<Vec<u8>, Error> {
    let mut image = vec![0; size];
    values.encode_into(&mut image).map(|()| image)
}

fn expected(keys: &[(&str, &str)], size: usize) -> Vec<u8> {
    let namespace = Namespace::new("prov").unwrap();
    let items: Vec<Item<'_>> = keys
        .iter()
        .map(|(key, value)| Item::new(namespace, Key::new(key).unwrap(), *value))
        .collect();
    image::encode(&items, size).unwrap()
}

const REQUIRED: [(&str, &str); 5] = [
    ("device_key", "k1234567"),
    ("client_id", "iotdevice-tempsensor-k1234567"),
    ("client_secret", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"),
    ("token_url", "https://id.example/oauth2/token"),
    ("base_url", "https://api.example"),
];
const OPTIONAL: [(&str, &str); 3] = [
    ("mqtt_url", "mqtts://broker.example"),
    ("wifi_ssid", "Werkstatt-Süd"),
    ("wifi_password", "größer als acht"),
];

#[test]
fn the_image_holds_every_value_in_order() {
    for size in [0x1000, 0x6000] {
        assert_eq!(
            encode(&values(), size).unwrap(),
            expected(&[&REQUIRED[..], &OPTIONAL].concat(), size)
        );
    }
}

#[test]
fn an_optional_value_that_is_not_set_or_empty_has_no_key() {
    for absent in 0..OPTIONAL.len() {
        for missing in [None, Some("")] {
            let optional = [Setting::MqttUrl, Setting::WifiSsid, Setting::WifiPassword];
            let values = values().with(optional[absent], missing);
            let mut keys = REQUIRED.to_vec();
            keys.extend(
                OPTIONAL
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| *n != absent)
                    .map(|(_, pair)| *pair),
            );
            assert_eq!(
                encode(&values, 0x1000).unwrap(),
                expected(&keys, 0x1000),
                "{absent} {missing:?}"
            );
        }
    }
}

#[test]
fn each_required_value_is_asked_for_by_name() {
    let required = [
        Setting::DeviceKey,
        Setting::ClientId,
        Setting::ClientSecret,
        Setting::TokenUrl,
        Setting::BaseUrl,
    ];
    for setting in required {
        for (value, missing) in [
            (None, Missing::Absent),
            (Some(""), Missing::Empty),
            (Some(" \t"), Missing::Blank),
        ] {
            let values = values().with(setting, value);
            assert_eq!(encode(&values, 0x1000), Err(Error::Required { setting, missing }));
        }
    }
}

#[test]
fn four_thousand_bytes_with_nul_pass_and_one_more_is_too_long() {
    let longest = "x".repeat(VALUE_MAX);
    let values = values().with(Setting::MqttUrl, Some(&longest));
    assert!(encode(&values, 0x6000).is_ok());
    assert!(matches!(
        encode(&values, 0x1000),
        Err(Error::DoesNotFit {
            setting: Setting::MqttUrl,
            partition_size: 0x1000,
            needed: 126,
            free: 1..126
        })
    ));

    let longer = "x".repeat(VALUE_MAX + 1);
    let values = values.with(Setting::MqttUrl, Some(&longer));
    let too_long = Err(Error::TooLong {
        setting: Setting::MqttUrl,
        size: 4001,
        limit: 4000,
    });
    // Whatever else is wrong with the partition, a value that no partition takes is named first.
    for size in [0x1000, 0x6000] {
        assert_eq!(encode(&values, size), too_long);
    }
}

#[test]
fn wifi_follows_the_rules_of_the_radio() {
    let ssid = |value: &str| Setting::WifiSsid.check(value);
    let over_limit = Err(Error::OverLimit {
        setting: Setting::WifiSsid,
        size: 33,
        limit: 32,
    });
    assert_eq!(ssid(&"x".repeat(32)), Ok(()));
    assert_eq!(ssid(&"ü".repeat(16)), Ok(()));
    assert_eq!(ssid(&"x".repeat(33)), over_limit);
    assert_eq!(ssid(&format!("{}x", "ü".repeat(16))), over_limit);

    let password = |value: &str| Setting::WifiPassword.check(value);
    assert_eq!(password("1234567"), Err(Error::WifiPassword { size: 7 }));
    assert_eq!(password("12345678"), Ok(()));
    assert_eq!(password("ünïcödé"), Ok(()), "eleven bytes");
    assert_eq!(password(&"x".repeat(63)), Ok(()));
    assert_eq!(password(&"a1".repeat(32)), Ok(()));
    assert_eq!(password(&"A1".repeat(32)), Ok(()));
    assert_eq!(password(&"x".repeat(64)), Err(Error::WifiPassword { size: 64 }));
    assert_eq!(password(&"a".repeat(65)), Err(Error::WifiPassword { size: 65 }));
}

#[test]
fn a_nul_would_cut_a_value_short() {
    let cut = Err(Error::HasNul {
        setting: Setting::BaseUrl,
        offset: 8,
    });
    assert_eq!(Setting::BaseUrl.check("https://\0api"), cut);
}

#[test]
fn no_error_and_no_debug_output_shows_a_value() {
    assert_eq!(
        format!("{:?}", values()),
        "{DeviceKey, ClientId, ClientSecret, TokenUrl, BaseUrl, MqttUrl, WifiSsid, WifiPassword}"
    );
    let error = Setting::WifiSsid.check(&"x".repeat(33)).unwrap_err();
    assert_eq!(error.to_string(), "wifi_ssid has 33 bytes, at most 32 are allowed");
    let error = Setting::WifiPassword.check("hunter2").unwrap_err();
    assert_eq!(
        error.to_string(),
        "wifi_password has 7 bytes: it must be 8 to 63 bytes of UTF-8, or 64 hexadecimal digits"
    );
}

#[test]
fn a_setting_that_nobody_is_created_with_can_be_overridden() {
    let mut overridable: Vec<Setting> = Setting::ALL
        .into_iter()
        .filter(|setting| setting.facts().kind != Kind::Identity)
        .collect();
    let mut listed = Setting::OVERRIDABLE.to_vec();
    overridable.sort_by_key(|setting| setting.key());
    listed.sort_by_key(|setting| setting.key());
    assert_eq!(listed, overridable);
}
