//! What a model or a device says in place of the provisioning settings.

use diesel::Queryable;
use fleetmint_board::provisioning::Setting;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::NoRandomness;
use crate::change::Change;
use crate::config::url::{self, MASK, Target};
use crate::secret::Secret;
use crate::violation::Violation;

/// The overrides as they are kept. `None` inherits from the level below; an empty text is this level's own answer.
#[derive(Clone, Default, Queryable)]
pub struct Overrides {
    pub base_url: Option<String>,
    pub token_url: Option<String>,
    /// Without its user name and password: [`MASK`] stands in their place.
    pub mqtt_url: Option<String>,
    /// Sealed, as the next but one; its place is the table, the row's code or key, and [`MQTT_USERINFO`].
    pub mqtt_userinfo: Option<Vec<u8>>,
    pub wifi_ssid: Option<String>,
    /// Its place is the table, the row's code or key, and [`WIFI_PASSWORD`].
    pub wifi_password: Option<Vec<u8>>,
}

/// The column of the sealed password, in both tables.
pub(crate) const WIFI_PASSWORD: &str = "wifi_password";

/// The column of the broker's sealed user name and password, in both tables.
pub(crate) const MQTT_USERINFO: &str = "mqtt_userinfo";

impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides").finish_non_exhaustive()
    }
}

/// The overrides as they are shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Overrides)]
pub(crate) struct Shown {
    /// `null` inherits, an empty text is this level's own answer; so for all.
    #[schema(required)]
    base_url: Option<String>,
    #[schema(required)]
    token_url: Option<String>,
    /// With `***` in place of its user name and password, which are never shown.
    #[schema(required, example = "mqtts://***@broker.example")]
    mqtt_url: Option<String>,
    #[schema(required)]
    wifi_ssid: Option<String>,
    /// Whether there is a `wifi_password` at this level. The password itself is never shown.
    wifi_password_set: bool,
}

impl From<Overrides> for Shown {
    fn from(overrides: Overrides) -> Self {
        Self {
            base_url: overrides.base_url,
            token_url: overrides.token_url,
            mqtt_url: overrides.mqtt_url,
            wifi_ssid: overrides.wifi_ssid,
            wifi_password_set: overrides.wifi_password.is_some(),
        }
    }
}

/// Overrides of the provisioning settings: device over model over settings. Absent keeps (or, in a new one, inherits),
/// `null` inherits, and an empty text is this level's answer: an optional key is left out of the image, and a
/// required one stops provisioning with a 422.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(as = ChangeOverrides)]
#[serde(deny_unknown_fields)]
pub struct ChangeOverrides {
    /// The service that devices talk to: an http or https URL without user name and password, at most 3999 bytes.
    #[schema(value_type = Option<String>, example = "https://api.example")]
    #[serde(default)]
    pub base_url: Change<String>,
    /// Where devices get their tokens: an http or https URL without user name and password, at most 3999 bytes.
    #[schema(value_type = Option<String>, example = "https://id.example/oauth2/token")]
    #[serde(default)]
    pub token_url: Change<String>,
    /// The MQTT broker: an mqtt, mqtts, ws or wss URL, at most 3999 bytes. A user name and password in it are sealed at
    /// rest and shown as `***`; a URL that is sent back as it was shown keeps them.
    #[schema(value_type = Option<String>, example = "mqtts://broker.example")]
    #[serde(default)]
    pub mqtt_url: Change<Secret>,
    /// At most 32 bytes.
    #[schema(value_type = Option<String>, example = "workshop")]
    #[serde(default)]
    pub wifi_ssid: Change<String>,
    /// 8 to 63 bytes of UTF-8, or 64 hexadecimal digits. Write-only: it is sealed at rest and never shown.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    #[serde(default)]
    pub wifi_password: Change<Secret>,
}

impl ChangeOverrides {
    /// From the member `provisioning` of a merge patch: `null` removes every override.
    pub(crate) fn from_member(member: Change<Self>) -> Self {
        match member {
            Change::Keep => Self::default(),
            Change::Set(Some(change)) => change,
            Change::Set(None) => Self {
                base_url: Change::Set(None),
                token_url: Change::Set(None),
                mqtt_url: Change::Set(None),
                wifi_ssid: Change::Set(None),
                wifi_password: Change::Set(None),
            },
        }
    }

    /// What breaks a rule, with pointers below `/provisioning`. `now` is what is to be changed.
    pub(crate) fn check(&self, now: &Overrides, violations: &mut Vec<Violation>) {
        let values = [
            (Setting::BaseUrl, self.base_url.value().map(String::as_str)),
            (Setting::TokenUrl, self.token_url.value().map(String::as_str)),
            (Setting::MqttUrl, self.mqtt_url.value().map(Secret::expose)),
            (Setting::WifiSsid, self.wifi_ssid.value().map(String::as_str)),
            (Setting::WifiPassword, self.wifi_password.value().map(Secret::expose)),
        ];
        for (setting, value) in values {
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                continue;
            };
            let result = setting.check(value).map_err(|error| error.to_string());
            let result = result.and_then(|()| match target(setting) {
                Some(target) => check_url(value, target, now).map_err(|rule| format!("{setting} {rule}")),
                None => Ok(()),
            });
            if let Err(detail) = result {
                violations.push(Violation::new(format!("/provisioning/{setting}"), detail));
            }
        }
    }

    /// The overrides after this change.
    pub(crate) fn apply(
        self,
        now: Overrides,
        seal: impl Fn(&'static str, &str) -> Result<Vec<u8>, NoRandomness>,
    ) -> Result<Overrides, NoRandomness> {
        let (mqtt_url, mqtt_userinfo) = match self.mqtt_url {
            Change::Keep => (now.mqtt_url, now.mqtt_userinfo),
            Change::Set(None) => (None, None),
            Change::Set(Some(url)) => match url::split_userinfo(url.expose()) {
                None => (Some(url.expose().to_owned()), None),
                Some((_, MASK)) => (now.mqtt_url, now.mqtt_userinfo),
                Some((masked, userinfo)) => (Some(masked), Some(seal(MQTT_USERINFO, userinfo)?)),
            },
        };
        Ok(Overrides {
            base_url: self.base_url.apply(now.base_url),
            token_url: self.token_url.apply(now.token_url),
            mqtt_url,
            mqtt_userinfo,
            wifi_ssid: self.wifi_ssid.apply(now.wifi_ssid),
            wifi_password: match self.wifi_password {
                Change::Keep => now.wifi_password,
                Change::Set(None) => None,
                Change::Set(Some(password)) => Some(seal(WIFI_PASSWORD, password.expose())?),
            },
        })
    }
}

/// What the URL of a setting leads to; `None` for what is no URL.
pub(crate) const fn target(setting: Setting) -> Option<Target> {
    match setting {
        Setting::BaseUrl | Setting::TokenUrl => Some(Target::Web),
        Setting::MqttUrl => Some(Target::Broker),
        _ => None,
    }
}

fn check_url(value: &str, target: Target, now: &Overrides) -> Result<(), String> {
    url::check(value, target)?;
    match url::split_userinfo(value) {
        // As it was shown: what the mask stands for is kept, and goes to no other broker.
        Some((masked, MASK)) if now.mqtt_userinfo.is_none() || now.mqtt_url.as_ref() != Some(&masked) => Err(format!(
            "must not have {MASK} in place of a user name and password, unless it is the URL as it was shown"
        )),
        _ => Ok(()),
    }
}
