//! A device and its client are created and deleted together.

pub mod adoption;
mod builtin;
pub mod credential;
pub(crate) mod http;
mod key;
mod keycloak;
pub mod reconciler;
mod store;

use crate::access::Caller;
use crate::app::App;
use crate::audit::Reason;
use crate::database::{self, Constraint};
use crate::devices::{self, Device, serial};
use crate::idempotency::{self, Once, OnceOutcome};
use crate::identity::{self, Identity};
use crate::name;
use crate::operation::Operation;
use crate::overrides::{ChangeOverrides, Overrides};
use crate::version::{Changed, Expected};
use crate::violation::Violation;
use keycloak::Work;
pub(crate) use store::count_by_state;

/// How many keys are tried before giving up. There are 2·10¹² of them: hardly ever is one taken, and never two in a
/// row.
const KEY_ATTEMPTS: usize = 4;

/// The values of a new device that the caller gives.
#[derive(Clone, Debug)]
pub struct NewDevice {
    pub device_model_id: i64,
    pub name: String,
    pub serial: Option<String>,
    pub overrides: ChangeOverrides,
}

/// Why a device was not created, deleted or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such device")]
    NotFound,
    #[error("values break a rule")]
    Invalid(Vec<Violation>),
    #[error("another change of the device is in progress")]
    Busy,
    #[error(transparent)]
    Repeat(#[from] idempotency::Error),
    #[error(transparent)]
    Changed(#[from] Changed),
    #[error("there is a device with this serial already")]
    SerialTaken,
    /// A device with this serial is being created or deleted; only after that is it known whether the serial is free.
    #[error("a device with this serial is being created or deleted")]
    SerialInDoubt,
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Invalid(_) => "invalid-value",
            Self::Changed(_) => "precondition-failed",
            Self::Repeat(error) => error.reason(),
            Self::SerialTaken => "already-exists",
            Self::SerialInDoubt | Self::Busy => "being-changed",
            Self::Identity(error) => error.reason(),
            Self::Database(error) => error.reason(),
        }
    }
}

/// Creates a device and its client, once for each key.
///
/// # Errors
/// [`Error::Invalid`], [`Error::SerialTaken`], [`Error::SerialInDoubt`], [`Error::Repeat`], and the identity provider's.
pub async fn create_device(
    app: &App,
    caller: &Caller,
    new: NewDevice,
    once: Option<Once<Device>>,
) -> Result<OnceOutcome<Device>, Error> {
    let mut violations = Vec::new();
    name::check(&new.name, &mut violations);
    if let Some(serial) = &new.serial {
        serial::check(serial, &mut violations);
    }
    new.overrides.check(&Overrides::default(), &mut violations);
    if !violations.is_empty() {
        let error = Error::Invalid(violations);
        let record = caller.record(app.clock.now(), Operation::CreateDevice);
        app.audit.failed(record.model(new.device_model_id), &error).await;
        return Err(error);
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        let key = key::new(&*app.random);
        match create_with_key(app, caller, new.clone(), once.clone(), key).await {
            Err(Error::Database(database::Error::Taken(Constraint::DeviceKey))) if attempt < KEY_ATTEMPTS => {}
            result => return result,
        }
    }
}

async fn create_with_key(
    app: &App,
    caller: &Caller,
    new: NewDevice,
    once: Option<Once<Device>>,
    key: String,
) -> Result<OnceOutcome<Device>, Error> {
    let secret = identity::new_secret(&*app.random);
    let overrides = new.overrides.apply(Overrides::default(), |column, secret| {
        app.seal.seal(devices::place(&key, column), secret.as_bytes())
    });
    let row = store::NewRow {
        key,
        device_model_id: new.device_model_id,
        name: new.name,
        serial: new.serial,
        overrides,
        now: app.clock.now(),
    };
    match &app.identity {
        Identity::Builtin(provider) => builtin::create(app, provider, caller, row, secret, once).await,
        Identity::Keycloak(provider) => Work::new(app, provider, caller).create(row, secret, once).await,
    }
}

/// Deletes a device and its client. A deletion that was begun before is completed.
///
/// # Errors [`Error::NotFound`], [`Error::Changed`], [`Error::Busy`], and the identity provider's; after the provider's
/// errors the device is no longer visible, and its client is deleted as soon as the provider works again.
pub async fn delete_device(app: &App, caller: &Caller, id: i64, expected: Expected) -> Result<(), Error> {
    match &app.identity {
        Identity::Builtin(provider) => builtin::delete(app, provider, caller, id, expected).await,
        Identity::Keycloak(provider) => Work::new(app, provider, caller).delete(id, expected).await,
    }
}

impl From<devices::Error> for Error {
    fn from(error: devices::Error) -> Self {
        match error {
            devices::Error::NotFound => Self::NotFound,
            devices::Error::Invalid(violations) => Self::Invalid(violations),
            devices::Error::Changed(changed) => Self::Changed(changed),
            devices::Error::Busy => Self::Busy,
            devices::Error::SerialTaken => Self::SerialTaken,
            devices::Error::SerialInDoubt => Self::SerialInDoubt,
            devices::Error::Database(error) => Self::Database(error),
        }
    }
}

fn no_such_model() -> Error {
    Error::Invalid(vec![Violation::new(
        "/device_model_id",
        "there is no device model with this id",
    )])
}
