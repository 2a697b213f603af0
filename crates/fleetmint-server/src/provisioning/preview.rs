//! What a device will get: each value with its source, and what is missing or looks wrong. It holds no secret.

use fleetmint_board::provisioning::{self as board, BySetting, Kind, Setting, Values};

use super::chosen::{Choice, Level, choose};
use super::store::{self, Material};
use super::{Error, SIZE_DEFAULT};
use crate::app::App;
use crate::audit::Reason as _;
use crate::config::url::{self, Target};
use crate::config::{self, Warning};
use crate::database::Connection;
use crate::models;

/// What devices will get.
#[derive(Clone, Debug)]
pub struct Preview {
    pub values: Vec<Value>,
    pub findings: Vec<Finding>,
}

/// The value of a setting, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub setting: Setting,
    /// Whether devices get a value.
    pub is_set: bool,
    /// The value as it is shown; `None` for a secret, and if there is none.
    pub shown: Option<String>,
    /// Where it comes from; `None` if no level has one.
    pub level: Option<Level>,
    /// The key of the setting that it comes from, if it comes from one.
    pub key: Option<&'static str>,
}

/// Something that is missing or looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of a value, or the key of a setting.
    pub key: String,
    pub severity: Severity,
    /// Its stable name.
    pub code: &'static str,
    pub detail: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No device can be provisioned.
    Error,
    /// A device can be provisioned, but will not work everywhere, or secrets are not protected.
    Warning,
    /// Worth a look.
    Notice,
}

/// Stands for a value that is created for each device, or that has a finding of its own.
const PLACEHOLDER: &str = "x";

/// As long as the longest client id and a client's secret.
const LONGEST: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// What a device gets whose model and own overrides say nothing.
///
/// # Errors
/// Never in practice: the settings hold nothing that is sealed.
pub fn of_settings(app: &App) -> Result<Preview, Error> {
    let mut preview = preview(app, &Material::default())?;
    let warnings = app.settings.warnings.iter().filter_map(finding_of);
    preview.findings.extend(warnings);
    Ok(preview)
}

/// What a device of this model gets whose own overrides say nothing.
///
/// # Errors
/// [`Error::Model`] if there is no such model; those of the database.
pub async fn of_model(app: &App, id: i64) -> Result<Preview, Error> {
    let model = models::get(app, id).await?;
    let material = Material {
        model_id: model.id,
        model_code: model.code,
        model: model.overrides,
        ..Material::default()
    };
    preview(app, &material)
}

/// What this device gets.
///
/// # Errors
/// [`Error::NotFound`]; those of the database.
pub async fn of_device(app: &App, id: i64) -> Result<Preview, Error> {
    let read = move |connection: &mut Connection| store::find(connection, id)?.ok_or(Error::NotFound);
    let (material, _) = app.database.read(read).await?;
    preview(app, &material)
}

fn preview(app: &App, material: &Material) -> Result<Preview, Error> {
    let mut preview = Preview {
        values: Vec::new(),
        findings: Vec::new(),
    };
    let mut usable = BySetting::default();
    for setting in Setting::OVERRIDABLE {
        let choice = match choose(app, material, setting) {
            Ok(choice) => choice,
            Err(error @ Error::Url { level, .. }) => {
                preview.values.push(Value {
                    setting,
                    is_set: true,
                    shown: None,
                    level: Some(level),
                    key: None,
                });
                preview.findings.extend(finding(&error));
                continue;
            }
            Err(error) => return Err(error),
        };
        preview.values.push(value(app, setting, &choice));
        match check(setting, &choice) {
            Ok(()) => {
                preview.findings.extend(url_finding(setting, &choice));
                *usable.get_mut(setting) = Some(choice);
            }
            Err(error) => preview.findings.extend(finding(&error)),
        }
    }
    preview.findings.extend(network_finding(&usable));
    if let Err(cause) = fits(material, &usable) {
        let level = cause.setting().and_then(|setting| usable.get(setting).as_ref());
        let level = level.map(Choice::level);
        preview.findings.extend(finding(&Error::Value { cause, level }));
    }
    preview.findings.sort_by_key(|finding| finding.severity);
    Ok(preview)
}

fn value(app: &App, setting: Setting, choice: &Choice<'_>) -> Value {
    let text = choice.value().filter(|value| !value.is_empty());
    let shown = text.and_then(
        |text| match (setting.facts().kind, config::provisioning::target(setting)) {
            (Kind::Secret { .. } | Kind::Identity, _) => None,
            (_, Some(target)) => Some(url::shown(text, target).into_owned()),
            (_, None) => Some(text.to_owned()),
        },
    );
    let level = choice.value().map(|_| choice.level());
    let key = level.and_then(|level| match level {
        Level::Device | Level::Model => None,
        Level::Provider(key) => Some(key),
        Level::Settings if app.settings.provisioning.get(setting).is_some() => Some(config::provisioning::key(setting)),
        Level::Settings => Some("server.public_url"),
    });
    Value {
        setting,
        is_set: text.is_some(),
        shown,
        level,
        key,
    }
}

/// Checks one value by the board's rules, among values that have none to break.
fn check(setting: Setting, choice: &Choice<'_>) -> Result<(), Error> {
    let values = BySetting::from_fn(|other| match other {
        _ if other == setting => choice.value(),
        _ if other.is_required() => Some(PLACEHOLDER),
        _ => None,
    });
    match Values::from(values).checked_all() {
        Ok(_) => Ok(()),
        Err(cause) => Err(Error::Value {
            cause,
            level: Some(choice.level()),
        }),
    }
}

/// Checks that the values fit into an image of the default size.
fn fits(material: &Material, usable: &BySetting<Option<Choice<'_>>>) -> Result<(), board::Error> {
    let longest = |length| LONGEST.get(..length).unwrap_or(LONGEST);
    let client_id = match material.client_id.as_str() {
        "" => longest(CLIENT_ID_MAX),
        client_id => client_id,
    };
    let values = BySetting::from_fn(|setting| match setting {
        Setting::DeviceKey => Some(longest(DEVICE_KEY_LEN)),
        Setting::ClientId => Some(client_id),
        Setting::ClientSecret => Some(longest(SECRET_LEN)),
        setting => match usable.get(setting) {
            Some(choice) => choice.value(),
            None if setting.is_required() => Some(PLACEHOLDER),
            None => None,
        },
    });
    let mut image = crate::secret::Wiped::filled(0xFF, SIZE_DEFAULT);
    match Values::from(values).encode_into(image.as_mut()) {
        Err(error @ board::Error::DoesNotFit { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// The characters of a device's key.
const DEVICE_KEY_LEN: usize = 8;

/// The characters of the longest client id: `iotdevice-`, a model's code of 50, a hyphen and a device's key.
const CLIENT_ID_MAX: usize = 10 + 50 + 1 + DEVICE_KEY_LEN;

/// The characters of a client's secret.
const SECRET_LEN: usize = 43;

/// An error about a value as a finding. Only the default size is too small, so that is no error.
fn finding(error: &Error) -> Option<Finding> {
    let (setting, detail) = error.about_value()?;
    let severity = match error {
        Error::Value {
            cause: board::Error::DoesNotFit { .. },
            ..
        } => Severity::Warning,
        _ => Severity::Error,
    };
    Some(Finding {
        key: setting.map(|setting| setting.to_string()).unwrap_or_default(),
        severity,
        code: error.reason(),
        detail,
    })
}

/// Whether devices reach this URL, and whether what they send there can be read on the way.
fn url_finding(setting: Setting, choice: &Choice<'_>) -> Option<Finding> {
    let target = config::provisioning::target(setting)?;
    let text = choice.value().filter(|value| !value.is_empty())?;
    let (code, detail) = if url::is_this_computer(text) {
        (
            "loopback-url",
            format!(
                "{setting} is the address of the computer itself: a device that uses it reaches nothing but itself"
            ),
        )
    } else if url::is_plain_on_the_network(text) {
        let (scheme, secure) = match target {
            Target::Web => ("http", "https"),
            Target::Broker => ("mqtt or ws", "mqtts or wss"),
        };
        (
            "plain-text-url",
            format!(
                "{setting} is {scheme}: what devices send there, secrets included, can be read on the network; use {secure}"
            ),
        )
    } else {
        return None;
    };
    Some(Finding {
        key: setting.to_string(),
        severity: Severity::Warning,
        code,
        detail,
    })
}

/// Whether the Wi-Fi network and its password belong together.
fn network_finding(usable: &BySetting<Option<Choice<'_>>>) -> Option<Finding> {
    let has = |setting| {
        let choice: &Option<Choice<'_>> = usable.get(setting);
        let value = choice.as_ref().and_then(Choice::value);
        value.is_some_and(|value| !value.is_empty())
    };
    let (setting, severity, code, detail) = match (has(Setting::WifiSsid), has(Setting::WifiPassword)) {
        (false, true) => (
            Setting::WifiSsid,
            Severity::Warning,
            "wifi-password-without-ssid",
            "wifi_password is set, but wifi_ssid is not: a device does not know which network the password is for",
        ),
        (true, false) => (
            Setting::WifiPassword,
            Severity::Notice,
            "wifi-ssid-without-password",
            "wifi_ssid is set, but wifi_password is not: right for a network without a password",
        ),
        _ => return None,
    };
    Some(Finding {
        key: setting.to_string(),
        severity,
        code,
        detail: detail.to_owned(),
    })
}

/// A problem of the settings that the start reported.
fn finding_of(warning: &Warning) -> Option<Finding> {
    Some(Finding {
        key: warning.key.to_owned(),
        severity: Severity::Warning,
        code: warning.code?,
        detail: warning.message.clone(),
    })
}
