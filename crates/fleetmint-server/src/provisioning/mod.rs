//! The image that gives a device its identity and its settings.

mod chosen;
pub(crate) mod http;
mod material;
pub mod patch;
pub mod preview;
mod store;
pub mod verify;

use fleetmint_board::provisioning::{self as board, Missing, Setting};

use crate::access::Caller;
use crate::app::App;
use crate::audit::{self, Entry, Outcome, Reason};
use crate::config;
use crate::database;
use crate::database::Connection;
use crate::identity::{self, Identity};
use crate::models;
use crate::operation::Operation;
use crate::seal::OpenError;
use crate::secret::Wiped;

use chosen::Chosen;
pub use chosen::Level;

/// The default size of an image: one page, which belongs at the start of an erased partition.
pub const SIZE_DEFAULT: usize = 4096;

/// The image for a device's NVS partition.
#[derive(Debug)]
pub struct Image {
    pub device_key: String,
    /// The whole partition: unused bytes are 0xFF.
    pub bytes: Wiped,
}

/// Why no image was created. Nothing was disclosed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such device")]
    NotFound,
    #[error(transparent)]
    Model(#[from] models::Error),
    /// A value is missing, breaks a rule, or does not fit.
    #[error("{cause}")]
    Value { cause: board::Error, level: Option<Level> },
    /// A URL that an earlier version accepted breaks today's rule.
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
            Self::Model(error) => error.reason(),
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

/// The image of a device's NVS partition: `size` bytes, a multiple of 4096 from 4096 to 16 MiB.
///
/// It discloses the device's secret, so it returns only after the audit record of that is on the disk.
///
/// `room` is returned with the image, or dropped when the work has ended, even if the caller has gone before.
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
    let record = caller.record(app.clock.now(), Operation::GetProvisioning).device(id);
    disclose(app, record, move |app, material, secret| {
        Ok((encode(app, material, secret, size)?, room))
    })
    .await
}

/// Runs `work` with a device's values and its secret, and returns its result only after the audit record is on the disk.
async fn disclose<T: Send + 'static>(
    app: &App,
    mut record: Entry,
    work: impl FnOnce(&App, store::Material, &str) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let id = record.device_id.unwrap_or_default();
    match &app.identity {
        Identity::Builtin(builtin) => {
            let (reader, builtin) = (app.clone(), builtin.clone());
            let read = move |connection: &mut Connection, record: &mut Entry| {
                let (material, newest) = store::find_with_secret(connection, id)?.ok_or(Error::NotFound)?;
                record.model_id = Some(material.model_id);
                let secret = builtin.secret_of(connection, &material.client_id, newest.as_ref())?;
                work(&reader, material, secret.expose())
            };
            app.audit.disclose(record, read).await
        }
        Identity::Keycloak(keycloak) => {
            let (material, reference) = material::read(app, &mut record).await?;
            attempt(app, record, async {
                let secret = material::secret_at_keycloak(app, keycloak, &material, &reference).await?;
                work(app, material, secret.expose())
            })
            .await
        }
    }
}

/// Runs work that ends in a disclosure while the record of the attempt becomes durable, and returns when both are done.
/// The record of the outcome follows.
async fn attempt<T>(app: &App, record: Entry, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut attempt = app.audit.begin(record)?;
    let result = work.await;
    let recorded = attempt.durable().await;
    let result = recorded.map_err(Error::from).and(result);
    attempt.ended(Outcome::of(&result));
    result
}

fn encode(app: &App, material: store::Material, secret: &str, size: usize) -> Result<Image, Error> {
    let chosen = Chosen::new(app, &material)?;
    let mut bytes = Wiped::filled(0xFF, size);
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

impl Error {
    /// The setting whose value is wrong and what is wrong with it, for an error about a value.
    pub(crate) fn about_value(&self) -> Option<(Option<Setting>, String)> {
        match self {
            Self::Value { cause, level } => Some((cause.setting(), Self::explain(cause, *level))),
            Self::Url { setting, rule, level } => {
                let (source, key) = (level.source(), config::provisioning::key(*setting));
                Some((
                    Some(*setting),
                    format!("{setting} {rule} ({source}; the setting is {key})"),
                ))
            }
            _ => None,
        }
    }

    /// The rule that a value breaks, the value's source, and the key of its setting.
    fn explain(cause: &board::Error, level: Option<Level>) -> String {
        let (Some(level), Some(setting)) = (level, cause.setting()) else {
            return cause.to_string();
        };
        let source = match level {
            Level::Provider(name) => return format!("{cause} (from the identity provider; the setting is {name})"),
            level => level.source(),
        };
        let hint = match (cause, setting) {
            (
                board::Error::Required {
                    missing: Missing::Absent,
                    ..
                },
                Setting::BaseUrl | Setting::TokenUrl,
            ) => ", and server.public_url, its default, has no value either",
            _ => "",
        };
        format!(
            "{cause} ({source}; the setting is {}{hint})",
            config::provisioning::key(setting)
        )
    }
}
