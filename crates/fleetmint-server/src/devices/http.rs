use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use super::{ChangeDevice, Error, Filter, Sort, serial};
use crate::access::Caller;
use crate::app::App;
use crate::change::FieldChange;
use crate::http::conditional::{IfMatch, IfMatchParameter, IfNoneMatch, IfNoneMatchParameter, tagged};
use crate::http::extract::{Id, IdParameter, MergePatch, Object, Query, parse_id};
use crate::http::page::{ListParameters, Page, listing};
use crate::http::problem::{self, Problem};
use crate::http::schema;
use crate::http::time::Time;
use crate::overrides::ChangeOverrides;
use crate::overrides::http::Overrides;
use crate::violation::Violation;

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
    /// The maker's or owner's own number for it.
    #[schema(required, example = "SN-2026-000042")]
    serial: Option<String>,
    #[schema(schema_with = schema::id)]
    device_model_id: i64,
    provisioning: Overrides,
    /// The board that carries it: the one that it was flashed onto last. `null` if there is none.
    #[schema(required)]
    board: Option<Board>,
    #[schema(schema_with = schema::time)]
    created_at: Time,
    #[schema(schema_with = schema::time)]
    updated_at: Time,
}

/// The board that carries a device.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceBoard)]
pub(crate) struct Board {
    /// The MAC of its chip.
    #[schema(schema_with = mac)]
    mac: String,
    /// The name of its chip in ESP-IDF.
    #[schema(example = "esp32c3")]
    chip: String,
    /// When the flash ended that put the device there. `null` if its end was never reported, or it failed after it had
    /// begun to write: it is then unknown what the board holds.
    #[schema(schema_with = schema::optional_time)]
    flashed_at: Option<Time>,
}

impl From<super::Board> for Board {
    fn from(board: super::Board) -> Self {
        Self {
            mac: board.mac,
            chip: board.chip,
            flashed_at: board.flashed_at.map(Time),
        }
    }
}

/// The MAC of a chip in an answer.
pub(crate) fn mac() -> Schema {
    schema::text()
        .pattern(Some("^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$"))
        .examples(["60:55:f9:aa:00:01"])
        .into()
}

/// A [`Board`], in an answer that is sent back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SameBoard {
    mac: String,
    chip: String,
    flashed_at: Option<Timestamp>,
}

impl From<SameBoard> for super::Board {
    fn from(board: SameBoard) -> Self {
        let SameBoard { mac, chip, flashed_at } = board;
        Self { mac, chip, flashed_at }
    }
}

fn fixed_board() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .read_only(true)
        .description(Some("Only unchanged."))
        .into()
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
            board: device.board.map(Board::from),
            created_at: Time(device.created_at),
            updated_at: Time(device.updated_at),
        }
    }
}

/// A change of a device: a JSON merge patch. Fields that never change are accepted with their current value, so that an
/// answer can be sent back.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ChangeDevice)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeMembers {
    #[schema(schema_with = schema::fixed_id)]
    #[serde(default)]
    id: FieldChange<i64>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    key: FieldChange<String>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    client_id: FieldChange<String>,
    // The client id names the model.
    #[schema(schema_with = schema::fixed_id)]
    #[serde(default)]
    device_model_id: FieldChange<i64>,
    #[schema(schema_with = schema::name)]
    #[serde(default)]
    name: FieldChange<String>,
    #[schema(schema_with = serial_schema)]
    #[serde(default)]
    serial: FieldChange<String>,
    #[schema(value_type = Option<ChangeOverrides>)]
    #[serde(default)]
    provisioning: FieldChange<Object<ChangeOverrides>>,
    #[schema(schema_with = fixed_board)]
    #[serde(default)]
    board: FieldChange<Object<SameBoard>>,
    #[schema(schema_with = schema::fixed_time)]
    #[serde(default)]
    created_at: FieldChange<Timestamp>,
    #[schema(schema_with = schema::fixed_time)]
    #[serde(default)]
    updated_at: FieldChange<Timestamp>,
}

/// A device's serial.
pub(crate) fn serial_schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .min_length(Some(1))
        .max_length(Some(serial::MAX))
        .pattern(Some(serial::PATTERN))
        .description(Some(
            "The maker's or owner's own number for it: 1 to 64 printable ASCII characters without spaces at the ends. No \
             two devices have the same.",
        ))
        .examples(["SN-2026-000042"])
        .into()
}

schema::parameter!(
    /// A serial in a query, which may be any text.
    SerialInQuery,
    schema::text().into()
);

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
    #[param(value_type = SerialInQuery, inline, required = false)]
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
    let devices = super::list(&app, filter, listing.clone()).await?;
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
        (status = 200, description = "The device", body = Device, headers(("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`"))),
        (status = 304, description = "It is still in a state in `If-None-Match`"),
    )
)]
pub(crate) async fn get_device(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let device = super::get(&app, id).await?;
    Ok(if_none_match.answer(device.version(), Device::from(device)))
}

/// Changes a device.
#[utoipa::path(
    patch, path = "/api/devices/{id}", tag = "devices", params(IdParameter, IfMatchParameter),
    request_body(content((ChangeMembers = "application/merge-patch+json"), (ChangeMembers = "application/json"))),
    responses(
        (status = 200, description = "The device after the change", body = Device, headers(("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`"))),
        (status = 400, description = "The body is not JSON, or `If-Match` cannot be read"),
        (status = 409, description = "The serial is taken, or another change of the device is in progress"),
        (status = 412, description = "It is in none of the states in `If-Match`"),
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
        board,
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
        board: board.map(|Object(board)| board.into()),
        expected,
    };
    let device = super::update(&app, &caller, id, change).await?;
    Ok(tagged(device.version(), Device::from(device)))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found("There is no device with this id."),
            Error::Invalid(violations) => Self::invalid(violations),
            Error::Changed(_) => Self::changed("device"),
            Error::Busy => Self::new(problem::BEING_CHANGED, "Another change of this device is in progress."),
            Error::SerialTaken => {
                let detail = "there is a device with this serial already";
                Self::new(problem::ALREADY_EXISTS, "There is a device with this serial already.")
                    .with_errors(vec![Violation::new("/serial", detail)])
            }
            Error::SerialInDoubt => Self::new(
                problem::BEING_CHANGED,
                "A device with this serial is being created or deleted at the identity provider.",
            ),
            Error::Database(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn a_lost_race_is_a_conflict() {
        let answer = Problem::from(Error::Busy).into_response();
        assert_eq!(answer.status(), StatusCode::CONFLICT);
    }
}
