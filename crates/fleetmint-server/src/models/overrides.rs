//! What a model or a device says in place of the provisioning settings.

use std::borrow::Cow;

use diesel::Queryable;
use fleetmint_board::provisioning::{Setting, VALUE_MAX};
use serde::{Deserialize, Serialize};

use utoipa::ToSchema;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};

use crate::change::Change;
use crate::config::url::{self, MASK, Target};
use crate::seal;
use crate::secret::Secret;
use crate::version::Digest;
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

/// What a level says about the Wi-Fi password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PasswordState {
    /// Nothing: the level below decides.
    Unset,
    /// There is none, whatever the level below says.
    Empty,
    /// There is one.
    Set,
}

impl Overrides {
    /// Adds them to the version of what they belong to.
    pub(crate) fn digest(&self, digest: Digest) -> Digest {
        digest
            .optional(self.base_url.as_ref())
            .optional(self.token_url.as_ref())
            .optional(self.mqtt_url.as_ref())
            .optional(self.mqtt_userinfo.as_ref())
            .optional(self.wifi_ssid.as_ref())
            .optional(self.wifi_password.as_ref())
    }

    /// The value of a setting as it is shown.
    fn shown(&self, setting: Setting) -> Option<Cow<'_, str>> {
        let value = match setting {
            Setting::BaseUrl => &self.base_url,
            Setting::TokenUrl => &self.token_url,
            Setting::MqttUrl => &self.mqtt_url,
            Setting::WifiSsid => &self.wifi_ssid,
            _ => return None,
        };
        let value = value.as_deref()?;
        Some(match target(setting) {
            Some(target) => url::shown(value, target),
            None => Cow::Borrowed(value),
        })
    }

    fn password_state(&self) -> PasswordState {
        match &self.wifi_password {
            None => PasswordState::Unset,
            Some(sealed) if sealed.len() == seal::OVERHEAD => PasswordState::Empty,
            Some(_) => PasswordState::Set,
        }
    }
}

/// The overrides as they are shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Overrides)]
pub(crate) struct Shown {
    /// `null` inherits, an empty text is this level's own answer; so for all. In a URL of an earlier version `***` stands
    /// for a user name and password.
    #[schema(required)]
    base_url: Option<String>,
    #[schema(required)]
    token_url: Option<String>,
    /// With `***` in place of its user name and password, which are never shown. A query is shown.
    #[schema(required, example = "mqtts://***@broker.example")]
    mqtt_url: Option<String>,
    #[schema(required)]
    wifi_ssid: Option<String>,
    /// Whether this level says anything about the `wifi_password`. The password itself is never shown.
    wifi_password_set: bool,
    #[schema(schema_with = password_state_schema)]
    wifi_password_state: PasswordState,
}

impl From<Overrides> for Shown {
    fn from(overrides: Overrides) -> Self {
        let shown = |setting| overrides.shown(setting).map(Cow::into_owned);
        Self {
            wifi_password_state: overrides.password_state(),
            base_url: shown(Setting::BaseUrl),
            token_url: shown(Setting::TokenUrl),
            mqtt_url: shown(Setting::MqttUrl),
            wifi_ssid: shown(Setting::WifiSsid),
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
    #[schema(schema_with = base_url_schema)]
    #[serde(default)]
    pub base_url: Change<String>,
    #[schema(schema_with = token_url_schema)]
    #[serde(default)]
    pub token_url: Change<String>,
    #[schema(schema_with = mqtt_url_schema)]
    #[serde(default)]
    pub mqtt_url: Change<Secret>,
    #[schema(schema_with = wifi_ssid_schema)]
    #[serde(default)]
    pub wifi_ssid: Change<String>,
    #[schema(schema_with = wifi_password_schema)]
    #[serde(default)]
    pub wifi_password: Change<Secret>,
    /// Only as it is.
    #[schema(value_type = bool, read_only, required = false)]
    #[serde(default)]
    pub wifi_password_set: Change<bool>,
    #[schema(schema_with = fixed_password_state_schema)]
    #[serde(default)]
    pub wifi_password_state: Change<PasswordState>,
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
                wifi_password_set: Change::Keep,
                wifi_password_state: Change::Keep,
            },
        }
    }

    /// What breaks a rule, with pointers below `/provisioning`. `now` is what is to be changed.
    pub(crate) fn check(&self, now: &Overrides, violations: &mut Vec<Violation>) {
        let (state, set) = (now.password_state(), now.wifi_password.is_some());
        self.wifi_password_set
            .check_fixed("/provisioning/wifi_password_set", &set, violations);
        self.wifi_password_state
            .check_fixed("/provisioning/wifi_password_state", &state, violations);
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
            // What is shown may be sent back, though it has a mask, or an earlier version took what today's rule refuses.
            if now.shown(setting).as_deref() == Some(value) {
                continue;
            }
            let result = setting.check(value).map_err(|error| error.to_string());
            let result = result.and_then(|()| match target(setting) {
                Some(target) => check_url(value, target).map_err(|rule| format!("{setting} {rule}")),
                None => Ok(()),
            });
            if let Err(detail) = result {
                violations.push(Violation::new(format!("/provisioning/{setting}"), detail));
            }
        }
    }

    /// The overrides after this change.
    pub(crate) fn apply(self, now: Overrides, seal: impl Fn(&'static str, &str) -> Vec<u8>) -> Overrides {
        let is_shown = |setting, value: &str| now.shown(setting).as_deref() == Some(value);
        let web = |setting, change: Change<String>| match change {
            Change::Set(Some(url)) if is_shown(setting, &url) => Change::Keep,
            change => change,
        };
        let (base_url, token_url) = (
            web(Setting::BaseUrl, self.base_url),
            web(Setting::TokenUrl, self.token_url),
        );
        let was_empty = now.password_state() == PasswordState::Empty;
        let (mqtt_url, mqtt_userinfo) = match self.mqtt_url {
            Change::Set(Some(url)) if is_shown(Setting::MqttUrl, url.expose()) => (now.mqtt_url, now.mqtt_userinfo),
            Change::Keep => (now.mqtt_url, now.mqtt_userinfo),
            Change::Set(None) => (None, None),
            Change::Set(Some(url)) => match url::split_userinfo(url.expose()) {
                None => (Some(url.expose().to_owned()), None),
                Some((masked, userinfo)) => (Some(masked), Some(seal(MQTT_USERINFO, userinfo))),
            },
        };
        Overrides {
            base_url: base_url.apply(now.base_url),
            token_url: token_url.apply(now.token_url),
            mqtt_url,
            mqtt_userinfo,
            wifi_ssid: self.wifi_ssid.apply(now.wifi_ssid),
            wifi_password: match self.wifi_password {
                Change::Keep => now.wifi_password,
                Change::Set(None) => None,
                Change::Set(Some(password)) if password.expose().is_empty() && was_empty => now.wifi_password,
                // A password that is given is another state, even the same one: nobody is told whether a guess is right.
                Change::Set(Some(password)) => Some(seal(WIFI_PASSWORD, password.expose())),
            },
        }
    }
}

/// A text or `null`, in the document.
fn nullable(description: &str, pattern: impl Into<String>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some(description))
        .pattern(Some(pattern))
}

/// A pattern of an empty text, or of a URL that begins with `start`: it names a host and has no blanks. Hosts whose names
/// are not ASCII have their `xn--` form.
fn url_pattern(start: &str, target: Target) -> String {
    const NAME: &str =
        r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    const BYTE: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    const GROUP: &str = "[0-9A-Fa-f]{1,4}";
    const PORT: &str = "[1-9][0-9]{0,3}|[1-5][0-9]{4}";
    const BLANKS: &str = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
    let (begin, not) = match target {
        Target::Web => ("/?#", ""),
        Target::Broker => ("/?", "#"),
    };
    let v4 = format!(r"{BYTE}(?:\.{BYTE}){{3}}");
    let v6 = format!(r"\[(?:(?:{GROUP}:){{7}}{GROUP}|(?:{GROUP}:){{1,4}}(?::{GROUP}){{1,3}}|::{GROUP})\]");
    format!("^(?:{start}(?:{NAME}|{v4}|{v6})(?::(?:{PORT}))?(?:[{begin}][^{not}\\\\{BLANKS}]*)?)?$")
}

fn web_url(description: &str, example: &str) -> Schema {
    let start = "[Hh][Tt][Tt][Pp][Ss]?://";
    let schema = nullable(description, url_pattern(start, Target::Web)).max_length(Some(VALUE_MAX));
    schema.examples([example]).into()
}

fn base_url_schema() -> Schema {
    web_url(
        "The service that devices talk to: an http or https URL without user name and password, at most 3999 bytes.",
        "https://api.example",
    )
}

fn token_url_schema() -> Schema {
    web_url(
        "Where devices get their tokens: an http or https URL without user name and password, at most 3999 bytes.",
        "https://id.example/oauth2/token",
    )
}

fn mqtt_url_schema() -> Schema {
    // Percent-encoded in a user name and password, but no control characters: 00 to 1F, 7F, C2 80 to C2 9F.
    const HEX: &str = "[0-9A-Fa-f]";
    let encoded = format!("%(?:[2-6]{HEX}|7[0-9A-Ea-e]|[89ABDEFabdef]{HEX}|[Cc][013-9A-Fa-f]|[Cc]2%[ABab]{HEX})");
    let start = format!("(?:[Mm][Qq][Tt][Tt]|[Ww][Ss])[Ss]?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|{encoded})*@)?");
    let description = "The MQTT broker: an mqtt, mqtts, ws or wss URL without fragment, at most 3999 bytes. A user name and \
                       password in it are sealed at rest and shown as `***`; a URL that is sent back as it was shown keeps \
                       them. A query is shown as it is, so it is no place for a secret.";
    let schema = nullable(description, url_pattern(&start, Target::Broker)).max_length(Some(VALUE_MAX));
    schema.examples(["mqtts://broker.example"]).into()
}

fn wifi_ssid_schema() -> Schema {
    let schema = nullable("At most 32 bytes.", r"^[^\u0000]*$").max_length(Some(32));
    schema.examples(["workshop"]).into()
}

fn wifi_password_schema() -> Schema {
    let description =
        "8 to 63 bytes of UTF-8, or 64 hexadecimal digits. Write-only: it is sealed at rest and never shown.";
    nullable(description, r"^(?:[^\u0000]{8,63}|[0-9A-Fa-f]{64})?$")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .write_only(true)
        .into()
}

fn password_state() -> ObjectBuilder {
    let description = "`unset` inherits the `wifi_password`, `empty` leaves it out, `set` is a password of this level.";
    let states = ObjectBuilder::new().enum_values(Some(["unset", "empty", "set"]));
    states.schema_type(Type::String).description(Some(description))
}

fn password_state_schema() -> Schema {
    password_state().into()
}

fn fixed_password_state_schema() -> Schema {
    password_state().read_only(true).into()
}

/// What the URL of a setting leads to; `None` for what is no URL.
pub(crate) const fn target(setting: Setting) -> Option<Target> {
    match setting {
        Setting::BaseUrl | Setting::TokenUrl => Some(Target::Web),
        Setting::MqttUrl => Some(Target::Broker),
        _ => None,
    }
}

fn check_url(value: &str, target: Target) -> Result<(), String> {
    url::check(value, target)?;
    match url::split_userinfo(value) {
        // What the mask stands for goes to no other broker.
        Some((_, MASK)) => Err(format!(
            "must not have {MASK} in place of a user name and password, unless it is the URL as it was shown"
        )),
        _ => Ok(()),
    }
}
