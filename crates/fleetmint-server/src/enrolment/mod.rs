//! A device and its client come and go together.

pub mod credential;
pub(crate) mod http;
mod store;

use crate::access::Caller;
use crate::app::{App, NoRandomness, Random};
use crate::database::Connection;
use crate::devices::store::ACTIVE;
use crate::devices::{self, Device};
use crate::identity::builtin::Builtin;
use crate::identity::{self, Client, Identity};
use crate::models::{self, ChangeOverrides, Overrides};
use crate::operation::Operation;
use crate::secret::Secret;
use crate::violation::Violation;
use crate::{audit, database, name};

/// How many keys are tried before giving up. There are 2·10¹² of them: one that is taken is rare, two never happen.
const KEY_ATTEMPTS: usize = 4;

/// The letters and digits of a device key after its first letter.
const KEY_REST: usize = 7;

/// What a new device is made of.
#[derive(Clone, Debug)]
pub struct NewDevice {
    pub device_model_id: i64,
    pub name: String,
    pub overrides: ChangeOverrides,
}

/// Why a device was not made or removed. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such device")]
    NotFound,
    #[error("values break a rule")]
    Invalid(Vec<Violation>),
    #[error("another change of the device is under way")]
    Busy,
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// Makes a device and its client.
///
/// # Errors
/// [`Error::Invalid`], and the identity provider's.
pub async fn create_device(app: &App, caller: &Caller, new: NewDevice) -> Result<Device, Error> {
    let mut violations = Vec::new();
    name::check(&new.name, &mut violations);
    new.overrides.check(&mut violations);
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        let key = new_key(&*app.random)?;
        match create_with_key(app, caller, new.clone(), key).await {
            Err(Error::Database(database::Error::Taken { columns }))
                if attempt < KEY_ATTEMPTS && columns == "devices.key" => {}
            result => return result,
        }
    }
}

async fn create_with_key(app: &App, caller: &Caller, new: NewDevice, key: String) -> Result<Device, Error> {
    let now = app.clock.now();
    let secret = identity::new_secret(&*app.random)?;
    let overrides = new
        .overrides
        .apply(Overrides::default(), |password| devices::seal(app, &key, password))?;
    let row = store::NewRow {
        key,
        device_model_id: new.device_model_id,
        name: new.name,
        overrides,
        now,
    };
    match &app.identity {
        Identity::Builtin(builtin) => {
            let (builtin, caller) = (builtin.clone(), caller.clone());
            app.database
                .write(move |connection| row_with_client(connection, &builtin, &caller, &row, &secret))
                .await
        }
        Identity::Keycloak(_) => Err(unsupported()),
    }
}

/// The built-in provider's clients are rows too: device and client are made in one transaction.
fn row_with_client(
    connection: &mut Connection,
    builtin: &Builtin,
    caller: &Caller,
    row: &store::NewRow,
    secret: &Secret,
) -> Result<Device, Error> {
    let code = models::code(connection, row.device_model_id)?.ok_or_else(no_such_model)?;
    let device = store::insert(connection, row, &client_id(&code, &row.key), ACTIVE)?;
    builtin.create(connection, Client::of(&device), secret, row.now)?;
    audit::insert(
        connection,
        &caller.record(row.now, Operation::CreateDevice, Some(device.id)),
    )?;
    Ok(device)
}

/// Deletes a device and its client.
///
/// # Errors
/// [`Error::NotFound`], and the identity provider's.
pub async fn delete_device(app: &App, caller: &Caller, id: i64) -> Result<(), Error> {
    let record = caller.record(app.clock.now(), Operation::DeleteDevice, Some(id));
    match &app.identity {
        Identity::Builtin(builtin) => {
            let builtin = builtin.clone();
            app.database
                .write(move |connection| {
                    let client_id = store::delete(connection, id)?.ok_or(Error::NotFound)?;
                    builtin.delete(connection, &client_id)?;
                    audit::insert(connection, &record)?;
                    Ok(())
                })
                .await
        }
        Identity::Keycloak(_) => Err(unsupported()),
    }
}

/// The Keycloak side of enrolment.
fn unsupported() -> Error {
    identity::Error::Unreachable("not supported by this version".to_owned()).into()
}

fn no_such_model() -> Error {
    Error::Invalid(vec![Violation::new(
        "/device_model_id",
        "there is no device model with this id",
    )])
}

/// The name of a device's client at its identity provider.
pub(crate) fn client_id(model_code: &str, key: &str) -> String {
    format!("iotdevice-{model_code}-{key}")
}

/// A letter and 7 of `[a-z0-9]`, each as likely as the others.
fn new_key(random: &dyn Random) -> Result<String, NoRandomness> {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut key = String::with_capacity(1 + KEY_REST);
    while key.len() <= KEY_REST {
        let choices = if key.is_empty() { 26 } else { 36 };
        let mut byte = [0];
        random.fill(&mut byte)?;
        // The bytes from the last whole multiple on are thrown away: with them the first choices would be likelier.
        let [byte] = byte.map(usize::from);
        if byte < 256 / choices * choices {
            key.extend(DIGITS.get(byte % choices).copied().map(char::from));
        }
    }
    Ok(key)
}
