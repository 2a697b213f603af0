use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::credential::{self, Credential};
use crate::access::Caller;
use crate::app::App;
use crate::http::extract::{Id, IdParameter};
use crate::http::problem::Problem;
use crate::identity::Repair;

/// A device's client as it is at its identity provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct Identity {
    /// The client's id.
    #[schema(example = "iotdevice-tempsensor-k3v9x0qa")]
    client_id: String,
    /// Whether the device can get its token: all of the following.
    healthy: bool,
    /// Whether the provider has such a client.
    exists: bool,
    /// Whether it gets tokens.
    enabled: bool,
    /// Whether it was made for this device by Fleetmint.
    ours: bool,
    /// Whether it may use the client-credentials grant, and nothing else.
    flows: bool,
    /// Whether its tokens get the scope that the settings name.
    scope: bool,
    /// Whether it has a secret that can be put onto a device.
    secret: bool,
}

impl From<Credential> for Identity {
    fn from(credential: Credential) -> Self {
        let status = credential.status;
        Self {
            client_id: credential.client_id,
            healthy: status.is_healthy(),
            exists: status.exists,
            enabled: status.enabled,
            ours: status.ours,
            flows: status.flows,
            scope: status.scope,
            secret: status.secret,
        }
    }
}

/// What was mended, and how it is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Synchronized {
    /// What was done: `created` and `secret_set` mean that the device needs a new image; `enabled`, `flows_set`,
    /// `scope_set`. Empty if nothing was wrong.
    #[schema(value_type = Vec<String>, example = json!(["enabled"]))]
    repairs: Vec<&'static str>,
    identity: Identity,
}

/// The state of a device's client at its identity provider.
#[utoipa::path(
    get, path = "/api/devices/{id}/identity", tag = "identity", params(IdParameter),
    responses(
        (status = 200, description = "The state of the client", body = Identity),
        (status = 502, description = "The identity provider could not do its part"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn get_identity(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
) -> Result<Json<Identity>, Problem> {
    Ok(Json(credential::get(&app, id).await?.into()))
}

/// Makes a device's client as it ought to be, and says what was done.
#[utoipa::path(
    post, path = "/api/devices/{id}/identity/sync", tag = "identity", params(IdParameter),
    responses(
        (status = 200, description = "What was repaired, and the state of the client now", body = Synchronized),
        (status = 409, description = "Another change of the device is under way, or the client is not ours"),
        (status = 502, description = "The identity provider could not do its part"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn sync_identity(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Synchronized>, Problem> {
    let (repairs, credential) = credential::sync(&app, &caller, id).await?;
    let repairs = repairs.into_iter().map(Repair::name).collect();
    Ok(Json(Synchronized {
        repairs,
        identity: credential.into(),
    }))
}

/// Revokes a device's credential: its client gets no more tokens until it is enabled again.
#[utoipa::path(
    post, path = "/api/devices/{id}/identity/disable", tag = "identity", params(IdParameter),
    responses(
        (status = 200, description = "The client, disabled", body = Identity),
        (status = 409, description = "Another change of the device is under way, or the client is not ours"),
        (status = 502, description = "The identity provider could not do its part, or does not know the client"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn disable_identity(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Identity>, Problem> {
    Ok(Json(credential::set_enabled(&app, &caller, id, false).await?.into()))
}

/// Restores a device's credential: its client gets tokens again.
#[utoipa::path(
    post, path = "/api/devices/{id}/identity/enable", tag = "identity", params(IdParameter),
    responses(
        (status = 200, description = "The client, enabled", body = Identity),
        (status = 409, description = "Another change of the device is under way, or the client is not ours"),
        (status = 502, description = "The identity provider could not do its part, or does not know the client"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn enable_identity(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Identity>, Problem> {
    Ok(Json(credential::set_enabled(&app, &caller, id, true).await?.into()))
}
