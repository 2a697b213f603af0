//! `[provisioning]`: the values that every device gets, unless its model or the device itself overrides them. Its keys
//! and their rules come from `fleetmint-board`'s table of settings.

use std::sync::LazyLock;

use fleetmint_board::provisioning::{BySetting, Kind, Setting, VALUE_MAX};

use super::url::Target;
use super::values::Values;
use super::{Error, Warning, url};
use crate::secret::Secret;

/// The values of the section. A web URL may be unusable for devices (empty, blank, too long): provisioning reports it.
/// Any other empty value counts as not set.
#[derive(Clone, Debug, Default)]
pub struct Provisioning(BySetting<Option<Secret>>);

impl Provisioning {
    /// The value of a setting, which may be a secret.
    pub fn get(&self, setting: Setting) -> Option<&str> {
        self.0.get(setting).as_ref().map(Secret::expose)
    }

    pub(super) fn take(values: &mut Values) -> Result<Self, Error> {
        let mut taken = Self::default();
        for setting in Setting::OVERRIDABLE {
            *taken.0.get_mut(setting) = take(values, setting)?;
        }
        Ok(taken)
    }
}

fn take(values: &mut Values, setting: Setting) -> Result<Option<Secret>, Error> {
    let key = key(setting);
    let value = match setting.facts().kind {
        Kind::Identity => return Ok(None),
        Kind::WebUrl => return Ok(device_url(values, key)?.map(Secret::new)),
        Kind::Text { .. } => values.text(key, |text| check(setting, text))?,
        Kind::BrokerUrl | Kind::Secret { .. } => values.secret(key, |secret| check(setting, secret.expose()))?,
    };
    Ok(value.filter(|value| !value.expose().is_empty()))
}

/// The key of a setting, such as `provisioning.base_url`.
pub(crate) fn key(setting: Setting) -> &'static str {
    static KEYS: LazyLock<BySetting<String>> =
        LazyLock::new(|| BySetting::from_fn(|setting| format!("provisioning.{setting}")));
    KEYS.get(setting)
}

/// The keys of this section that can also come from a file.
pub(super) fn secrets() -> impl Iterator<Item = &'static str> {
    Setting::OVERRIDABLE
        .into_iter()
        .filter(|setting| matches!(setting.facts().kind, Kind::BrokerUrl | Kind::Secret { .. }))
        .map(key)
}

/// The target of a setting's URL; `None` for a setting that is not a URL.
pub(crate) const fn target(setting: Setting) -> Option<Target> {
    match setting.facts().kind {
        Kind::WebUrl => Some(Target::Web),
        Kind::BrokerUrl => Some(Target::Broker),
        Kind::Identity | Kind::Text { .. } | Kind::Secret { .. } => None,
    }
}

/// The board's rules; a URL must also parse.
fn check(setting: Setting, text: &str) -> Result<Secret, String> {
    setting.check(text).map_err(|error| error.to_string())?;
    if let Some(target) = target(setting)
        && !text.is_empty()
    {
        url::check(text, target)?;
    }
    Ok(Secret::new(text.to_owned()))
}

/// A URL that devices need. A value that is not an http or https URL, or contains a user name, stops the start. An
/// empty, blank or too long value does not: models and devices may override it, and provisioning reports it if it is
/// needed.
pub(super) fn device_url(values: &mut Values, key: &'static str) -> Result<Option<String>, Error> {
    let origin = values.origin(key);
    let Some((text, fault)) = values.text(key, |text| {
        let fault = if text.trim().is_empty() {
            Some("is blank".to_owned())
        } else if text.len() > VALUE_MAX {
            Some(format!("has {} bytes; the limit is {VALUE_MAX}", text.len()))
        } else {
            url::check(text, Target::Web)?;
            None
        };
        Ok((text.to_owned(), fault))
    })?
    else {
        return Ok(None);
    };
    if let Some(fault) = fault {
        values.warnings.push(Warning {
            origin,
            key,
            code: None,
            message: format!("{fault}: a device that takes it from here cannot be provisioned"),
        });
    }
    Ok(Some(text))
}
