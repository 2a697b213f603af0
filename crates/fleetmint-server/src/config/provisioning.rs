//! `[provisioning]`: what every device is given, unless its model or the device itself overrides it.

use fleetmint_board::provisioning::{Setting, VALUE_MAX};

use super::url::Target;
use super::values::Values;
use super::{Error, Warning, url};
use crate::secret::Secret;

#[derive(Clone, Debug)]
pub struct Provisioning {
    /// Where devices reach the site's service; `server.public_url` if it is not set. It may be one that a device
    /// cannot be given (empty, blank, too long): provisioning says so then.
    pub base_url: Option<String>,
    /// Where devices get their tokens; the identity provider's endpoint if it is not set. As `base_url`.
    pub token_url: Option<String>,
    /// Empty is as good as not set, for this and the next two. It may hold a user name and a password.
    pub mqtt_url: Option<Secret>,
    pub wifi_ssid: Option<String>,
    pub wifi_password: Option<Secret>,
}

impl Provisioning {
    pub(super) fn take(values: &mut Values) -> Result<Self, Error> {
        Ok(Self {
            base_url: device_url(values, "provisioning.base_url")?,
            token_url: device_url(values, "provisioning.token_url")?,
            mqtt_url: values
                .secret("provisioning.mqtt_url", |secret| {
                    check(Setting::MqttUrl, secret.expose()).map(Secret::new)
                })?
                .filter(|secret| !secret.expose().is_empty()),
            wifi_ssid: values
                .text("provisioning.wifi_ssid", |text| check(Setting::WifiSsid, text))?
                .filter(|text| !text.is_empty()),
            wifi_password: values
                .secret("provisioning.wifi_password", |secret| {
                    check(Setting::WifiPassword, secret.expose()).map(Secret::new)
                })?
                .filter(|secret| !secret.expose().is_empty()),
        })
    }
}

/// The board's rules; a URL must also parse.
fn check(setting: Setting, text: &str) -> Result<String, String> {
    setting.check(text).map_err(|error| error.to_string())?;
    if setting == Setting::MqttUrl && !text.is_empty() {
        url::check(text, Target::Broker)?;
    }
    Ok(text.to_owned())
}

/// A URL that devices need. What is no http or https URL, or names a user, stops the start; what is empty, blank or too
/// long does not: models and devices may override it, and provisioning says so where it is needed.
pub(super) fn device_url(values: &mut Values, key: &'static str) -> Result<Option<String>, Error> {
    let origin = values.origin(key);
    let Some((text, fault)) = values.text(key, |text| {
        let fault = if text.trim().is_empty() {
            Some("is blank".to_owned())
        } else if text.len() > VALUE_MAX {
            Some(format!("has {} bytes, and at most {VALUE_MAX} fit", text.len()))
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
            message: format!("{fault}: a device that takes it from here cannot be provisioned"),
        });
    }
    Ok(Some(text))
}
