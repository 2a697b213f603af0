//! Who saw or changed what.
//!
//! A disclosure is recorded before it is answered: [`Audit::record`] returns once the record is on the disk. A change
//! is recorded in its own transaction: [`insert`].

mod committer;
pub(crate) mod http;
mod store;

use std::sync::Arc;

use jiff::Timestamp;

pub use committer::Audit;
pub(crate) use store::insert;

use crate::app::App;
use crate::database;
use crate::operation::Operation;

/// A record to be made: who did what to which device, when, and from where.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: Timestamp,
    /// `administrator`, or the client id of a device.
    pub actor: String,
    pub action: Operation,
    pub device_id: Option<i64>,
    /// The caller's address.
    pub source: String,
}

/// A record that was made. Ids grow with time and are never used twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: i64,
    pub at: Timestamp,
    pub actor: String,
    /// The name of the operation.
    pub action: String,
    pub device_id: Option<i64>,
    pub source: String,
}

/// Why a record was not made. What it was to allow must not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no audit record could be made: {0}")]
pub struct Error(pub(crate) Arc<database::Error>);

/// Which records a list holds.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub device_id: Option<i64>,
    pub action: Option<Operation>,
    /// The earliest time, itself included.
    pub from: Option<Timestamp>,
    /// The time before which a record was made.
    pub to: Option<Timestamp>,
    /// Only records older than the one with this id.
    pub before: Option<i64>,
}

/// Records, newest first, at most `limit` of them.
///
/// # Errors
/// The database's alone.
pub fn list(app: &App, filter: &Filter, limit: i64) -> Result<Vec<Record>, database::Error> {
    app.database.read(|connection| store::list(connection, filter, limit))
}
