pub(crate) mod board;
mod schemas;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use schemas::{chip, count, fixed_object, mac_in_request, offset, outcome, partition_name, reason, size, state, tool};

use super::{ChangeFlash, Error, FlashSort, NewFlash};
use crate::access::Caller;
use crate::app::App;
use crate::change::FieldChange;
use crate::devices;
use crate::http::conditional::{IfMatch, IfMatchParameter, IfNoneMatch, IfNoneMatchParameter, etag, tagged};
use crate::http::extract::{Id, IdParameter, Ids, MergePatch, Object, Query};
use crate::http::page::{ListParameters, Page, only_listing};
use crate::http::problem::{self, Problem, kinds};
use crate::http::schema;
use crate::http::time::Time;
use crate::idempotency::Answer;
use crate::idempotency::http::{Creation, IdempotencyKeyParameter};
use crate::operation::Operation;
use crate::violation::Violation;

/// The partition of the chip's flash that holds the device's values.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Partition {
    #[schema(schema_with = partition_name)]
    name: String,
    /// In bytes from the start of the flash.
    #[schema(schema_with = offset)]
    offset: i64,
    /// In bytes.
    #[schema(schema_with = size)]
    size: i64,
}

impl From<Partition> for super::Partition {
    fn from(partition: Partition) -> Self {
        let Partition { name, offset, size } = partition;
        Self { name, offset, size }
    }
}

impl From<super::Partition> for Partition {
    fn from(partition: super::Partition) -> Self {
        let super::Partition { name, offset, size } = partition;
        Self { name, offset, size }
    }
}

/// A flash that is about to begin.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewFlash)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    #[schema(schema_with = mac_in_request)]
    mac: String,
    #[schema(schema_with = chip)]
    chip: String,
    #[schema(value_type = Partition)]
    partition: Object<Partition>,
    #[schema(schema_with = tool)]
    tool: String,
    /// Whether the device may leave the board that it is on, and the board may lose the device that it carries.
    #[serde(default)]
    #[schema(default = false)]
    replace_board: bool,
}

/// A flash: a tool has written a device's values onto a board, or was about to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Flash {
    #[schema(schema_with = schema::id)]
    id: i64,
    /// The device, which may be deleted by now.
    #[schema(schema_with = schema::id)]
    device_id: i64,
    /// The MAC of the board's chip.
    #[schema(schema_with = devices::http::mac)]
    mac: String,
    #[schema(schema_with = chip)]
    chip: String,
    partition: Partition,
    #[schema(schema_with = tool)]
    tool: String,
    /// `started`: its end was not reported. Either it is still going on, or it was cut short: it is then unknown what the
    /// board holds. `ended`: see `outcome`.
    #[schema(schema_with = state)]
    state: &'static str,
    /// `written`: the values were written and verified. `unchanged`: the board already had them. `failed`. `null` as long
    /// as its end was not reported.
    #[schema(schema_with = outcome)]
    outcome: Option<&'static str>,
    /// How many sectors it began to write.
    #[schema(schema_with = count)]
    sectors: Option<i64>,
    /// How many bytes it wrote.
    #[schema(schema_with = count)]
    bytes: Option<i64>,
    /// Why it failed.
    #[schema(schema_with = reason)]
    reason: Option<String>,
    #[schema(schema_with = schema::time)]
    started_at: Time,
    /// When its end was reported.
    #[schema(schema_with = schema::optional_time)]
    ended_at: Option<Time>,
}

impl From<super::Flash> for Flash {
    fn from(flash: super::Flash) -> Self {
        let state = flash.state().name();
        let end = flash.end;
        Self {
            id: flash.id,
            device_id: flash.device_id,
            mac: flash.mac.to_string(),
            chip: flash.chip,
            partition: flash.partition.into(),
            tool: flash.tool,
            state,
            outcome: end.as_ref().map(|end| end.outcome.name()),
            sectors: end.as_ref().map(|end| end.sectors),
            bytes: end.as_ref().map(|end| end.bytes),
            ended_at: end.as_ref().map(|end| Time(end.at)),
            reason: end.and_then(|end| end.reason),
            started_at: Time(flash.started_at),
        }
    }
}

/// The report of a flash's end: a JSON merge patch. The same report may be repeated. Fields that never change are accepted
/// with their current value, so that an answer can be sent back.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = EndFlash)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndMembers {
    /// `written`: the values were written and verified. `unchanged`: the board already had them. `failed`.
    #[schema(schema_with = outcome)]
    #[serde(default)]
    outcome: FieldChange<String>,
    /// How many sectors it began to write: at least 1 if it is `written`, 0 if it is `unchanged`. A sector whose erasure began
    /// counts, even if nothing was written to it. If a flash is `failed` with 0 sectors and 0 bytes, the board is taken to be
    /// as it was before.
    #[schema(schema_with = count)]
    #[serde(default)]
    sectors: FieldChange<i64>,
    /// How many bytes it wrote.
    #[schema(schema_with = count)]
    #[serde(default)]
    bytes: FieldChange<i64>,
    /// Why it failed. It is shown as it is, so it must hold no secret.
    #[schema(schema_with = reason)]
    #[serde(default)]
    reason: FieldChange<String>,
    #[schema(schema_with = schema::fixed_id)]
    #[serde(default)]
    id: FieldChange<i64>,
    #[schema(schema_with = schema::fixed_id)]
    #[serde(default)]
    device_id: FieldChange<i64>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    mac: FieldChange<String>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    chip: FieldChange<String>,
    #[schema(schema_with = fixed_object)]
    #[serde(default)]
    partition: FieldChange<Object<Partition>>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    tool: FieldChange<String>,
    #[schema(schema_with = schema::fixed_text)]
    #[serde(default)]
    state: FieldChange<String>,
    #[schema(schema_with = schema::fixed_time)]
    #[serde(default)]
    started_at: FieldChange<Timestamp>,
    #[schema(schema_with = schema::fixed_time)]
    #[serde(default)]
    ended_at: FieldChange<Timestamp>,
}

/// Begins a flash: a tool is about to write the device's values onto a board.
///
/// From then on the board carries the device, until another flash, or the end of this one, says otherwise. A device is on one
/// board at most, and a board carries one device at most: anything else is refused, unless `replace_board` is true. The answer
/// names the boards and devices that stand against it.
#[utoipa::path(
    post, path = "/api/devices/{id}/flashes", tag = "boards", params(IdParameter, IdempotencyKeyParameter), request_body = New,
    responses(
        (status = 201, description = "The new flash", body = Flash, headers(
            ("Location" = String, description = "The flash's path"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` if this is the answer to an earlier call"),
            ("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`")
        )),
        (status = 400, description = "The body is not JSON, or `Idempotency-Key` cannot be read"),
        (status = 409, description = "The device is on another board, or the board carries another device; or another flash of \
            them begins at the same moment"),
        (status = 422, description = "A value breaks a rule, or the key was used for another call"),
    )
)]
pub(crate) async fn begin_flash(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    creation: Creation<New>,
) -> Result<Response, Problem> {
    let (new, once) = creation.once_below(&app, &caller, Operation::BeginFlash, id, answer);
    let New {
        mac,
        chip,
        partition: Object(partition),
        tool,
        replace_board,
    } = new;
    let new = NewFlash {
        mac,
        chip,
        partition: partition.into(),
        tool,
        replace_board,
    };
    Ok(super::begin(&app, &caller, id, new, once).await?.answer(answer))
}

fn answer(flash: &super::Flash) -> Answer {
    let path = Operation::GetFlash.path_of(flash.device_id);
    Answer::created(
        path.replace("{n}", &flash.id.to_string()),
        etag(flash.version()),
        &Flash::from(flash.clone()),
    )
}

/// Lists a device's flashes, in the order in which they began.
#[utoipa::path(
    get, path = "/api/devices/{id}/flashes", tag = "boards", params(IdParameter, ListParameters<FlashSort>),
    responses(
        (status = 200, description = "One page of the flashes", body = Page<Flash>),
        (status = 422, description = "A parameter breaks a rule"),
    )
)]
pub(crate) async fn list_flashes(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<Page<Flash>>, Problem> {
    let listing = only_listing::<FlashSort>(query)?;
    let flashes = super::flashes_of_device(&app, id, listing.clone()).await?;
    Ok(Json(Page::new(&listing, flashes, super::Flash::place, Flash::from)))
}

/// Documents the second id of a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents the parameter, which is read by Ids")]
pub(crate) struct FlashParameter {
    /// The `id` of the flash.
    #[param(value_type = schema::IdInQuery, inline)]
    n: i64,
}

/// One flash.
#[utoipa::path(
    get, path = "/api/devices/{id}/flashes/{n}", tag = "boards", params(IdParameter, FlashParameter, IfNoneMatchParameter),
    responses(
        (status = 200, description = "The flash", body = Flash, headers(("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`"))),
        (status = 304, description = "It is still in a state in `If-None-Match`"),
    )
)]
pub(crate) async fn get_flash(
    State(app): State<App>,
    _caller: Caller,
    Ids(id, n): Ids,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let flash = super::flash(&app, id, n).await?;
    Ok(if_none_match.answer(flash.version(), Flash::from(flash)))
}

/// Ends a flash: the tool reports what became of it.
#[utoipa::path(
    patch, path = "/api/devices/{id}/flashes/{n}", tag = "boards", params(IdParameter, FlashParameter, IfMatchParameter),
    request_body(content((EndMembers = "application/merge-patch+json"), (EndMembers = "application/json"))),
    responses(
        (status = 200, description = "The flash after the change", body = Flash, headers(("ETag" = String, description = "Its current state, for `If-Match` and `If-None-Match`"))),
        (status = 400, description = "The body is not JSON, or `If-Match` cannot be read"),
        (status = 409, description = "It has ended in another way already, or another change of it is in progress"),
        (status = 412, description = "It is in none of the states in `If-Match`"),
        (status = 422, description = "A value breaks a rule, or never changes"),
    )
)]
pub(crate) async fn end_flash(
    State(app): State<App>,
    caller: Caller,
    Ids(device, n): Ids,
    IfMatch(expected): IfMatch,
    MergePatch(change): MergePatch<EndMembers>,
) -> Result<Response, Problem> {
    let EndMembers {
        outcome,
        sectors,
        bytes,
        reason,
        id,
        device_id,
        mac,
        chip,
        partition,
        tool,
        state,
        started_at,
        ended_at,
    } = change;
    let change = ChangeFlash {
        id,
        device_id,
        mac,
        chip,
        partition: partition.map(|Object(partition)| partition.into()),
        tool,
        state,
        started_at,
        ended_at,
        outcome,
        sectors,
        bytes,
        reason,
        expected,
    };
    let flash = super::end(&app, &caller, device, n, change).await?;
    Ok(tagged(flash.version(), Flash::from(flash)))
}

kinds! {
    ANOTHER_BOARD = CONFLICT, "another-board", "The device is on another board, or the board carries another device", false;
    FLASH_ENDED = CONFLICT, "flash-ended", "The flash has already ended in another way", false;
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoDevice => devices::Error::NotFound.into(),
            Error::NoFlash => Self::not_found("The device has no flash with this id."),
            Error::NoBoard => Self::not_found("No board with this MAC was ever flashed."),
            Error::AnotherBoard { device_id, others } => {
                let sentences = others.iter().map(|other| other.sentence(device_id));
                let errors = sentences.map(|detail| Violation::new("/mac", detail)).collect();
                let detail = super::said_of(&device_id, &others);
                let carries = others.iter().map(|other| {
                    serde_json::json!({"mac": other.mac, "device_id": other.device_id, "device_key": other.device_key})
                });
                let carries: Vec<_> = carries.collect();
                Self::new(
                    ANOTHER_BOARD,
                    format!("Nothing may be written: {detail}. With `replace_board` the new flash replaces this."),
                )
                .with_errors(errors)
                .with_member("carries", carries)
            }
            Error::Ended => Self::new(
                FLASH_ENDED,
                "The flash has already ended in another way; its end does not change any more.",
            ),
            Error::Busy => Self::new(
                problem::BEING_CHANGED,
                "Another flash of this device or this board begins or ends at the same moment.",
            ),
            Error::Invalid(violations) => Self::invalid(violations),
            Error::Changed(_) => Self::changed("flash"),
            Error::Repeat(error) => error.into(),
            Error::Database(error) => error.into(),
        }
    }
}
