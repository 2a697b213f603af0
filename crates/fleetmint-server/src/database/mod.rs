//! What every noun reads and writes by: transactions, lists, errors. It knows no noun: what a table means is its noun's
//! `store.rs`.
//!
//! A write is one transaction. Its statements are right on any database, also where others write at the same time: what
//! was read before is part of the statement's own condition, or of a constraint. What only SQLite has is in [`sqlite`].

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

/// What a `store.rs` builds its queries with. Where a query runs on several databases, only this says how.
pub(crate) mod prelude {
    pub(crate) use diesel::prelude::*;
}

/// What queries run on.
pub type Connection = SqliteConnection;

/// Whose SQL and types those are.
pub(crate) type Backend = diesel::sqlite::Sqlite;

/// The database of a running service. Cloning is cheap: all clones share the connections.
#[derive(Clone, Debug)]
pub struct Database(Sqlite);

/// The sizes of the database's files in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub database: u64,
    /// What was committed and is not yet in the database's own file.
    pub wal: u64,
}

impl Database {
    /// Opens the database file, creates it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened, is no database, or was written by a newer program.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Sqlite::open(path).map(Self)
    }

    /// Opens the database of a server that may be running. Its schema stays as it is.
    ///
    /// # Errors
    /// The file is missing, is no database, or has another schema than this program's.
    pub fn attach(path: &Path) -> Result<Self, OpenError> {
        Sqlite::attach(path).map(Self)
    }

    /// The file of the database.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Every file that SQLite has or looks for: the database and those beside it.
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

    /// Runs `work` as one transaction; its changes are on the disk when this resolves, or it has changed nothing. After
    /// [`Error::Gone`] the changes are lost with the files, or there if these come back.
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

    /// How many transactions the database did not begin or commit, or ended by itself: because the disk is full, say, or
    /// another program held the database for too long.
    pub fn failed_writes(&self) -> u64 {
        self.0.failed_writes()
    }

    /// Copies all of it, as it is at one moment, into a file that exists and is empty.
    ///
    /// # Errors
    /// It cannot be read, or the file cannot be written.
    pub fn copy_into(&self, file: &Path) -> Result<(), Error> {
        self.0.copy_into(file)
    }

    /// Whether what is written now will be there after a restart: the files are still those that were opened.
    ///
    /// # Errors
    /// Which one is not.
    pub fn check_files(&self) -> Result<(), Error> {
        self.0.check_files()
    }

    /// Moves what was committed into the database's own file and empties the log beside it, which otherwise has the
    /// pages as they were before.
    ///
    /// # Errors
    /// The disk fails, or another process uses the log.
    pub fn empty_log(&self) -> Result<(), Error> {
        self.0.empty_log()
    }
}

/// Runs `work` as a part of the transaction that is under way: after an error its changes are rolled back, and the
/// transaction can go on, also where a violated constraint would otherwise end it.
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

/// A time as the tables have it: microseconds since the epoch. What no program of ours wrote becomes the epoch.
pub(crate) fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// When a row is changed: each time is later than the one before, so that it tells the states of a row apart.
pub(crate) fn time_of_change(now: Timestamp, before: Timestamp) -> Timestamp {
    let next = before.checked_add(SignedDuration::from_micros(1));
    next.map_or(now, |next| now.max(next))
}
