use std::path::PathBuf;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

use super::Constraint;

/// Why a query or a transaction failed. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query asked for exactly one row, and found none.
    #[error("no such row")]
    NotFound,
    /// Another row already has these values.
    #[error("{0} is taken")]
    Taken(Constraint),
    /// Another row still refers to the row, or the row refers to one that does not exist.
    #[error("a reference between rows would break")]
    Referenced,
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// Another process held the database for too long, or changed the same row first. The same write may succeed now.
    #[error("the database is busy")]
    Busy,
    /// The file or its log is no longer at its path: new data would be lost at the next start.
    #[error("{0}")]
    Gone(&'static str),
    #[error("{0}")]
    Other(String),
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, ref info) => match violated(&**info) {
                Some(constraint) => Self::Taken(constraint),
                None => Self::Other(error.to_string()),
            },
            DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Self::Referenced,
            DieselError::DatabaseError(_, ref info) => match info.message() {
                "database or disk is full" => Self::Full,
                "database is locked" => Self::Busy,
                _ => Self::Other(error.to_string()),
            },
            other => Self::Other(other.to_string()),
        }
    }
}

/// The unique constraint that refused a row. SQLite has no names for them, and only its message contains their columns:
/// "UNIQUE constraint failed: devices.key".
fn violated(info: &(dyn DatabaseErrorInformation + Send + Sync)) -> Option<Constraint> {
    let message = info.message();
    let columns = message.rsplit(": ").next().unwrap_or(message);
    Constraint::of_name(info.constraint_name().unwrap_or(columns))
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error("{path}: {cause}")]
    Open { path: PathBuf, cause: Error },
    #[error(
        "the database is newer than this program: it has the migration {version}, which this version of fleetmint \
         does not know; start the version that wrote it, or a later one"
    )]
    Newer { version: String },
    /// The server of this version has not been started on it yet.
    #[error("the database is older than this program; start the server of this version first")]
    Older,
    #[error("bringing the database's schema up to date failed: {0}")]
    Migration(String),
}
