#![expect(unused_qualifications, reason = "utoipa's macro writes the paths of types")]

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, ToSchema};

use super::{Error, Filter, Listed, Named};
use crate::caller::Caller;
use crate::database::Database;
use crate::http::extract::{Query, parse_id};
use crate::http::page::{self, Page};
use crate::http::problem::{self, Problem};
use crate::http::schema;
use crate::http::time::{self, Time};
use crate::operation::Operation;

/// One record of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditRecord {
    id: i64,
    #[schema(schema_with = schema::time)]
    at: Time,
    /// Who did it.
    #[schema(example = "administrator")]
    actor: String,
    /// The name of the operation.
    #[schema(example = "get_provisioning")]
    action: String,
    /// To which device. It may be gone by now, or there may never have been one with this id.
    #[schema(required)]
    device_id: Option<i64>,
    /// What that device is called now; `null` if it does not exist.
    #[schema(required)]
    device: Option<NamedDevice>,
    /// To which device model, or to a device of which one.
    #[schema(required)]
    model_id: Option<i64>,
    /// What that model is called now; `null` if it does not exist.
    #[schema(required)]
    model: Option<NamedModel>,
    /// The address that the call came from, or the command that was run.
    #[schema(example = "192.0.2.7")]
    source: String,
    /// `started`: its outcome is a record of its own, or a crash cut the operation short. `succeeded`, `failed`. `unknown`:
    /// the record is older than outcomes are.
    #[schema(schema_with = outcome_name)]
    outcome: String,
    /// The id of the record of the attempt whose outcome this is; `null` where attempt and outcome are one record.
    #[schema(required)]
    attempt: Option<i64>,
    /// Why it failed: the last part of a problem's type.
    #[schema(required, example = "not-found")]
    reason: Option<String>,
}

/// A device that still exists.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedDevice {
    #[schema(example = "k3v9x0qa")]
    key: String,
    #[schema(example = "Kitchen")]
    name: String,
}

/// A device model that still exists.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedModel {
    #[schema(example = "tempsensor")]
    code: String,
    #[schema(example = "Temperature sensor")]
    name: String,
}

impl From<Named> for NamedDevice {
    fn from(Named { key, name }: Named) -> Self {
        Self { key, name }
    }
}

impl From<Named> for NamedModel {
    fn from(Named { key: code, name }: Named) -> Self {
        Self { code, name }
    }
}

impl AuditRecord {
    fn new(record: super::Record, devices: &HashMap<i64, Named>, models: &HashMap<i64, Named>) -> Self {
        let named = |id: Option<i64>, names: &HashMap<i64, Named>| names.get(&id?).cloned();
        Self {
            id: record.id,
            at: Time(record.at),
            actor: record.actor,
            action: record.action,
            device_id: record.device_id,
            device: named(record.device_id, devices).map(NamedDevice::from),
            model_id: record.model_id,
            model: named(record.model_id, models).map(NamedModel::from),
            source: record.source,
            outcome: record.outcome,
            attempt: record.attempt,
            reason: record.reason,
        }
    }
}

/// Which records to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "documents the parameters; they are read one by one to name each one's mistake"
)]
pub(crate) struct AuditParameters {
    /// Only what was done to the device with this id, which may be gone by now.
    #[param(value_type = schema::IdInQuery, inline, required = false)]
    device: i64,
    /// Only what was done to the device model with this id, or to its devices.
    #[param(value_type = schema::IdInQuery, inline, required = false)]
    model: i64,
    /// Only this operation.
    #[param(value_type = OperationInQuery, inline, required = false, example = "get_provisioning")]
    action: String,
    /// Only records with this outcome: `started`, `succeeded`, `failed` or `unknown`.
    #[param(value_type = OutcomeInQuery, inline, required = false)]
    outcome: String,
    /// The earliest time, itself included (RFC 3339).
    #[param(required = false, value_type = String, format = DateTime)]
    from: String,
    /// The time before which it was done (RFC 3339).
    #[param(required = false, value_type = String, format = DateTime)]
    to: String,
    /// How many records at most.
    #[param(minimum = 1, maximum = 500, default = 50, required = false)]
    limit: u32,
    /// The `next_cursor` of the page before.
    #[param(required = false, pattern = "^(?:[1-9][0-9]{0,17})?$")]
    cursor: String,
}

/// Lists who saw or changed what, newest first.
///
/// A page may hold fewer records than `limit`, or none, although `next_cursor` leads to more: a search without `device` looks
/// at a million records for each page.
#[utoipa::path(
    get, path = "/api/audit", tag = "audit", params(AuditParameters),
    responses(
        (status = 200, description = "One page of the records", body = Page<AuditRecord>),
        (status = 422, description = "A parameter breaks a rule"),
    )
)]
pub(crate) async fn list_audit(
    State(database): State<Database>,
    _caller: Caller,
    mut query: Query,
) -> Result<Json<Page<AuditRecord>>, Problem> {
    let filter = Filter {
        device_id: query.parse("device", parse_id),
        model_id: query.parse("model", parse_id),
        action: query.parse("action", operation),
        outcome: query.parse("outcome", outcome),
        from: query.parse("from", time::parse),
        to: query.parse("to", time::parse),
        before: query.parse_text("cursor", parse_id),
    };
    let limit = page::limit(&mut query);
    query.finish()?;
    let Listed {
        records,
        devices,
        models,
        next,
    } = super::list(&database, filter, limit).await?;
    let records = records.into_iter();
    Ok(Json(Page {
        next_cursor: next.map(|next| next.to_string()),
        items: records
            .map(|record| AuditRecord::new(record, &devices, &models))
            .collect(),
    }))
}

/// The names of operations, in the document.
fn operation_name() -> Schema {
    let operations = Operation::CALLS.iter().chain(Operation::OTHERS);
    let names = operations.map(|operation| operation.name());
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
        .into()
}

schema::parameter!(
    /// [`operation_name`] in a query.
    OperationInQuery,
    operation_name()
);

schema::parameter!(
    /// [`outcome_name`] in a query.
    OutcomeInQuery,
    outcome_name()
);

/// The names of outcomes, in the document.
fn outcome_name() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(super::OUTCOMES))
        .into()
}

fn operation(text: &str) -> Result<Operation, String> {
    Operation::CALLS
        .iter()
        .chain(Operation::OTHERS)
        .find(|operation| operation.name() == text)
        .copied()
        .ok_or_else(|| "must be the name of an operation, such as get_provisioning".to_owned())
}

fn outcome(text: &str) -> Result<&'static str, String> {
    super::OUTCOMES
        .into_iter()
        .find(|outcome| *outcome == text)
        .ok_or_else(|| format!("must be one of {}", super::OUTCOMES.join(", ")))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::new(
            problem::UNAVAILABLE,
            "The audit record of the disclosure could not be written, so nothing is disclosed.",
        )
        .with_cause(&error)
    }
}
