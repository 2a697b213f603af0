use std::path::Path;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;

use crate::database::{Connection, Error};

/// How long a write waits for another process (a token reset beside the running server) before it fails.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// Deleted values are overwritten: plain text that was sealed later is not secret as long as its bytes are in the file.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let name = file_name(path)?;
    let mut connection = Connection::establish(&name).map_err(|error| Error::Other(error.to_string()))?;
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;"
    ))?;
    Ok(connection)
}

/// A path in a form that SQLite cannot mistake for a URI: `file:x.db` would be one, and would name another file than
/// the one that was checked; diesel turns `sqlite://x.db` into such a URI. No other character has a meaning in a path.
pub(super) fn file_name(path: &Path) -> Result<String, Error> {
    let plain = if path.is_relative() {
        Path::new(".").join(path)
    } else {
        path.to_owned()
    };
    plain
        .into_os_string()
        .into_string()
        .map_err(|_| Error::Other(format!("{} is not UTF-8", path.display())))
}
