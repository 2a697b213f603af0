//! The state of a device's client at its identity provider, and what mends, revokes and restores it.

use crate::access::Caller;
use crate::app::App;
use crate::audit;
use crate::database::Connection;
use crate::devices::{self, Device};
use crate::enrolment::Error;
use crate::identity::builtin::Builtin;
use crate::identity::{Client, Identity, Repair, Status};
use crate::operation::Operation;

/// A device's client as it is.
#[derive(Clone, Debug)]
pub struct Credential {
    pub client_id: String,
    pub status: Status,
}

/// The client of this device as it is at its provider.
///
/// # Errors
/// [`Error::NotFound`], and the identity provider's.
pub async fn get(app: &App, id: i64) -> Result<Credential, Error> {
    match &app.identity {
        Identity::Builtin(builtin) => app.database.read(|connection| {
            let device = devices::store::find(connection, id)?.ok_or(Error::NotFound)?;
            credential(connection, builtin, &device)
        }),
        Identity::Keycloak(_) => Err(super::unsupported()),
    }
}

/// Makes the client as it ought to be, and says what was done.
///
/// # Errors
/// [`Error::NotFound`], and the identity provider's.
pub async fn sync(app: &App, caller: &Caller, id: i64) -> Result<(Vec<Repair>, Credential), Error> {
    let now = app.clock.now();
    change(
        app,
        caller,
        id,
        Operation::SyncIdentity,
        move |connection, builtin, device| Ok(builtin.sync(connection, Client::of(device), now)?),
    )
    .await
}

/// Takes the client's right to tokens, or gives it back.
///
/// # Errors
/// [`Error::NotFound`], and the identity provider's.
pub async fn set_enabled(app: &App, caller: &Caller, id: i64, enabled: bool) -> Result<Credential, Error> {
    let operation = if enabled {
        Operation::EnableIdentity
    } else {
        Operation::DisableIdentity
    };
    let ((), credential) = change(app, caller, id, operation, move |connection, builtin, device| {
        Ok(builtin.set_enabled(connection, &device.client_id, enabled)?)
    })
    .await?;
    Ok(credential)
}

/// A change of a built-in client and its audit record, in one transaction.
async fn change<T: Send + 'static>(
    app: &App,
    caller: &Caller,
    id: i64,
    operation: Operation,
    work: impl FnOnce(&mut Connection, &Builtin, &Device) -> Result<T, Error> + Send + 'static,
) -> Result<(T, Credential), Error> {
    let Identity::Builtin(builtin) = &app.identity else {
        return Err(super::unsupported());
    };
    let (builtin, record) = (builtin.clone(), caller.record(app.clock.now(), operation, Some(id)));
    app.database
        .write(move |connection| {
            let device = devices::store::find(connection, id)?.ok_or(Error::NotFound)?;
            let done = work(connection, &builtin, &device)?;
            audit::insert(connection, &record)?;
            let credential = credential(connection, &builtin, &device)?;
            Ok((done, credential))
        })
        .await
}

fn credential(connection: &mut Connection, builtin: &Builtin, device: &Device) -> Result<Credential, Error> {
    let status = builtin.status(connection, Client::of(device))?;
    Ok(Credential {
        client_id: device.client_id.clone(),
        status,
    })
}
