//! A copy of the database, also beside a running server.

use std::path::Path;

use crate::audit::{self, Entry, Outcome};
use crate::clock::Clock;
use crate::database::{self, Database};
use crate::operation::Operation;

/// Stands in the audit trail in place of a caller's address.
const SOURCE: &str = "fleetmint admin backup";

/// Copies the database as it is at one moment into an existing, empty file. Writers do not wait for it. `actor` is who
/// runs this, for the audit trail; the copy holds the record of the attempt, not its outcome.
///
/// # Errors
/// The database's, for example if the file's disk is full.
pub fn back_up(database: &Database, file: &Path, actor: &str, clock: &dyn Clock) -> Result<(), database::Error> {
    let record = Entry {
        at: clock.now(),
        actor: actor.to_owned().into(),
        action: Operation::BackUpDatabase,
        device_id: None,
        model_id: None,
        source: SOURCE.into(),
    };
    let attempt = database.write_blocking(|connection| audit::start(connection, &record))?;
    let copied = database.copy_into(file);
    let outcome = Outcome::of(&copied);
    let at = clock.now();
    database.write_blocking(|connection| audit::end(connection, &record, attempt, outcome, at))?;
    copied
}
