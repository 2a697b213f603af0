//! The values that a model or a device has in place of the provisioning settings: device over model over settings.
//! Without a value, a level inherits from the one below; an empty text overrides it with nothing.
//!
//! The settings, their order and their rules are one table: [`Setting::facts`] of `fleetmint-board`, which also lists
//! the files that a new setting touches.

pub(crate) mod http;
pub(crate) mod store;

use std::borrow::Cow;

use fleetmint_board::provisioning::{BySetting, Kind, Setting};
use zeroize::Zeroizing;

use crate::change::FieldChange;
use crate::config::provisioning::target;
use crate::config::url::{self, MASK, Target};
use crate::seal::{self, OpenError, Seal, SealedAt};
use crate::secret::Secret;
use crate::version::Digest;
use crate::violation::Violation;

/// The column of a broker's sealed user name and password.
pub(crate) const MQTT_USERINFO: &str = "mqtt_userinfo";

/// The overrides of one level as they are stored. `Debug` shows none of them.
#[derive(Clone, Debug, Default)]
pub struct Overrides(BySetting<Override>);

/// The override of one setting at one level, by its columns. Both are `None` if the level inherits.
#[derive(Clone, Default)]
struct Override {
    /// In a broker's URL [`MASK`] stands in place of a user name and password.
    text: Option<String>,
    /// A secret, or the user name and password of a broker's URL.
    sealed: Option<Vec<u8>>,
}

/// The columns of a setting's override. A sealed value is bound to its column's name.
#[derive(Clone, Copy)]
struct Columns {
    text: Option<&'static str>,
    sealed: Option<&'static str>,
}

impl Columns {
    const fn of(setting: Setting) -> Self {
        let key = setting.key();
        let (text, sealed) = match setting.facts().kind {
            Kind::Identity => (None, None),
            Kind::WebUrl | Kind::Text { .. } => (Some(key), None),
            Kind::BrokerUrl => (Some(key), Some(MQTT_USERINFO)),
            Kind::Secret { .. } => (None, Some(key)),
        };
        Self { text, sealed }
    }
}

/// The state of a level's override of a secret, which is never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretState {
    /// Not overridden: the level below decides.
    Unset,
    /// Overridden with nothing: the secret of the level below is not used.
    Empty,
    /// Overridden with a value.
    Set,
}

impl Overrides {
    /// Adds them to the version of their model or device.
    pub(crate) fn digest(&self, mut digest: Digest) -> Digest {
        for setting in Setting::OVERRIDABLE {
            let (columns, value) = (Columns::of(setting), self.0.get(setting));
            if columns.text.is_some() {
                digest = digest.optional(value.text.as_ref());
            }
            if columns.sealed.is_some() {
                digest = digest.optional(value.sealed.as_ref());
            }
        }
        digest
    }

    /// The value of a setting with its secrets opened; `None` if this level inherits. `place` returns the place of a
    /// column's sealed value.
    ///
    /// # Errors
    /// A sealed value does not open.
    pub(crate) fn open<'a>(
        &'a self,
        setting: Setting,
        seal: &Seal,
        place: impl Fn(&'static str) -> SealedAt<'a>,
    ) -> Result<Option<Opened<'a>>, OpenError> {
        let Override { text, sealed } = self.0.get(setting);
        let open = |column| {
            let sealed = sealed.as_ref();
            sealed.map(|sealed| open_text(seal, place(column), sealed)).transpose()
        };
        Ok(match (setting.facts().kind, text) {
            (Kind::Secret { .. }, _) => open(setting.key())?.map(Opened::Secret),
            (Kind::BrokerUrl, Some(masked)) => Some(match open(MQTT_USERINFO)? {
                Some(userinfo) => Opened::Secret(url::join_userinfo(masked, &userinfo)),
                None => Opened::Plain(masked),
            }),
            (_, text) => text.as_deref().map(Opened::Plain),
        })
    }

    /// The value of a setting as it is shown; `None` where this level inherits, and for every secret.
    fn shown(&self, setting: Setting) -> Option<Cow<'_, str>> {
        let text = self.0.get(setting).text.as_deref()?;
        Some(match target(setting) {
            Some(target) => url::shown(text, target),
            None => Cow::Borrowed(text),
        })
    }

    /// Whether `value` is the shown form of this setting.
    fn is_shown(&self, setting: Setting, value: &str) -> bool {
        self.shown(setting).as_deref() == Some(value)
    }

    fn secret_state(&self, setting: Setting) -> SecretState {
        match &self.0.get(setting).sealed {
            None => SecretState::Unset,
            Some(sealed) if sealed.len() == seal::OVERHEAD => SecretState::Empty,
            Some(_) => SecretState::Set,
        }
    }
}

/// The value of an override.
pub(crate) enum Opened<'a> {
    Plain(&'a str),
    /// It is a secret or contains one.
    Secret(Zeroizing<String>),
}

impl Opened<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(text) => text,
        }
    }
}

/// Only UTF-8 is ever sealed here; anything else counts as empty.
fn open_text(seal: &Seal, place: SealedAt<'_>, sealed: &[u8]) -> Result<Zeroizing<String>, OpenError> {
    let bytes = seal.open(place, sealed)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    Ok(Zeroizing::new(text.to_owned()))
}

/// A change of a level's overrides.
#[derive(Clone, Debug, Default)]
pub struct ChangeOverrides {
    values: BySetting<FieldChange<Secret>>,
    /// The state of secrets as in answers; it may only be sent back unchanged.
    secrets: BySetting<SecretMembers>,
}

#[derive(Clone, Debug, Default)]
struct SecretMembers {
    set: FieldChange<bool>,
    state: FieldChange<SecretState>,
}

impl ChangeOverrides {
    /// A change that removes every override.
    fn remove_all() -> Self {
        Self {
            values: BySetting::from_fn(|_| FieldChange::Set(None)),
            secrets: BySetting::default(),
        }
    }

    /// Adds the values that break a rule, with pointers below `/provisioning`. `now` has the current overrides.
    pub(crate) fn check(&self, now: &Overrides, violations: &mut Vec<Violation>) {
        for setting in Setting::OVERRIDABLE.into_iter().filter(|setting| is_secret(*setting)) {
            let state = now.secret_state(setting);
            let members = self.secrets.get(setting);
            let (set, pointer) = (state != SecretState::Unset, format!("/provisioning/{setting}"));
            members.set.check_fixed(&format!("{pointer}_set"), &set, violations);
            members
                .state
                .check_fixed(&format!("{pointer}_state"), &state, violations);
        }
        for setting in Setting::OVERRIDABLE {
            let value = self.values.get(setting).value().map(Secret::expose);
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                continue;
            };
            // A shown value may be sent back, even if it has a mask, or if today's rules would refuse it.
            if now.is_shown(setting, value) {
                continue;
            }
            if let Err(detail) = check_value(setting, value) {
                violations.push(Violation::new(format!("/provisioning/{setting}"), detail));
            }
        }
    }

    /// The overrides after this change. `seal` seals a text for a column.
    pub(crate) fn apply(self, mut overrides: Overrides, seal: impl Fn(&'static str, &str) -> Vec<u8>) -> Overrides {
        for setting in Setting::OVERRIDABLE {
            match self.values.get(setting) {
                FieldChange::Keep => {}
                FieldChange::Set(None) => *overrides.0.get_mut(setting) = Override::default(),
                FieldChange::Set(Some(value)) => {
                    let value = value.expose();
                    // A given secret results in another state even if it is the same one: otherwise a caller would
                    // learn whether a guess is right.
                    let is_same = match is_secret(setting) {
                        true => value.is_empty() && overrides.secret_state(setting) == SecretState::Empty,
                        false => overrides.is_shown(setting, value),
                    };
                    if !is_same {
                        *overrides.0.get_mut(setting) = Override::new(setting, value, &seal);
                    }
                }
            }
        }
        overrides
    }
}

impl Override {
    /// A value of this level, with its secret part sealed.
    fn new(setting: Setting, value: &str, seal: impl Fn(&'static str, &str) -> Vec<u8>) -> Self {
        let userinfo = match setting.facts().kind {
            Kind::BrokerUrl => url::split_userinfo(value),
            _ => None,
        };
        match userinfo {
            Some((masked, userinfo)) => Self {
                text: Some(masked),
                sealed: Some(seal(MQTT_USERINFO, userinfo)),
            },
            None if is_secret(setting) => Self {
                text: None,
                sealed: Some(seal(setting.key(), value)),
            },
            None => Self {
                text: Some(value.to_owned()),
                sealed: None,
            },
        }
    }
}

/// Whether a setting's value is never shown.
pub(crate) const fn is_secret(setting: Setting) -> bool {
    matches!(setting.facts().kind, Kind::Secret { .. })
}

/// The board's rules; a URL must also parse.
fn check_value(setting: Setting, value: &str) -> Result<(), String> {
    setting.check(value).map_err(|error| error.to_string())?;
    match target(setting) {
        Some(target) => check_url(value, target).map_err(|rule| format!("{setting} {rule}")),
        None => Ok(()),
    }
}

fn check_url(value: &str, target: Target) -> Result<(), String> {
    url::check(value, target)?;
    match url::split_userinfo(value) {
        // The masked user name and password are sent to no other broker.
        Some((_, MASK)) => Err(format!(
            "must not have {MASK} in place of a user name and password, unless it is exactly the URL that was shown"
        )),
        _ => Ok(()),
    }
}
