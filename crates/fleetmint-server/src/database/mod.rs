//! Transactions, lists and errors for all nouns. It knows no noun: a table's meaning is in its noun's `store.rs`.
//!
//! A write is one transaction. Its statements are right on any database, also while others write at the same time: what
//! a decision depends on is a condition of the statement itself, or a constraint. Everything that only SQLite has is in
//! `sqlite`.

pub mod after;
mod constraint;
mod error;
pub(crate) mod folding;
pub mod keyset;
#[cfg(test)]
pub(crate) mod race;
pub(crate) mod schema;
pub(crate) mod sqlite;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use diesel::Connection as _;
use diesel::SqliteConnection;
use diesel::result::Error as DieselError;
use jiff::{SignedDuration, Timestamp};

pub use constraint::Constraint;
pub use error::{Error, OpenError};
pub(crate) use sqlite::group_commit::{Ended, GroupCommit, Job, UnderWay};

use sqlite::Sqlite;

/// The database types that every `store.rs` builds its queries with. For queries on several databases, only this module
/// changes.
pub(crate) mod prelude {
    pub(crate) use diesel::prelude::*;
}

/// The connection that queries run on.
pub type Connection = SqliteConnection;

/// The database whose SQL and types the queries use.
pub(crate) type Backend = diesel::sqlite::Sqlite;

/// The database of a running service. Cloning is cheap: all clones share the connections.
#[derive(Clone, Debug)]
pub struct Database(Sqlite);

/// The sizes of the database's files in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub database: u64,
    /// The size of the write-ahead log: committed data that is not yet in the database's own file.
    pub wal: u64,
}

impl Database {
    /// Opens the database file, creates it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened, is not a database, or was written by a newer program.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Sqlite::open(path).map(Self)
    }

    /// Opens the database of a server that may be running. Its schema stays as it is.
    ///
    /// # Errors
    /// The file is missing, is not a database, or has another schema than this program's.
    pub fn attach(path: &Path) -> Result<Self, OpenError> {
        Sqlite::attach(path).map(Self)
    }

    /// The file of the database.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Every file that SQLite uses or looks for: the database and the files beside it.
    pub fn files(&self) -> [PathBuf; 4] {
        self.0.files()
    }

    /// Runs a query that takes microseconds; see [`Database::read_long`] for others.
    ///
    /// SQLite runs it on the calling thread, in the first poll: a read from the page cache takes less time than handing
    /// it to another thread. The bounds are those of a database across a network, which would run it elsewhere; they
    /// cost nothing here.
    pub async fn read<T, E>(&self, query: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.0.read(query)
    }

    /// [`Database::read`] for queries that may take long: on a thread of their own, so that no other request waits for
    /// them.
    pub async fn read_long<T, E>(
        &self,
        query: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let sqlite = self.0.clone();
        tokio::task::spawn_blocking(move || sqlite.read(query))
            .await
            .map_err(|panicked| Error::Other(format!("a read ended abnormally: {panicked}")))?
    }

    /// [`Database::read`] for threads that may wait: commands, the start of the service.
    pub fn read_blocking<T, E: From<Error>>(
        &self,
        query: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.read(query)
    }

    /// Runs `work` as one transaction; when this resolves, its changes are on the disk, or it has changed nothing.
    /// After [`Error::Gone`] the changes are lost with the files, unless the files come back.
    pub async fn write<T, E>(&self, work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let sqlite = self.0.clone();
        tokio::task::spawn_blocking(move || sqlite.write(work))
            .await
            .map_err(|panicked| Error::Other(format!("a write ended abnormally: {panicked}")))?
    }

    /// [`Database::write`] for threads that may wait for the disk.
    pub fn write_blocking<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.write(work)
    }

    /// Starts a task that commits jobs of one kind, many at a time.
    pub(crate) fn group_commit<J: Job>(&self) -> GroupCommit<J> {
        GroupCommit::start(self.0.clone())
    }

    /// How large the database's files are. A missing one has no size.
    pub fn sizes(&self) -> Sizes {
        self.0.sizes()
    }

    /// The number of transactions that the database could not begin or commit, or rolled back itself, for example
    /// because the disk is full or another program locked the database for too long.
    pub fn failed_writes(&self) -> u64 {
        self.0.failed_writes()
    }

    /// Copies all of it, as it is at one moment, into an existing, empty file.
    ///
    /// # Errors
    /// It cannot be read, or the file cannot be written.
    pub fn copy_into(&self, file: &Path) -> Result<(), Error> {
        self.0.copy_into(file)
    }

    /// Checks that the files are still those that were opened, so that data written now survives a restart.
    ///
    /// # Errors
    /// Names the file that is missing or replaced.
    pub fn check_files(&self) -> Result<(), Error> {
        self.0.check_files()
    }

    /// Moves what was committed into the database's own file and empties the log beside it, which otherwise keeps the
    /// pages' old content.
    ///
    /// # Errors
    /// The disk fails, or another process uses the log.
    pub fn empty_log(&self) -> Result<(), Error> {
        self.0.empty_log()
    }
}

/// Runs `work` as a part of the current transaction: after an error only its changes are rolled back and the
/// transaction continues, also on a database where a violated constraint would otherwise end it.
pub(crate) fn nested<T, E: From<Error>>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<T, E> {
    let mut failure = None;
    let outcome = connection.transaction(|connection| {
        work(connection).map_err(|error| {
            failure = Some(error);
            DieselError::RollbackTransaction
        })
    });
    outcome.map_err(|error| failure.unwrap_or_else(|| Error::from(error).into()))
}

/// A time as the tables store it: microseconds since the epoch. A value that this program cannot have written becomes
/// the epoch.
pub(crate) fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The time of a row's change: later than the row's previous one, so that it distinguishes the states of the row.
pub(crate) fn time_of_change(now: Timestamp, before: Timestamp) -> Timestamp {
    let next = before.checked_add(SignedDuration::from_micros(1));
    next.map_or(now, |next| now.max(next))
}
