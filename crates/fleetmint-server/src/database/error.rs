use std::path::PathBuf;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why a query or a transaction failed. Nothing of it was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query asked for exactly one row, and there is none.
    #[error("no such row")]
    NotFound,
    /// A unique column holds this value already. `columns` is `table.column[, …]`.
    #[error("{columns} is taken")]
    Taken { columns: String },
    /// A row is still referred to, or refers to a row that is not there.
    #[error("a reference between rows would break")]
    Referenced,
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// Another process held the database for too long.
    #[error("the database is busy")]
    Busy,
    /// The file or its log is no longer at its path: what is written would be gone with the next start.
    #[error("{0}")]
    Gone(&'static str),
    #[error("{0}")]
    Other(String),
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                // "UNIQUE constraint failed: devices.key": SQLite names the columns in its text alone.
                let message = info.message();
                Self::Taken {
                    columns: message.rsplit(": ").next().unwrap_or(message).to_owned(),
                }
            }
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
    /// It was not brought up to date by this program.
    #[error("the database is older than this program; start the server of this version first")]
    Older,
    #[error("bringing the database's schema up to date failed: {0}")]
    Migration(String),
}
