//! Who saw or changed what.

mod store;

use jiff::Timestamp;

use crate::database::{self, Connection};
use crate::operation::Operation;

/// Makes audit records durable, many at a time.
#[derive(Debug)]
pub struct Audit {}

/// One record: who did what to which device, when, and from where.
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

/// Adds a record in the transaction of the change that it tells of: both are kept, or neither.
///
/// # Errors
/// Only the database's.
pub fn insert(connection: &mut Connection, entry: &Entry) -> Result<(), database::Error> {
    store::insert(connection, entry)
}
