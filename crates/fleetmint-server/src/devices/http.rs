use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChangeDevice, Filter, Sort};
use crate::access::Caller;
use crate::app::App;
use crate::change::Change;
use crate::enrolment::{self, NewDevice};
use crate::http::conditional::{IfMatch, IfMatchParameter, IfNoneMatch, IfNoneMatchParameter, etag, tagged};
use crate::http::extract::{Id, IdParameter, MergePatch, Object, Query, parse_id};
use crate::http::page::{ListParameters, Page, listing};
use crate::http::problem::Problem;
use crate::http::schema;
use crate::http::time::Time;
use crate::idempotency::Answer;
use crate::idempotency::http::{Creation, IdempotencyKeyParameter};
use crate::models::ChangeOverrides;
use crate::models::overrides::Shown;
use crate::operation::Operation;

/// A device with its identity.
#[derive(Serialize, ToSchema)]
pub(crate) struct Device {
    #[schema(schema_with = schema::id)]
    id: i64,
    /// A letter and 7 of `a-z` and `0-9`; it never changes.
    #[schema(example = "k3v9x0qa")]
    key: String,
    /// Its OAuth2 client; it never changes.
    #[schema(example = "iotdevice-tempsensor-k3v9x0qa")]
    client_id: String,
    #[schema(example = "Kitchen")]
    name: String,
    /// What its maker or owner knows it by.
    #[schema(required, example = "SN-2026-000042")]
    serial: Option<String>,
    #[schema(schema_with = schema::id)]
    device_model_id: i64,
    provisioning: Shown,
    #[schema(schema_with = schema::time)]
    created_at: Time,
    #[schema(schema_with = schema::time)]
    updated_at: Time,
}

impl From<super::Device> for Device {
    fn from(device: super::Device) -> Self {
        Self {
            id: device.id,
            key: device.key,
            client_id: device.client_id,
            name: device.name,
            serial: device.serial,
            device_model_id: device.device_model_id,
            provisioning: device.overrides.into(),
            created_at: Time(device.created_at),
            updated_at: Time(device.updated_at),
        }
    }
}

/// A new device. Its key, its client and the client's secret are made for it.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewDevice)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    #[schema(schema_with = schema::id)]
    device_model_id: i64,
    #[schema(schema_with = schema::name)]
    name: String,
    #[serde(default)]
    #[schema(schema_with = schema::serial)]
    serial: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<ChangeOverrides>)]
    provisioning: Option<Object<ChangeOverrides>>,
}

/// What is to be changed of a device: a JSON merge patch. What never changes may be sent as it is, so that an answer can
/// be sent back.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ChangeDevice)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeMembers {
    #[schema(schema_with = schema::fixed_id)]
    #[serde(default)]
    id: Change<i64>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    key: Change<String>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    client_id: Change<String>,
    // The client id names the model.
    #[schema(schema_with = schema::fixed_id)]
    #[serde(default)]
    device_model_id: Change<i64>,
    #[schema(schema_with = schema::name)]
    #[serde(default)]
    name: Change<String>,
    #[schema(schema_with = schema::serial)]
    #[serde(default)]
    serial: Change<String>,
    #[schema(value_type = Option<ChangeOverrides>)]
    #[serde(default)]
    provisioning: Change<Object<ChangeOverrides>>,
    #[schema(schema_with = schema::fixed_time)]
    #[serde(default)]
    created_at: Change<Timestamp>,
    #[schema(schema_with = schema::fixed_time)]
    #[serde(default)]
    updated_at: Change<Timestamp>,
}

/// Makes a device and its client at the identity provider.
#[utoipa::path(
    post, path = "/api/devices", tag = "devices", params(IdempotencyKeyParameter), request_body = New,
    responses(
        (status = 201, description = "The new device", body = Device, headers(
            ("Location" = String, description = "The device's path"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` if this is the answer to an earlier call"),
            ("ETag" = String, description = "The state that it is in, for `If-Match` and `If-None-Match`")
        )),
        (status = 400, description = "The body is not JSON, or `Idempotency-Key` cannot be read"),
        (status = 409, description = "The serial is taken, the first call with this key is still under way, or the identity provider \
            has such a client, and it is not ours"),
        (status = 422, description = "A value breaks a rule, there is no such model, or another call was made with this key"),
        (status = 502, description = "The identity provider could not do its part"),
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
    let outcome = enrolment::create_device(&app, &caller, new, once).await?;
    Ok(outcome.answer(answer))
}

fn answer(device: &super::Device) -> Answer {
    Answer::created(
        format!("/api/devices/{}", device.id),
        etag(device.version()),
        &Device::from(device.clone()),
    )
}

/// Which devices to list.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "documents the parameters, which are read with the others of the list"
)]
pub(crate) struct FilterParameters {
    /// Only devices of this model.
    #[param(value_type = schema::IdInQuery, inline, required = false)]
    device_model_id: i64,
    /// Only the device with this serial.
    #[param(value_type = schema::SerialInQuery, inline, required = false)]
    serial: String,
}

/// Lists the devices.
#[utoipa::path(
    get, path = "/api/devices", tag = "devices",
    params(ListParameters<Sort>, FilterParameters),
    responses(
        (status = 200, description = "One page of the devices", body = Page<Device>),
        (status = 422, description = "A parameter breaks a rule"),
    )
)]
pub(crate) async fn list_devices(
    State(app): State<App>,
    _caller: Caller,
    mut query: Query,
) -> Result<axum::Json<Page<Device>>, Problem> {
    let listing = listing::<Sort>(&mut query);
    let device_model_id = query.parse("device_model_id", parse_id);
    let serial = query.parse_text("serial", |text| Ok(text.to_owned()));
    query.finish()?;
    let filter = Filter {
        device_model_id,
        serial,
    };
    let devices = super::list(&app, &filter, &listing)?;
    Ok(axum::Json(Page::new(
        &listing,
        devices,
        |device| device.place(listing.sort),
        Device::from,
    )))
}

/// One device.
#[utoipa::path(
    get, path = "/api/devices/{id}", tag = "devices", params(IdParameter, IfNoneMatchParameter),
    responses(
        (status = 200, description = "The device", body = Device, headers(("ETag" = String, description = "The state that it is in, for `If-Match` and `If-None-Match`"))),
        (status = 304, description = "It is still in the state that `If-None-Match` names"),
    )
)]
pub(crate) async fn get_device(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let device = super::get(&app, id)?;
    Ok(if_none_match.answer(device.version(), Device::from(device)))
}

/// Changes a device.
#[utoipa::path(
    patch, path = "/api/devices/{id}", tag = "devices", params(IdParameter, IfMatchParameter),
    request_body(content((ChangeMembers = "application/merge-patch+json"), (ChangeMembers = "application/json"))),
    responses(
        (status = 200, description = "The device after the change", body = Device, headers(("ETag" = String, description = "The state that it is in, for `If-Match` and `If-None-Match`"))),
        (status = 400, description = "The body is not JSON, or `If-Match` cannot be read"),
        (status = 409, description = "The serial is taken"),
        (status = 412, description = "It is not in a state that `If-Match` names"),
        (status = 422, description = "A value breaks a rule, or never changes"),
    )
)]
pub(crate) async fn update_device(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    MergePatch(change): MergePatch<ChangeMembers>,
) -> Result<Response, Problem> {
    let ChangeMembers {
        id: same_id,
        key,
        client_id,
        device_model_id,
        name,
        serial,
        provisioning,
        created_at,
        updated_at,
    } = change;
    let overrides = ChangeOverrides::from_member(provisioning.map(|Object(change)| change));
    let change = ChangeDevice {
        id: same_id,
        created_at,
        updated_at,
        key,
        client_id,
        device_model_id,
        name,
        serial,
        overrides,
        expected,
    };
    let device = super::update(&app, &caller, id, change).await?;
    Ok(tagged(device.version(), Device::from(device)))
}

/// Deletes a device and its client: its credentials are worth nothing from then on.
#[utoipa::path(
    delete, path = "/api/devices/{id}", tag = "devices", params(IdParameter, IfMatchParameter),
    responses(
        (status = 204, description = "Device and client are gone"),
        (status = 400, description = "`If-Match` cannot be read"),
        (status = 409, description = "Another change of the device is under way"),
        (status = 412, description = "It is not in a state that `If-Match` names"),
        (status = 502, description = "The identity provider could not do its part"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn delete_device(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, Problem> {
    enrolment::delete_device(&app, &caller, id, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}
