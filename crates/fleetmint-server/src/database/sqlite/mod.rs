//! The database as one file of SQLite.
//!
//! In WAL mode with `synchronous=FULL`: readers never wait, writers share one connection, and a transaction's changes
//! are on the disk when it returns.

mod connect;
mod error;
mod files;
mod functions;
pub(crate) mod group_commit;
mod migrations;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::RunQueryDsl as _;
use diesel::result::Error as DieselError;

use super::{Connection, Error, OpenError, Sizes};
use files::Files;

/// The number of idle read connections that stay open. Reads run on the server's own threads, so no more than this are
/// ever busy at once.
const MAX_IDLE_READERS: usize = 64;

/// An open file. Cloning is cheap: all clones share the connections.
#[derive(Clone)]
pub(crate) struct Sqlite(Arc<Inner>);

struct Inner {
    files: Files,
    /// `None` after a write panicked or could not be rolled back: it is opened again.
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
    failed_writes: AtomicU64,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Open {
            path: path.to_owned(),
            cause,
        };
        let is_new = files::create(path).map_err(failed)?;
        let mut writer = connect::connect(path).map_err(failed)?;
        migrations::run(&mut writer)?;
        if is_new {
            // A folder whose volume is not mounted looks like an empty folder at a first start.
            tracing::warn!("a new, empty database was created in {}", path.display());
        }
        Ok(Self::new(path, writer))
    }

    pub(super) fn attach(path: &Path) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Open {
            path: path.to_owned(),
            cause,
        };
        if path.symlink_metadata().is_err() {
            return Err(failed(Error::Other(
                "there is no database; the server creates it at its first start".to_owned(),
            )));
        }
        files::restrict(path).map_err(failed)?;
        let mut writer = connect::connect(path).map_err(failed)?;
        migrations::check(&mut writer)?;
        Ok(Self::new(path, writer))
    }

    fn new(path: &Path, writer: Connection) -> Self {
        Self(Arc::new(Inner {
            files: Files::opened(path),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::new(Vec::new()),
            failed_writes: AtomicU64::new(0),
        }))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.files.path()
    }

    pub(super) fn files(&self) -> [PathBuf; 4] {
        self.0.files.all()
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.0.files.sizes()
    }

    pub(super) fn check_files(&self) -> Result<(), Error> {
        self.0.files.check()
    }

    pub(super) fn failed_writes(&self) -> u64 {
        self.0.failed_writes.load(Ordering::Relaxed)
    }

    fn write_failed(&self) {
        self.0.failed_writes.fetch_add(1, Ordering::Relaxed);
    }

    fn connect(&self) -> Result<Connection, Error> {
        // SQLite would create another file, or mix two.
        self.0.files.check_database()?;
        connect::connect(self.path())
    }

    /// Runs a query on the calling thread.
    pub(super) fn read<T, E: From<Error>>(&self, query: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, E> {
        let idle = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let result = query(&mut connection);
        let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < MAX_IDLE_READERS {
            readers.push(connection);
        }
        result
    }

    /// Runs `work` as one transaction, and waits for the disk on the calling thread.
    pub(super) fn write<T, E: From<Error>>(&self, work: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, E> {
        let mut slot = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // SQLite would still write the open file after its path leads to another file or to none.
        let is_due = self.0.files.is_check_due();
        if is_due {
            self.0.files.check_database().inspect_err(|_| self.write_failed())?;
        }
        let mut writer = match slot.take() {
            Some(writer) => writer,
            None => self.connect()?,
        };
        let mut failure = None;
        // BEGIN IMMEDIATE: a transaction that reads first and writes later would otherwise fail under load.
        let outcome = writer.immediate_transaction(|connection| {
            work(connection).map_err(|error| {
                failure = Some(error);
                DieselError::RollbackTransaction
            })
        });
        match (outcome, failure) {
            (Ok(value), _) => {
                *slot = Some(writer);
                // The first process that opens the database creates the log, so only now must it exist.
                if is_due {
                    self.check_files().inspect_err(|_| self.write_failed())?;
                }
                Ok(value)
            }
            (Err(DieselError::RollbackTransaction), Some(error)) => {
                *slot = Some(writer);
                Err(error)
            }
            // SQLite itself ends a transaction when the disk is full, and a rollback then fails. The connection is
            // closed, which rolls back the rest; the next write opens a new one.
            (Err(_), Some(error)) => {
                self.write_failed();
                Err(error)
            }
            (Err(error), None) => {
                self.write_failed();
                Err(Error::from(error).into())
            }
        }
    }

    pub(super) fn copy_into(&self, file: &Path) -> Result<(), Error> {
        let name = connect::file_name(file)?;
        self.read(|connection| {
            diesel::sql_query("VACUUM INTO ?")
                .bind::<diesel::sql_types::Text, _>(name)
                .execute(connection)?;
            Ok(())
        })
    }

    pub(super) fn empty_log(&self) -> Result<(), Error> {
        #[derive(diesel::QueryableByName)]
        struct Checkpoint {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            busy: i32,
        }
        let mut slot = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = match slot.take() {
            Some(writer) => writer,
            None => self.connect()?,
        };
        let checkpoint: Checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(&mut writer)?;
        *slot = Some(writer);
        match checkpoint.busy {
            0 => Ok(()),
            _ => Err(Error::Other("another process reads the database's log".to_owned())),
        }
    }
}
