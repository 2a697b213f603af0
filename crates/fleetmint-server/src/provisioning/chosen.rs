//! The value that a device gets for each setting, and its source: device over model over settings.

use std::borrow::Cow;

use fleetmint_board::provisioning::{BySetting, Setting, Values};

use super::Error;
use super::store::Material;
use crate::app::App;
use crate::config::{self, url};
use crate::overrides::Opened;
use crate::{devices, models};

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Device,
    Model,
    Settings,
    /// The identity provider, shaped by this setting.
    Provider(&'static str),
}

impl Level {
    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Device => "from the device's own override",
            Self::Model => "from its model's override",
            Self::Settings => "from the settings",
            Self::Provider(_) => "from the identity provider",
        }
    }
}

/// The chosen values. A setting of the device's identity has none here.
pub(super) struct Chosen<'a>(BySetting<Option<Choice<'a>>>);

pub(super) struct Choice<'a> {
    value: Option<Value<'a>>,
    level: Level,
}

impl Choice<'_> {
    pub(super) fn value(&self) -> Option<&str> {
        self.value.as_ref().map(Value::as_str)
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }
}

enum Value<'a> {
    Text(Cow<'a, str>),
    Override(Opened<'a>),
}

impl Value<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Override(opened) => opened.as_str(),
        }
    }
}

impl<'a> Chosen<'a> {
    /// Chooses every value.
    ///
    /// # Errors
    /// A sealed override does not open, or the URL of an override breaks today's rule.
    pub(super) fn new(app: &'a App, material: &'a Material) -> Result<Self, Error> {
        let mut chosen = BySetting::default();
        for setting in Setting::OVERRIDABLE {
            *chosen.get_mut(setting) = Some(choose(app, material, setting)?);
        }
        Ok(Self(chosen))
    }

    /// The values for the board: the device's identity with its secret, and the chosen values.
    pub(super) fn values(&'a self, material: &'a Material, secret: &'a str) -> Values<'a> {
        Values::from(BySetting::from_fn(|setting| match setting {
            Setting::DeviceKey => Some(material.device_key.as_str()),
            Setting::ClientId => Some(material.client_id.as_str()),
            Setting::ClientSecret => Some(secret),
            setting => self.0.get(setting).as_ref()?.value(),
        }))
    }

    /// Where the value of a setting comes from; `None` for the device's identity.
    pub(super) fn level(&self, setting: Setting) -> Option<Level> {
        self.0.get(setting).as_ref().map(|choice| choice.level)
    }
}

/// Chooses the value of one setting.
///
/// # Errors
/// Those of [`Chosen::new`].
pub(super) fn choose<'a>(app: &'a App, material: &'a Material, setting: Setting) -> Result<Choice<'a>, Error> {
    let of_device = |column| devices::place(&material.device_key, column);
    if let Some(value) = material.device.open(setting, &app.seal, of_device)? {
        return overridden(setting, value, Level::Device);
    }
    let of_model = |column| models::place(&material.model_code, column);
    if let Some(value) = material.model.open(setting, &app.seal, of_model)? {
        return overridden(setting, value, Level::Model);
    }
    Ok(from_settings(app, setting))
}

/// Rows may be older than the rule for URLs. A blank value is passed to the board, which knows whether a value is
/// required.
fn overridden(setting: Setting, value: Opened<'_>, level: Level) -> Result<Choice<'_>, Error> {
    let text = value.as_str();
    if let Some(target) = config::provisioning::target(setting)
        && !text.trim().is_empty()
    {
        url::check(text, target).map_err(|rule| Error::Url { setting, rule, level })?;
    }
    Ok(Choice {
        value: Some(Value::Override(value)),
        level,
    })
}

/// The value in the settings, which were checked at the start, or its default.
fn from_settings(app: &App, setting: Setting) -> Choice<'_> {
    let settings = &app.settings;
    let value = settings.provisioning.get(setting).or_else(|| match setting {
        Setting::BaseUrl => settings.server.public_url.as_deref(),
        _ => None,
    });
    let from_provider = match setting {
        Setting::TokenUrl if value.is_none() => app.identity.token_url(),
        _ => None,
    };
    match from_provider {
        Some(url) => Choice {
            value: Some(Value::Text(Cow::Owned(url))),
            level: Level::Provider(app.identity.token_url_setting()),
        },
        None => Choice {
            value: value.map(|value| Value::Text(Cow::Borrowed(value))),
            level: Level::Settings,
        },
    }
}
