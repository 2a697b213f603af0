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
    /// Whether it still has the client id that the device was given.
    name: bool,
    /// Whether it is enabled.
    enabled: bool,
    /// Whether it was made for this device by Fleetmint.
    ours: bool,
    /// Whether it may use the client-credentials grant, and nothing else.
    flows: bool,
    /// Whether its tokens are plain bearer tokens: bound to no DPoP key and no TLS certificate.
    bearer: bool,
    /// Whether its tokens get the scope that the settings name.
    scope: bool,
    /// Whether it has a secret that can be put onto a device.
    secret: bool,
    /// Whether the provider gives it a token. It is asked only if all of the above is right.
    token: bool,
    /// What keeps the device from its token, in words; empty if it is healthy.
    #[schema(example = json!(["The client is disabled."]))]
    problems: Vec<String>,
}

impl From<Credential> for Identity {
    fn from(credential: Credential) -> Self {
        let status = credential.status;
        Self {
            client_id: credential.client_id,
            healthy: status.is_healthy(),
            problems: status.problems(),
            exists: status.exists,
            name: status.name,
            enabled: status.enabled,
            ours: status.ours,
            flows: status.flows,
            bearer: status.bearer,
            scope: status.scope,
            secret: status.secret,
            token: status.token,
        }
    }
}

/// What was repaired, and how it is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Synchronized {
    /// What was done: `created` and `secret_set` mean that the device needs a new image; `enabled`, `renamed`,
    /// `flows_set`, `binding_removed`, `scope_set`, `account_created`, `account_enabled`, `reference_set` (the service knew another client). Empty if nothing was wrong.
    #[schema(value_type = Vec<String>, example = json!(["enabled"]))]
    repairs: Vec<&'static str>,
    /// What is wrong and could not be repaired, and what to do about it; empty if everything was.
    #[schema(example = json!([]))]
    unrepaired: Vec<String>,
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
    let synchronized = credential::sync(&app, &caller, id).await?;
    Ok(Json(Synchronized {
        repairs: synchronized.repairs.into_iter().map(Repair::name).collect(),
        unrepaired: synchronized.unrepaired,
        identity: synchronized.credential.into(),
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
