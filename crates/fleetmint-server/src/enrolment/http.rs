use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credential::{self, Credential};
use super::{Error, NewDevice};
use crate::access::Caller;
use crate::app::App;
use crate::devices;
use crate::devices::http::{Device, serial_schema};
use crate::http::conditional::{IfMatch, IfMatchParameter, etag};
use crate::http::extract::{Id, IdParameter, Object};
use crate::http::problem::Problem;
use crate::http::schema;
use crate::idempotency::Answer;
use crate::idempotency::http::{Creation, IdempotencyKeyParameter};
use crate::identity::Repair;
use crate::operation::Operation;
use crate::overrides::ChangeOverrides;

/// A new device. Its key, its client and the client's secret are created with it.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewDevice)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    #[schema(schema_with = schema::id)]
    device_model_id: i64,
    #[schema(schema_with = schema::name)]
    name: String,
    #[serde(default)]
    #[schema(schema_with = serial_schema)]
    serial: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<ChangeOverrides>)]
    provisioning: Option<Object<ChangeOverrides>>,
}

/// Creates a device and its client at the identity provider.
#[utoipa::path(
    post, path = "/api/devices", tag = "devices", params(IdempotencyKeyParameter), request_body = New,
    responses(
        (status = 201, description = "The new device", body = Device, headers(
            ("Location" = String, description = "The device's path"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` if this is the answer to an earlier call"),
            ("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`")
        )),
        (status = 400, description = "The body is not JSON, or `Idempotency-Key` cannot be read"),
        (status = 409, description = "The serial is taken, the first call with this key is still in progress, or the identity provider \
            has such a client, and it is not ours"),
        (status = 422, description = "A value breaks a rule, there is no such model, or the key was used for another call"),
        (status = 502, description = "The identity provider failed"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn create_device(
    State(app): State<App>,
    caller: Caller,
    creation: Creation<New>,
) -> Result<Response, Problem> {
    let (new, once) = creation.once(&app, &caller, Operation::CreateDevice, answer);
    let New {
        device_model_id,
        name,
        serial,
        provisioning,
    } = new;
    let new = NewDevice {
        device_model_id,
        name,
        serial,
        overrides: provisioning.unwrap_or_default().0,
    };
    let outcome = super::create_device(&app, &caller, new, once).await?;
    Ok(outcome.answer(answer))
}

fn answer(device: &devices::Device) -> Answer {
    Answer::created(
        Operation::GetDevice.path_of(device.id),
        etag(device.version()),
        &Device::from(device.clone()),
    )
}

/// Deletes a device and its client: its credentials are then worthless.
#[utoipa::path(
    delete, path = "/api/devices/{id}", tag = "devices", params(IdParameter, IfMatchParameter),
    responses(
        (status = 204, description = "Device and client are deleted"),
        (status = 400, description = "`If-Match` cannot be read"),
        (status = 409, description = "Another change of the device is in progress"),
        (status = 412, description = "It is in none of the states in `If-Match`"),
        (status = 502, description = "The identity provider failed"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn delete_device(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, Problem> {
    super::delete_device(&app, &caller, id, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The state of a device's client at its identity provider.
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
    /// The reasons why the device cannot get a token; empty if it is healthy.
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

/// The repairs, and the current state.
#[derive(Serialize, ToSchema)]
pub(crate) struct Synchronized {
    /// The repairs: `created` and `secret_set` mean that the device needs a new image; `enabled`, `renamed`,
    /// `flows_set`, `binding_removed`, `scope_set`, `account_created`, `account_enabled`, `reference_set` (the service
    /// knew another client). Empty if nothing was wrong.
    #[schema(value_type = Vec<String>, example = json!(["enabled"]))]
    repairs: Vec<&'static str>,
    /// The problems that could not be repaired, and what to do about them; empty if there are none.
    #[schema(example = json!([]))]
    unrepaired: Vec<String>,
    identity: Identity,
}

/// The state of a device's client at its identity provider.
#[utoipa::path(
    get, path = "/api/devices/{id}/identity", tag = "identity", params(IdParameter),
    responses(
        (status = 200, description = "The state of the client", body = Identity),
        (status = 502, description = "The identity provider failed"),
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

/// Repairs a device's client, and reports what was done.
#[utoipa::path(
    post, path = "/api/devices/{id}/identity/sync", tag = "identity", params(IdParameter),
    responses(
        (status = 200, description = "The repairs, and the current state of the client", body = Synchronized),
        (status = 409, description = "Another change of the device is in progress, or the client is not ours"),
        (status = 502, description = "The identity provider failed"),
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
        (status = 409, description = "Another change of the device is in progress, or the client is not ours"),
        (status = 502, description = "The identity provider failed, or does not know the client"),
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
        (status = 409, description = "Another change of the device is in progress, or the client is not ours"),
        (status = 502, description = "The identity provider failed, or does not know the client"),
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

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => devices::Error::NotFound.into(),
            Error::Invalid(violations) => Self::invalid(violations),
            Error::Busy => devices::Error::Busy.into(),
            Error::Repeat(error) => error.into(),
            Error::Changed(changed) => devices::Error::Changed(changed).into(),
            Error::SerialTaken => devices::Error::SerialTaken.into(),
            Error::SerialInDoubt => devices::Error::SerialInDoubt.into(),
            Error::Identity(error) => error.into(),
            Error::Database(error) => error.into(),
        }
    }
}
