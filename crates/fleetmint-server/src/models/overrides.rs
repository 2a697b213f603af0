//! What a model or a device says in place of the provisioning settings.

use diesel::Queryable;
use fleetmint_board::provisioning::Setting;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::NoRandomness;
use crate::change::Change;
use crate::config;
use crate::secret::Secret;
use crate::violation::Violation;

/// The overrides as they are kept. `None` inherits from the level below; an empty text is this level's own answer.
#[derive(Clone, Default, Queryable)]
pub struct Overrides {
    pub base_url: Option<String>,
    pub token_url: Option<String>,
    pub mqtt_url: Option<String>,
    pub wifi_ssid: Option<String>,
    /// Sealed; its place is the table, the row's code or key, and [`WIFI_PASSWORD`].
    pub wifi_password: Option<Vec<u8>>,
}

/// The column of the sealed password, in both tables.
pub(crate) const WIFI_PASSWORD: &str = "wifi_password";

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
    #[schema(required)]
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
    /// The service that devices talk to: at most 3999 bytes.
    #[schema(value_type = Option<String>, example = "https://api.example")]
    #[serde(default)]
    pub base_url: Change<String>,
    /// Where devices get their tokens: at most 3999 bytes.
    #[schema(value_type = Option<String>, example = "https://id.example/oauth2/token")]
    #[serde(default)]
    pub token_url: Change<String>,
    /// The MQTT broker: at most 3999 bytes.
    #[schema(value_type = Option<String>, example = "mqtts://broker.example")]
    #[serde(default)]
    pub mqtt_url: Change<String>,
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

    /// What breaks a rule, with pointers below `/provisioning`.
    pub(crate) fn check(&self, violations: &mut Vec<Violation>) {
        let values = [
            (Setting::BaseUrl, self.base_url.value().map(String::as_str)),
            (Setting::TokenUrl, self.token_url.value().map(String::as_str)),
            (Setting::MqttUrl, self.mqtt_url.value().map(String::as_str)),
            (Setting::WifiSsid, self.wifi_ssid.value().map(String::as_str)),
            (Setting::WifiPassword, self.wifi_password.value().map(Secret::expose)),
        ];
        for (setting, value) in values {
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                continue;
            };
            let is_url = matches!(setting, Setting::BaseUrl | Setting::TokenUrl | Setting::MqttUrl);
            let mut result = setting.check(value).map_err(|error| error.to_string());
            if is_url && result.is_ok() {
                result = config::url::check(value)
                    .map(drop)
                    .map_err(|rule| format!("{setting} {rule}"));
            }
            if let Err(detail) = result {
                violations.push(Violation::new(format!("/provisioning/{setting}"), detail));
            }
        }
    }

    /// The overrides after this change.
    pub(crate) fn apply(
        self,
        now: Overrides,
        seal: impl FnOnce(&str) -> Result<Vec<u8>, NoRandomness>,
    ) -> Result<Overrides, NoRandomness> {
        Ok(Overrides {
            base_url: self.base_url.apply(now.base_url),
            token_url: self.token_url.apply(now.token_url),
            mqtt_url: self.mqtt_url.apply(now.mqtt_url),
            wifi_ssid: self.wifi_ssid.apply(now.wifi_ssid),
            wifi_password: match self.wifi_password {
                Change::Keep => now.wifi_password,
                Change::Set(None) => None,
                Change::Set(Some(password)) => Some(seal(password.expose())?),
            },
        })
    }
}
