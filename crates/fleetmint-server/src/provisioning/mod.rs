//! Model, device and secret become an image.

pub(crate) mod http;
pub mod patch;
mod store;

use std::borrow::Cow;
use std::ops::Deref;

use fleetmint_board::provisioning::{self as board, Lack, Setting, Values};
use zeroize::Zeroizing;

use crate::access::Caller;
use crate::app::App;
use crate::audit::{self, Entry, Outcome, Reason};
use crate::config::{Settings, url};
use crate::database::Connection;
use crate::identity::keycloak::Keycloak;
use crate::identity::{self, Client, Identity};
use crate::models::Overrides;
use crate::models::overrides::{self, MQTT_USERINFO, WIFI_PASSWORD};
use crate::operation::Operation;
use crate::seal::{OpenError, Place};
use crate::secret::{Secret, Wiped};
use crate::{database, devices, models};

/// The size of an image when the caller does not say: one page, which belongs at the start of an erased partition.
pub const SIZE_DEFAULT: usize = 4096;

/// What goes onto the chip.
#[derive(Debug)]
pub struct Image {
    pub device_key: String,
    /// The whole partition: unused bytes are 0xFF.
    pub bytes: Wiped,
}

/// Why there is no image. Nothing was disclosed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such device")]
    NotFound,
    /// A value is missing, breaks a rule, or there is no room for it.
    #[error("{cause}")]
    Value { cause: board::Error, level: Option<Level> },
    /// A URL that an earlier version took, and that breaks today's rule.
    #[error("{setting} {rule}")]
    Url {
        setting: Setting,
        rule: String,
        level: Level,
    },
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The partition that was sent cannot be patched.
    #[error(transparent)]
    Partition(fleetmint_board::patch::Error),
    #[error("{0}")]
    Seal(#[from] OpenError),
    /// The work ended without a result.
    #[error("{0}")]
    Stopped(String),
    #[error(transparent)]
    Audit(#[from] audit::Error),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Value { cause, .. } => match cause {
                board::Error::Required { .. } => "value-missing",
                board::Error::TooLong { .. } => "value-too-long",
                board::Error::DoesNotFit { .. } => "does-not-fit",
                _ => "invalid-value",
            },
            Self::Identity(error) => error.reason(),
            Self::Url { .. } => "invalid-value",
            Self::Partition(fleetmint_board::patch::Error::DoesNotFit { .. }) => "does-not-fit",
            Self::Partition(_) => "unusable-partition",
            Self::Seal(_) | Self::Stopped(_) => "internal-error",
            Self::Audit(error) => error.reason(),
            Self::Database(error) => error.reason(),
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Device,
    Model,
    Settings,
    /// The identity provider's answer, which this setting shapes.
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

/// Makes the image of a device's NVS partition: `size` bytes, a multiple of 4096 from 4096 to 16 MiB.
///
/// It discloses the device's secret, so it returns only when the audit record of that is on the disk.
///
/// `room` is given back with the image, or dropped when the work has ended, be that after its caller has gone.
///
/// # Errors
/// See [`Error`].
pub async fn get<R: Send + 'static>(
    app: &App,
    caller: &Caller,
    id: i64,
    size: usize,
    room: R,
) -> Result<(Image, R), Error> {
    let mut record = caller.record(app.clock.now(), Operation::GetProvisioning).device(id);
    match &app.identity {
        Identity::Builtin(builtin) => {
            let (reader, builtin) = (app.clone(), builtin.clone());
            let read = move |connection: &mut Connection, record: &mut Entry| {
                let (material, newest) = store::find_with_secret(connection, id)?.ok_or(Error::NotFound)?;
                record.model_id = Some(material.model_id);
                let secret = builtin.secret_of(connection, &material.client_id, newest.as_ref())?;
                Ok((encode(&reader, material, secret.expose(), size)?, room))
            };
            app.audit.disclose(record, read).await
        }
        Identity::Keycloak(keycloak) => {
            let (material, reference) = material(app, &mut record).await?;
            attempt(app, record, async {
                let secret = secret_at_keycloak(app, keycloak, &material, &reference).await?;
                Ok((encode(app, material, secret.expose(), size)?, room))
            })
            .await
        }
    }
}

/// Does what ends in a disclosure while the record of the attempt becomes durable; both are done before this returns. The
/// record of the outcome follows.
async fn attempt<T>(app: &App, record: Entry, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut attempt = app.audit.begin(record)?;
    let result = work.await;
    let recorded = attempt.durable().await;
    let result = recorded.map_err(Error::from).and(result);
    attempt.ended(Outcome::of(&result));
    result
}

/// What the image of a device is made of, but for the secret, and which client has that. A device that is not there is a
/// record of its own.
async fn material(app: &App, record: &mut Entry) -> Result<(store::Material, store::Reference), Error> {
    let id = record.device_id.unwrap_or_default();
    let found = app
        .database
        .read(move |connection| store::find(connection, id)?.ok_or(Error::NotFound))
        .await;
    match &found {
        Ok((material, _)) => record.model_id = Some(material.model_id),
        Err(error) => app.audit.failed(record.clone(), error).await,
    }
    found
}

/// The device's secret, at whatever provider.
async fn secret(app: &App, material: &store::Material, reference: &store::Reference) -> Result<Secret, Error> {
    match &app.identity {
        Identity::Builtin(builtin) => {
            let (builtin, client_id) = (builtin.clone(), material.client_id.clone());
            let read = move |connection: &mut Connection| builtin.secret(connection, &client_id);
            Ok(app.database.read(read).await?)
        }
        Identity::Keycloak(keycloak) => secret_at_keycloak(app, keycloak, material, reference).await,
    }
}

/// The secret of the client that is proven to be the device's: one call. Where the row has no proof (it was written by an
/// earlier version, or by somebody without the master key), the client of the device's name is the device's if its
/// attribute says so, and the proof is stored.
async fn secret_at_keycloak(
    app: &App,
    keycloak: &Keycloak,
    material: &store::Material,
    reference: &store::Reference,
) -> Result<Secret, Error> {
    let client = material.client(reference);
    if client.is_proven(&app.seal, reference.provider_proof.as_deref()) {
        return Ok(keycloak.secret(client).await?);
    }
    let by_name = Client {
        provider_ref: None,
        ..client
    };
    let id = keycloak.locate(by_name).await?;
    let id = id.ok_or_else(|| identity::Error::ClientMissing {
        client_id: material.client_id.clone(),
    })?;
    let proven = Client {
        provider_ref: Some(&id),
        ..client
    };
    let secret = keycloak.secret(proven).await?;
    let proof = client.proof(&app.seal, &id);
    let (device_key, known) = (material.device_key.clone(), reference.provider_ref.clone());
    app.database
        .write::<_, Error>(move |connection| Ok(store::prove(connection, &device_key, known.as_deref(), &id, &proof)?))
        .await?;
    Ok(secret)
}

fn encode(app: &App, material: store::Material, secret: &str, size: usize) -> Result<Image, Error> {
    let chosen = Chosen::new(app, &material)?;
    let mut bytes = Wiped::new(vec![0xFF; size]);
    if let Err(cause) = chosen.values(&material, secret).encode_into(bytes.as_mut()) {
        return Err(value_error(cause, &chosen, &material));
    }
    Ok(Image {
        device_key: material.device_key,
        bytes,
    })
}

fn value_error(cause: board::Error, chosen: &Chosen<'_>, material: &store::Material) -> Error {
    match cause {
        // The caller cannot repair an empty secret: the provider has lost it.
        board::Error::Required {
            setting: Setting::ClientSecret,
            ..
        } => identity::Error::SecretMissing {
            client_id: material.client_id.clone(),
        }
        .into(),
        cause => {
            let level = cause.setting().and_then(|setting| chosen.level(setting));
            Error::Value { cause, level }
        }
    }
}

/// The values that the three levels give: device over model over settings.
struct Chosen<'a> {
    base_url: (Option<Cow<'a, str>>, Level),
    token_url: (Option<Cow<'a, str>>, Level),
    mqtt_url: (Option<MqttUrl<'a>>, Level),
    wifi_ssid: (Option<Cow<'a, str>>, Level),
    wifi_password: (Option<Zeroizing<String>>, Level),
}

impl<'a> Chosen<'a> {
    fn new(app: &'a App, material: &'a store::Material) -> Result<Self, Error> {
        let settings: &Settings = &app.settings;
        let (device, model) = (&material.device, &material.model);
        let choose =
            |of: fn(&Overrides) -> &Option<String>, default: Option<Cow<'a, str>>| match (of(device), of(model)) {
                (Some(value), _) => (Some(Cow::Borrowed(value.as_str())), Level::Device),
                (None, Some(value)) => (Some(Cow::Borrowed(value.as_str())), Level::Model),
                (None, None) => (default, Level::Settings),
            };
        let wifi_password = match (&device.wifi_password, &model.wifi_password) {
            (Some(sealed), _) => (
                open(app, devices::place(&material.device_key, WIFI_PASSWORD), sealed)?,
                Level::Device,
            ),
            (None, Some(sealed)) => (
                open(app, models::place(&material.model_code, WIFI_PASSWORD), sealed)?,
                Level::Model,
            ),
            (None, None) => {
                let password = settings.provisioning.wifi_password.as_ref();
                (
                    password.map(|password| Zeroizing::new(password.expose().to_owned())),
                    Level::Settings,
                )
            }
        };
        let provisioning = &settings.provisioning;
        let borrowed = |value: &'a Option<String>| value.as_deref().map(Cow::Borrowed);
        let base_url = provisioning.base_url.as_ref().or(settings.server.public_url.as_ref());
        let mut token_url = choose(|overrides| &overrides.token_url, borrowed(&provisioning.token_url));
        if let (None, Level::Settings) = token_url
            && let Some(url) = app.identity.token_url()
        {
            token_url = (Some(Cow::Owned(url)), Level::Provider(app.identity.token_url_setting()));
        }
        let chosen = Self {
            base_url: choose(
                |overrides| &overrides.base_url,
                base_url.map(|url| Cow::Borrowed(url.as_str())),
            ),
            token_url,
            mqtt_url: mqtt_url(app, material)?,
            wifi_ssid: choose(|overrides| &overrides.wifi_ssid, borrowed(&provisioning.wifi_ssid)),
            wifi_password,
        };
        chosen.check_urls()?;
        Ok(chosen)
    }

    /// The rows may be older than the rule; settings were checked at the start.
    fn check_urls(&self) -> Result<(), Error> {
        let mqtt_url = (self.mqtt_url.0.as_deref(), self.mqtt_url.1);
        for (setting, (url, level)) in [
            (Setting::BaseUrl, (self.base_url.0.as_deref(), self.base_url.1)),
            (Setting::TokenUrl, (self.token_url.0.as_deref(), self.token_url.1)),
            (Setting::MqttUrl, mqtt_url),
        ] {
            if let (Level::Device | Level::Model, Some(target)) = (level, overrides::target(setting))
                && let Some(url) = url.filter(|url| !url.trim().is_empty())
            {
                url::check(url, target).map_err(|rule| Error::Url { setting, rule, level })?;
            }
        }
        Ok(())
    }

    fn values(&'a self, material: &'a store::Material, secret: &'a str) -> Values<'a> {
        Values {
            device_key: Some(&material.device_key),
            client_id: Some(&material.client_id),
            client_secret: Some(secret),
            token_url: self.token_url.0.as_deref(),
            base_url: self.base_url.0.as_deref(),
            mqtt_url: self.mqtt_url.0.as_deref(),
            wifi_ssid: self.wifi_ssid.0.as_deref(),
            wifi_password: self.wifi_password.0.as_deref().map(String::as_str),
        }
    }

    fn level(&self, setting: Setting) -> Option<Level> {
        match setting {
            Setting::BaseUrl => Some(self.base_url.1),
            Setting::TokenUrl => Some(self.token_url.1),
            Setting::MqttUrl => Some(self.mqtt_url.1),
            Setting::WifiSsid => Some(self.wifi_ssid.1),
            Setting::WifiPassword => Some(self.wifi_password.1),
            Setting::DeviceKey | Setting::ClientId | Setting::ClientSecret => None,
        }
    }
}

/// A broker's URL as a device is given it.
enum MqttUrl<'a> {
    Plain(&'a str),
    WithUserinfo(Zeroizing<String>),
}

impl Deref for MqttUrl<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Plain(url) => url,
            Self::WithUserinfo(url) => url,
        }
    }
}

fn mqtt_url<'a>(app: &'a App, material: &'a store::Material) -> Result<(Option<MqttUrl<'a>>, Level), Error> {
    let (overrides, place, level) = if material.device.mqtt_url.is_some() {
        let place = devices::place(&material.device_key, MQTT_USERINFO);
        (&material.device, place, Level::Device)
    } else if material.model.mqtt_url.is_some() {
        let place = models::place(&material.model_code, MQTT_USERINFO);
        (&material.model, place, Level::Model)
    } else {
        let url = app.settings.provisioning.mqtt_url.as_ref();
        return Ok((url.map(|url| MqttUrl::Plain(url.expose())), Level::Settings));
    };
    let masked = overrides.mqtt_url.as_deref().unwrap_or_default();
    let userinfo = match &overrides.mqtt_userinfo {
        Some(sealed) => open(app, place, sealed)?,
        None => None,
    };
    let url = match userinfo {
        Some(userinfo) => MqttUrl::WithUserinfo(url::join_userinfo(masked, &userinfo)),
        None => MqttUrl::Plain(masked),
    };
    Ok((Some(url), level))
}

fn open(app: &App, place: Place<'_>, sealed: &[u8]) -> Result<Option<Zeroizing<String>>, Error> {
    let bytes = app.seal.open(place, sealed)?;
    // Only UTF-8 is ever sealed as a password.
    Ok(std::str::from_utf8(&bytes)
        .ok()
        .map(|text| Zeroizing::new(text.to_owned())))
}

impl Error {
    /// What is wrong with a value, where it comes from, and which setting stands behind it.
    pub(crate) fn explain(cause: &board::Error, level: Option<Level>) -> String {
        let (Some(level), Some(setting)) = (level, cause.setting()) else {
            return cause.to_string();
        };
        let source = match level {
            Level::Provider(name) => return format!("{cause} (from the identity provider; the setting is {name})"),
            level => level.source(),
        };
        let hint = match (cause, setting) {
            (board::Error::Required { lack: Lack::Absent, .. }, Setting::BaseUrl | Setting::TokenUrl) => {
                ", and server.public_url, its default, has no value either"
            }
            _ => "",
        };
        format!("{cause} ({source}; the setting is provisioning.{setting}{hint})")
    }
}
