//! What a provisioned device finds in its NVS partition: the namespace `prov` with these strings, in this order.
//!
//! | Key             |          | What it holds                                                              |
//! |-----------------|----------|----------------------------------------------------------------------------|
//! | `device_key`    | required | the device's own name: a letter and 7 of `[a-z0-9]`                         |
//! | `client_id`     | required | its OAuth2 client                                                          |
//! | `client_secret` | required | that client's secret                                                       |
//! | `token_url`     | required | where it gets its token (client-credentials grant)                         |
//! | `base_url`      | required | the service that it talks to                                               |
//! | `mqtt_url`      | optional | the MQTT broker                                                            |
//! | `wifi_ssid`     | optional | the network: at most 32 bytes (IEEE 802.11)                                |
//! | `wifi_password` | optional | 8 to 63 bytes of UTF-8, or the key itself as 64 hex digits (WPA2/WPA3-PSK) |
//!
//! An optional value that is not set, or empty, has no key in the image: firmware tells the two apart by
//! `ESP_ERR_NVS_NOT_FOUND`, never by an empty string. Every value is a C string of at most 4000 bytes with its NUL.

use std::fmt;

use fleetmint_nvs::image::Writer;
use fleetmint_nvs::layout::{STRING_MAX, Version};
use fleetmint_nvs::{Key, Namespace};

/// The namespace that holds the values.
pub const NAMESPACE: &str = "prov";

/// The longest value in bytes, without the NUL that ends it in the image.
pub const VALUE_MAX: usize = STRING_MAX - 1;

/// The longest network name in bytes.
pub const WIFI_SSID_MAX: usize = 32;

/// The shortest Wi-Fi passphrase in bytes.
pub const WIFI_PASSWORD_MIN: usize = 8;

/// The longest Wi-Fi passphrase in bytes.
pub const WIFI_PASSWORD_MAX: usize = 63;

/// The digits of a Wi-Fi key that is given in hexadecimal instead of a passphrase.
pub const WIFI_KEY_DIGITS: usize = 64;

/// Whether an image can have this size in bytes: a multiple of 4096 from 4096 to 16 MiB.
///
/// # Errors
/// [`Error::Image`].
pub fn check_partition_size(size: usize) -> Result<(), Error> {
    fleetmint_nvs::image::check_size(size).map_err(Error::Image)
}

/// One value of the namespace.
///
/// Everything that is known about a setting is in [`Setting::facts`]; the server takes its keys, columns, JSON members
/// and rules from there. A new setting touches three files:
///
/// 1. this one: a variant, its places in [`Setting::ALL`] and [`Setting::OVERRIDABLE`], and its facts (and a line in the
///    table above);
/// 2. the server's `database/schema.rs`: its column in `device_models`, in `devices` and in `overrides_columns!`;
/// 3. a migration that adds the column to both tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setting {
    DeviceKey,
    ClientId,
    ClientSecret,
    TokenUrl,
    BaseUrl,
    MqttUrl,
    WifiSsid,
    WifiPassword,
}

/// What kind of value a setting has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Created for the device; nobody sets it.
    Identity,
    /// An http or https URL without user name and password.
    WebUrl,
    /// An mqtt, mqtts, ws or wss URL. A user name and password in it are secret.
    BrokerUrl,
    /// A text that may be shown.
    Text {
        /// Its longest length in bytes.
        max: usize,
    },
    /// A text that is never shown.
    Secret {
        /// Its rule in words.
        rule: &'static str,
        /// Its rule as a regular expression that also takes the empty text. It counts characters where the rule counts
        /// bytes.
        pattern: &'static str,
    },
}

/// What is known about a setting.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The key in the image, and the setting's name everywhere else.
    pub key: &'static str,
    /// Whether no image is made without it.
    pub is_required: bool,
    pub kind: Kind,
    /// What it is, as the start of a sentence.
    pub about: &'static str,
    pub example: Option<&'static str>,
}

impl Setting {
    /// All of them, in the order of the image.
    pub const ALL: [Self; 8] = [
        Self::DeviceKey,
        Self::ClientId,
        Self::ClientSecret,
        Self::TokenUrl,
        Self::BaseUrl,
        Self::MqttUrl,
        Self::WifiSsid,
        Self::WifiPassword,
    ];

    /// Those that the settings give and that models and devices override, in the order in which they are listed.
    pub const OVERRIDABLE: [Self; 5] = [
        Self::BaseUrl,
        Self::TokenUrl,
        Self::MqttUrl,
        Self::WifiSsid,
        Self::WifiPassword,
    ];

    /// What is known about it.
    #[must_use]
    pub const fn facts(self) -> Facts {
        match self {
            Self::DeviceKey => Facts::identity("device_key", "The device's own name"),
            Self::ClientId => Facts::identity("client_id", "The device's OAuth2 client"),
            Self::ClientSecret => Facts::identity("client_secret", "The client's secret"),
            Self::TokenUrl => Facts {
                key: "token_url",
                is_required: true,
                kind: Kind::WebUrl,
                about: "Where devices get their tokens",
                example: Some("https://id.example/oauth2/token"),
            },
            Self::BaseUrl => Facts {
                key: "base_url",
                is_required: true,
                kind: Kind::WebUrl,
                about: "The service that devices talk to",
                example: Some("https://api.example"),
            },
            Self::MqttUrl => Facts {
                key: "mqtt_url",
                is_required: false,
                kind: Kind::BrokerUrl,
                about: "The MQTT broker",
                example: Some("mqtts://broker.example"),
            },
            Self::WifiSsid => Facts {
                key: "wifi_ssid",
                is_required: false,
                kind: Kind::Text { max: WIFI_SSID_MAX },
                about: "The Wi-Fi network",
                example: Some("workshop"),
            },
            Self::WifiPassword => Facts {
                key: "wifi_password",
                is_required: false,
                kind: Kind::Secret {
                    rule: "8 to 63 bytes of UTF-8, or 64 hexadecimal digits",
                    pattern: r"^(?:[^\u0000]{8,63}|[0-9A-Fa-f]{64})?$",
                },
                about: "The Wi-Fi network's password",
                example: None,
            },
        }
    }

    /// The key in the image.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.facts().key
    }

    /// Whether no image is made without it.
    #[must_use]
    pub const fn is_required(self) -> bool {
        self.facts().is_required
    }

    /// Checks a value of this setting: its length, its characters, and for Wi-Fi the radio's own rules. An empty value
    /// passes; whether one may be empty is checked by [`Values::encode_into`]. Whether a URL is one is not checked.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::HasNul`], [`Error::OverLimit`], [`Error::WifiPassword`].
    pub fn check(self, value: &str) -> Result<(), Error> {
        if value.len() > VALUE_MAX {
            return Err(Error::TooLong {
                setting: self,
                size: value.len() + 1,
                limit: STRING_MAX,
            });
        }
        if let Some(offset) = value.bytes().position(|byte| byte == 0) {
            return Err(Error::HasNul { setting: self, offset });
        }
        match (self, self.facts().kind) {
            (Self::WifiPassword, _) if !is_wifi_password(value) => Err(Error::WifiPassword { size: value.len() }),
            (_, Kind::Text { max }) if value.len() > max => Err(Error::OverLimit {
                setting: self,
                size: value.len(),
                limit: max,
            }),
            _ => Ok(()),
        }
    }
}

impl Facts {
    const fn identity(key: &'static str, about: &'static str) -> Self {
        Self {
            key,
            is_required: true,
            kind: Kind::Identity,
            about,
            example: None,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

fn is_wifi_password(value: &str) -> bool {
    match value.len() {
        0 | WIFI_PASSWORD_MIN..=WIFI_PASSWORD_MAX => true,
        WIFI_KEY_DIGITS => value.bytes().all(|byte| byte.is_ascii_hexdigit()),
        _ => false,
    }
}

/// Why a board cannot be given these values. No variant carries a value, because some are secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{setting} is required and {missing}")]
    Required { setting: Setting, missing: Missing },
    #[error("{setting} takes {size} bytes with its NUL, at most {limit} are allowed")]
    TooLong {
        setting: Setting,
        size: usize,
        limit: usize,
    },
    #[error("{setting} holds a NUL byte at offset {offset}, which would end it there")]
    HasNul { setting: Setting, offset: usize },
    #[error("{setting} has {size} bytes, at most {limit} are allowed")]
    OverLimit {
        setting: Setting,
        size: usize,
        limit: usize,
    },
    #[error(
        "wifi_password has {size} bytes: it must be {WIFI_PASSWORD_MIN} to {WIFI_PASSWORD_MAX} bytes of UTF-8, \
         or {WIFI_KEY_DIGITS} hexadecimal digits"
    )]
    WifiPassword { size: usize },
    #[error(
        "{setting} does not fit into a partition of {partition_size} bytes: it needs {needed} entries of 32 bytes, \
         {free} are free"
    )]
    DoesNotFit {
        setting: Setting,
        partition_size: usize,
        needed: usize,
        free: usize,
    },
    #[error("{0}")]
    Image(fleetmint_nvs::Error),
}

impl Error {
    /// The setting whose value is wrong, if it is one.
    #[must_use]
    pub const fn setting(&self) -> Option<Setting> {
        match self {
            Self::Required { setting, .. }
            | Self::TooLong { setting, .. }
            | Self::HasNul { setting, .. }
            | Self::OverLimit { setting, .. }
            | Self::DoesNotFit { setting, .. } => Some(*setting),
            Self::WifiPassword { .. } => Some(Setting::WifiPassword),
            Self::Image(_) => None,
        }
    }
}

/// How a required value is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Absent,
    Empty,
    Blank,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "not set",
            Self::Empty => "empty",
            Self::Blank => "blank",
        })
    }
}

/// One `T` for each setting. `Debug` shows none of them: some are secret.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct BySetting<T>([T; Setting::ALL.len()]);

impl<T> fmt::Debug for BySetting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BySetting").finish_non_exhaustive()
    }
}

impl<T> BySetting<T> {
    /// Each setting's value from a function.
    pub fn from_fn(value: impl FnMut(Setting) -> T) -> Self {
        Self(Setting::ALL.map(value))
    }

    pub const fn get(&self, setting: Setting) -> &T {
        #[expect(
            clippy::indexing_slicing,
            reason = "there is a place for each setting: see the assertion below"
        )]
        &self.0[setting as usize]
    }

    pub const fn get_mut(&mut self, setting: Setting) -> &mut T {
        #[expect(clippy::indexing_slicing, reason = "as in get")]
        &mut self.0[setting as usize]
    }
}

// The order of `ALL` is that of the variants, which `BySetting` relies on.
const _: () = {
    let (mut rest, mut place) = (Setting::ALL.as_slice(), 0);
    while let [setting, after @ ..] = rest {
        assert!(*setting as usize == place);
        (rest, place) = (after, place + 1);
    }
};

/// What one device is given. `Debug` shows no value.
#[derive(Clone, Copy, Default)]
pub struct Values<'a>(BySetting<Option<&'a str>>);

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(Setting::ALL.iter().filter(|setting| self.get(**setting).is_some()))
            .finish()
    }
}

impl<'a> From<BySetting<Option<&'a str>>> for Values<'a> {
    fn from(values: BySetting<Option<&'a str>>) -> Self {
        Self(values)
    }
}

/// Each setting with its value in the image, in the image's order; `None` for an optional setting that the image does
/// not have.
pub type Checked<'a> = [(Setting, Option<&'a str>); Setting::ALL.len()];

impl<'a> Values<'a> {
    /// These values with another one for a setting.
    #[must_use]
    pub const fn with(mut self, setting: Setting, value: Option<&'a str>) -> Self {
        *self.0.get_mut(setting) = value;
        self
    }

    const fn get(&self, setting: Setting) -> Option<&'a str> {
        *self.0.get(setting)
    }

    /// The value that goes into the image; `None` for an optional value that is left out.
    fn checked(&self, setting: Setting) -> Result<Option<&'a str>, Error> {
        let missing = match self.get(setting) {
            None => Missing::Absent,
            Some("") => Missing::Empty,
            Some(value) if setting.is_required() && value.trim().is_empty() => Missing::Blank,
            Some(value) => return setting.check(value).map(|()| Some(value)),
        };
        if setting.is_required() {
            Err(Error::Required { setting, missing })
        } else {
            Ok(None)
        }
    }

    /// All values in the order of the image, as [`Values::encode_into`] writes them.
    ///
    /// # Errors
    /// A required value is missing ([`Error::Required`]), or one breaks a rule (those of [`Setting::check`]).
    pub fn checked_all(&self) -> Result<Checked<'a>, Error> {
        let mut values = Setting::ALL.map(|setting| (setting, None));
        for (setting, value) in &mut values {
            *value = self.checked(*setting)?;
        }
        Ok(values)
    }

    /// Writes the image over `image`, whose length is the partition's size in bytes: a multiple of 4096 from 4096 to 16
    /// MiB. Unused bytes are 0xFF. From 0x3000 on one page stays free, as the firmware needs for writing. Allocates
    /// nothing. After an error the content of `image` is unspecified.
    ///
    /// # Errors
    /// A required value is missing ([`Error::Required`]), one breaks a rule (those of [`Setting::check`]), the
    /// partition is too small ([`Error::DoesNotFit`]) or has no possible size ([`Error::Image`]).
    pub fn encode_into(&self, image: &mut [u8]) -> Result<(), Error> {
        let partition_size = image.len();
        let namespace = Namespace::new(NAMESPACE).map_err(Error::Image)?;
        let mut writer = Writer::new(image, Version::V2).map_err(Error::Image)?;
        for (setting, value) in self.checked_all()? {
            let Some(value) = value else { continue };
            let key = Key::new(setting.key()).map_err(Error::Image)?;
            writer
                .set(&namespace, &key, value.into())
                .map_err(|error| match error {
                    fleetmint_nvs::Error::NotEnoughSpace { needed, free, .. } => Error::DoesNotFit {
                        setting,
                        partition_size,
                        needed,
                        free,
                    },
                    other => Error::Image(other),
                })?;
        }
        writer.finish();
        Ok(())
    }
}
