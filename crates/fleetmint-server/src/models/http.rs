use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChangeDeviceModel, Error, NewDeviceModel, Sort};
use crate::access::Caller;
use crate::app::App;
use crate::change::FieldChange;
use crate::http::conditional::{IfMatch, IfMatchParameter, IfNoneMatch, IfNoneMatchParameter, etag, tagged};
use crate::http::extract::{Id, IdParameter, MergePatch, Object, Query};
use crate::http::page::{ListParameters, Page, only_listing};
use crate::http::problem::{self, Problem, kinds};
use crate::http::schema;
use crate::http::time::Time;
use crate::idempotency::Answer;
use crate::idempotency::http::{Creation, IdempotencyKeyParameter};
use crate::operation::Operation;
use crate::overrides::ChangeOverrides;
use crate::overrides::http::Overrides;
use crate::violation::Violation;

/// A type of device.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeviceModel {
    #[schema(schema_with = schema::id)]
    id: i64,
    /// Part of its devices' client ids; it never changes.
    #[schema(example = "tempsensor")]
    code: String,
    #[schema(example = "Temperature sensor")]
    name: String,
    provisioning: Overrides,
    #[schema(schema_with = schema::time)]
    created_at: Time,
    #[schema(schema_with = schema::time)]
    updated_at: Time,
}

impl From<super::DeviceModel> for DeviceModel {
    fn from(model: super::DeviceModel) -> Self {
        Self {
            id: model.id,
            code: model.code,
            name: model.name,
            provisioning: model.overrides.into(),
            created_at: Time(model.created_at),
            updated_at: Time(model.updated_at),
        }
    }
}

/// A new type of device.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewDeviceModel)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    /// 1 to 50 of `a-z`, `0-9` and `_`; it never changes.
    #[schema(example = "tempsensor", pattern = "^[a-z0-9_]{1,50}$")]
    code: String,
    #[schema(schema_with = schema::name)]
    name: String,
    #[serde(default)]
    #[schema(value_type = Option<ChangeOverrides>)]
    provisioning: Option<Object<ChangeOverrides>>,
}

/// A change of a model: a JSON merge patch. Fields that never change are accepted with their current value, so that an
/// answer can be sent back.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangeDeviceModel)]
#[serde(deny_unknown_fields)]
#[derive(Default)]
pub(crate) struct ChangeModel {
    #[schema(schema_with = schema::fixed_id)]
    #[serde(default)]
    id: FieldChange<i64>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    code: FieldChange<String>,
    #[schema(schema_with = schema::name)]
    #[serde(default)]
    name: FieldChange<String>,
    #[schema(value_type = Option<ChangeOverrides>)]
    #[serde(default)]
    provisioning: FieldChange<Object<ChangeOverrides>>,
    #[schema(schema_with = schema::fixed_time)]
    #[serde(default)]
    created_at: FieldChange<Timestamp>,
    #[schema(schema_with = schema::fixed_time)]
    #[serde(default)]
    updated_at: FieldChange<Timestamp>,
}

/// Creates a device model.
#[utoipa::path(
    post, path = "/api/device-models", tag = "device models", params(IdempotencyKeyParameter), request_body = New,
    responses(
        (status = 201, description = "The new model", body = DeviceModel, headers(
            ("Location" = String, description = "The model's path"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` if this is the answer to an earlier call"),
            ("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`")
        )),
        (status = 400, description = "The body is not JSON, or `Idempotency-Key` cannot be read"),
        (status = 409, description = "The code is taken, or the first call with this key is still in progress"),
        (status = 422, description = "A value breaks a rule, or the key was used for another call"),
    )
)]
pub(crate) async fn create_device_model(
    State(app): State<App>,
    caller: Caller,
    creation: Creation<New>,
) -> Result<Response, Problem> {
    let (new, once) = creation.once(&app, &caller, Operation::CreateDeviceModel, answer);
    let New {
        code,
        name,
        provisioning,
    } = new;
    let new = NewDeviceModel {
        code,
        name,
        overrides: provisioning.unwrap_or_default().0,
    };
    Ok(super::create(&app, &caller, new, once).await?.answer(answer))
}

fn answer(model: &super::DeviceModel) -> Answer {
    Answer::created(
        Operation::GetDeviceModel.path_of(model.id),
        etag(model.version()),
        &DeviceModel::from(model.clone()),
    )
}

/// Lists the device models.
#[utoipa::path(
    get, path = "/api/device-models", tag = "device models", params(ListParameters<Sort>),
    responses(
        (status = 200, description = "One page of the models", body = Page<DeviceModel>),
        (status = 422, description = "A parameter breaks a rule"),
    )
)]
pub(crate) async fn list_device_models(
    State(app): State<App>,
    _caller: Caller,
    query: Query,
) -> Result<axum::Json<Page<DeviceModel>>, Problem> {
    let listing = only_listing::<Sort>(query)?;
    let models = super::list(&app, listing.clone()).await?;
    Ok(axum::Json(Page::new(
        &listing,
        models,
        |model| model.place(listing.sort),
        DeviceModel::from,
    )))
}

/// One device model.
#[utoipa::path(
    get, path = "/api/device-models/{id}", tag = "device models", params(IdParameter, IfNoneMatchParameter),
    responses(
        (status = 200, description = "The model", body = DeviceModel, headers(("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`"))),
        (status = 304, description = "It is still in a state in `If-None-Match`"),
    )
)]
pub(crate) async fn get_device_model(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let model = super::get(&app, id).await?;
    Ok(if_none_match.answer(model.version(), DeviceModel::from(model)))
}

/// Changes a device model.
#[utoipa::path(
    patch, path = "/api/device-models/{id}", tag = "device models", params(IdParameter, IfMatchParameter),
    request_body(content((ChangeModel = "application/merge-patch+json"), (ChangeModel = "application/json"))),
    responses(
        (status = 200, description = "The model after the change", body = DeviceModel, headers(("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`"))),
        (status = 400, description = "The body is not JSON, or `If-Match` cannot be read"),
        (status = 409, description = "Another change of the model is in progress"),
        (status = 412, description = "It is in none of the states in `If-Match`"),
        (status = 422, description = "A value breaks a rule, or never changes"),
    )
)]
pub(crate) async fn update_device_model(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    MergePatch(change): MergePatch<ChangeModel>,
) -> Result<Response, Problem> {
    let ChangeModel {
        id: same_id,
        code,
        name,
        provisioning,
        created_at,
        updated_at,
    } = change;
    let change = ChangeDeviceModel {
        id: same_id,
        created_at,
        updated_at,
        code,
        name,
        overrides: ChangeOverrides::from_member(provisioning.map(|Object(change)| change)),
        expected,
    };
    let model = super::update(&app, &caller, id, change).await?;
    Ok(tagged(model.version(), DeviceModel::from(model)))
}

/// Deletes a device model that no device has.
#[utoipa::path(
    delete, path = "/api/device-models/{id}", tag = "device models", params(IdParameter, IfMatchParameter),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 400, description = "`If-Match` cannot be read"),
        (status = 409, description = "There are devices of this model, or another change of the model is in progress"),
        (status = 412, description = "It is in none of the states in `If-Match`"),
    )
)]
pub(crate) async fn delete_device_model(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, Problem> {
    super::delete(&app, &caller, id, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

kinds! {
    IN_USE = CONFLICT, "in-use", "The resource is in use", false;
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found("There is no device model with this id."),
            Error::CodeTaken { .. } => Self::new(
                problem::ALREADY_EXISTS,
                "There is a device model with this code already.",
            )
            .with_errors(vec![Violation::new("/code", error.to_string())]),
            Error::Repeat(error) => error.into(),
            Error::Changed(_) => Self::changed("device model"),
            Error::Busy => Self::new(
                problem::BEING_CHANGED,
                "Another change of this device model is in progress.",
            ),
            Error::InUse => Self::new(IN_USE, "There are devices of this model; delete them first."),
            Error::Invalid(violations) => Self::invalid(violations),
            Error::Database(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn a_lost_race_is_a_conflict() {
        let answer = Problem::from(Error::Busy).into_response();
        assert_eq!(answer.status(), StatusCode::CONFLICT);
    }
}
