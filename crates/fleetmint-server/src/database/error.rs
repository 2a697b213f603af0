use std::path::PathBuf;

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
