//! Who saw or changed what.
//!
//! Every operation that discloses or changes something leaves a record of the attempt and of its outcome, also if it
//! failed. A request that cannot be read never reaches an operation and leaves no record. The trail is append-only, so
//! the rows depend on the operation:
//!
//! ```text
//! one transaction          one row, in that transaction: succeeded or failed        [`change`], [`Audit::disclose`]
//! a call in between        a row `started` that is durable before anything is       [`start`], [`Audit::begin`]
//!                          disclosed or changed elsewhere, and, when the outcome
//!                          is known, a second row whose `attempt` names the first
//! ```
//!
//! A `started` row without a second one belongs to an operation that a crash interrupted.

mod attempt;
pub(crate) mod http;
mod job;
mod recorder;
mod store;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

pub use attempt::Attempt;
pub use recorder::Audit;
pub(crate) use store::{end, insert, last_open, start};

use crate::caller::Caller;
use crate::database::{self, Connection, Database};
use crate::operation::Operation;

/// The actor of work that nobody requested: the server's at its start, the reconciler's.
pub(crate) const SYSTEM: &str = "system";

/// The content of a record: who did what to which device or model, when, and from where.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: Timestamp,
    /// `administrator`, the client id of a device, `system`, or `os:` and a user of the operating system.
    pub actor: Cow<'static, str>,
    pub action: Operation,
    pub device_id: Option<i64>,
    pub model_id: Option<i64>,
    /// The caller's address, or the command that was run.
    pub source: Cow<'static, str>,
}

impl Caller {
    /// A new audit record of an operation of this actor.
    pub fn record(&self, at: Timestamp, action: Operation) -> Entry {
        Entry {
            at,
            actor: self.principal.name().into(),
            action,
            device_id: None,
            model_id: None,
            source: self.source.to_string().into(),
        }
    }
}

/// Stands in the records of a start in place of a caller's address.
const START: &str = "fleetmint serve";

impl Entry {
    /// The record of work that the server does at its start.
    pub(crate) fn of_start(at: Timestamp, action: Operation) -> Self {
        Self {
            at,
            actor: SYSTEM.into(),
            action,
            device_id: None,
            model_id: None,
            source: START.into(),
        }
    }

    #[must_use]
    pub fn device(mut self, id: i64) -> Self {
        self.device_id = Some(id);
        self
    }

    #[must_use]
    pub fn model(mut self, id: i64) -> Self {
        self.model_id = Some(id);
        self
    }
}

/// How far an operation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It began; its outcome will be a record of its own.
    Started,
    Succeeded,
    /// Why: the last part of a problem's type, such as `not-found`.
    Failed(&'static str),
}

impl Outcome {
    /// How an operation with this result ended.
    pub fn of<T, E: Reason>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Succeeded,
            Err(error) => Self::Failed(error.reason()),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
        }
    }

    const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Failed(reason) => Some(reason),
            Self::Started | Self::Succeeded => None,
        }
    }
}

/// The outcomes that records are listed by.
const OUTCOMES: [&str; 4] = ["started", "succeeded", "failed", "unknown"];

/// An error with the reason why an operation failed, as the last part of a problem's type.
pub trait Reason {
    fn reason(&self) -> &'static str;
}

impl Reason for database::Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Full | Self::Busy | Self::Gone(_) => "unavailable",
            _ => "internal-error",
        }
    }
}

/// A stored record. Ids grow with time and are never used twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: i64,
    pub at: Timestamp,
    pub actor: String,
    /// The name of the operation.
    pub action: String,
    pub device_id: Option<i64>,
    pub model_id: Option<i64>,
    pub source: String,
    /// `started`, `succeeded`, `failed`, or `unknown` in records that are older than outcomes.
    pub outcome: String,
    /// The id of the record of the attempt whose outcome this is.
    pub attempt: Option<i64>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// Why an operation was not recorded. The operation must then not go on.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no audit record could be created: {0}")]
pub struct Error(pub(crate) Arc<database::Error>);

impl Error {
    fn abandoned() -> Self {
        Self(Arc::new(database::Error::Other(
            "the audit's committer ended abnormally".to_owned(),
        )))
    }
}

impl From<database::Ended> for Error {
    fn from(_: database::Ended) -> Self {
        Self::abandoned()
    }
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        "unavailable"
    }
}

/// Selects the records of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub device_id: Option<i64>,
    pub model_id: Option<i64>,
    pub action: Option<Operation>,
    /// The name of an outcome.
    pub outcome: Option<&'static str>,
    /// The earliest time, itself included.
    pub from: Option<Timestamp>,
    /// The end of the time range, itself excluded.
    pub to: Option<Timestamp>,
    /// Only records older than the one with this id.
    pub before: Option<i64>,
}

/// What a device or a model is called now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// A device's key, a model's code.
    pub key: String,
    pub name: String,
}

/// A part of the trail.
#[derive(Clone, Debug)]
pub struct Listed {
    pub records: Vec<Record>,
    /// The devices of these records that still exist, by their ids.
    pub devices: HashMap<i64, Named>,
    /// The models of these records that still exist, by their ids.
    pub models: HashMap<i64, Named>,
    /// The id to continue from: older records than this one may match too.
    pub next: Option<i64>,
}

/// Records, newest first, at most `limit` of them. There may be fewer, or none, although older records match: each page
/// of a search reads a million records at most.
///
/// # Errors
/// Only the database's.
pub async fn list(database: &Database, filter: Filter, limit: u32) -> Result<Listed, database::Error> {
    let read = move |connection: &mut Connection| store::list(connection, &filter, limit.into());
    database.read_long(read).await
}

/// Runs `work` as one transaction with its record: `succeeded`, or, after its changes were rolled back, `failed`. `work`
/// may add to the entry what it learns.
///
/// # Errors
/// What `work` returns, or that nothing could be written.
pub(crate) async fn change<T, E>(
    database: &Database,
    entry: Entry,
    work: impl FnOnce(&mut Connection, &mut Entry) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: Reason + From<database::Error> + Send + 'static,
{
    database
        .write::<_, E>(move |connection| within(connection, entry, work))
        .await?
}

/// The same in a running transaction, which must be committed even after the inner error.
pub(crate) fn within<T, E: Reason + From<database::Error>>(
    connection: &mut Connection,
    mut entry: Entry,
    work: impl FnOnce(&mut Connection, &mut Entry) -> Result<T, E>,
) -> Result<Result<T, E>, E> {
    let result = database::nested(connection, |connection| work(connection, &mut entry));
    let recorded = insert(connection, &entry, Outcome::of(&result));
    match (result, recorded) {
        // The operation's failure changed nothing. It must not turn into another error because its record is missing.
        (Err(error), Err(unrecorded)) => {
            tracing::error!(action = entry.action.name(), %unrecorded, "a failed operation could not be recorded");
            Err(error)
        }
        (Ok(_), Err(unrecorded)) => Err(unrecorded.into()),
        (result, Ok(())) => Ok(result),
    }
}
