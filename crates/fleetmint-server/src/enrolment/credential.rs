//! The state of a device's client at its identity provider, and the operations that repair, revoke and restore it.

use super::keycloak::{self, Work};
use super::{Error, builtin};
use crate::access::Caller;
use crate::app::App;
use crate::identity::{Identity, Repair, Status};

/// The current state of a device's client.
#[derive(Clone, Debug)]
pub struct Credential {
    pub client_id: String,
    pub status: Status,
}

/// The current state of this device's client at its provider.
///
/// # Errors
/// [`Error::NotFound`], and the identity provider's.
pub async fn get(app: &App, id: i64) -> Result<Credential, Error> {
    let (device, status) = match &app.identity {
        Identity::Builtin(provider) => builtin::status(app, provider, id).await?,
        Identity::Keycloak(provider) => keycloak::status(app, provider, id).await?,
    };
    Ok(Credential {
        client_id: device.client_id,
        status,
    })
}

/// The repairs of a sync, and the state of the client after it.
#[derive(Clone, Debug)]
pub struct Synchronized {
    pub repairs: Vec<Repair>,
    /// The problems that could not be repaired, and what to do about them: a sentence for each.
    pub unrepaired: Vec<String>,
    pub credential: Credential,
}

/// Repairs the client, and returns the repairs.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Busy`], and the identity provider's.
pub async fn sync(app: &App, caller: &Caller, id: i64) -> Result<Synchronized, Error> {
    let (repairs, unrepaired) = match &app.identity {
        Identity::Builtin(provider) => (builtin::sync(app, provider, caller, id).await?, Vec::new()),
        Identity::Keycloak(provider) => {
            let synced = Work::new(app, provider, caller).sync(id).await?;
            (synced.repairs, synced.unrepaired)
        }
    };
    Ok(Synchronized {
        repairs,
        unrepaired,
        credential: get(app, id).await?,
    })
}

/// Disables the client, so that it gets no tokens, or enables it again.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Busy`], and the identity provider's.
pub async fn set_enabled(app: &App, caller: &Caller, id: i64, enabled: bool) -> Result<Credential, Error> {
    match &app.identity {
        Identity::Builtin(provider) => builtin::set_enabled(app, provider, caller, id, enabled).await?,
        Identity::Keycloak(provider) => Work::new(app, provider, caller).set_enabled(id, enabled).await?,
    }
    get(app, id).await
}
