//! The pool, transactions and migrations. It knows no noun: what a table means is its noun's `store.rs`.
//!
//! SQLite in WAL mode with `synchronous=FULL`: readers never wait, writers take turns at one connection, and what a
//! transaction wrote is on the disk when it returns.

pub mod after;
mod error;
pub(crate) mod folding;
pub mod keyset;
mod migrations;
pub(crate) mod schema;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::result::Error as DieselError;
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};

pub use error::{Error, OpenError};

use crate::private_file;

/// What queries run on.
pub type Connection = SqliteConnection;

/// How long a write waits for another process (a token reset beside the running server) before it is given up.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// How long it holds that the files are in their place. To look costs a tenth of a small write's processor time, and who
/// deletes the files loses what was written before as well.
const FILES_HOLD: Duration = Duration::from_millis(100);

/// Idle readers kept open. Reads run on the server's own threads, so no more than these are ever busy at once.
const MAX_IDLE_READERS: usize = 64;

/// The database of a running service. Cloning is cheap: all clones share the connections.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// The write-ahead log beside it.
    wal: PathBuf,
    /// The file that was opened.
    identity: Option<Identity>,
    /// `None` after a write panicked or could not be rolled back: it is opened again.
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
    /// When the files were last seen in their place.
    files_seen: Mutex<Option<Instant>>,
    failed_writes: AtomicU64,
}

/// Which file a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(#[cfg(unix)] (u64, u64));

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            Some(Self((metadata.dev(), metadata.ino())))
        }
        #[cfg(not(unix))]
        Some(Self())
    }
}

/// The sizes of the database's files in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub database: u64,
    /// What was committed and is not yet in the database's own file.
    pub wal: u64,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database file, makes it where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened, is no database, or was written by a newer program.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Open {
            path: path.to_owned(),
            cause,
        };
        let is_new = create(path).map_err(failed)?;
        let mut writer = connect(path).map_err(failed)?;
        migrations::run(&mut writer)?;
        if is_new {
            // A folder whose volume is not mounted looks like one of a first start.
            tracing::warn!("a new, empty database was created in {}", path.display());
        }
        Ok(Self::new(path, writer))
    }

    /// Opens the database of a server that may be running. Its schema is left as it is.
    ///
    /// # Errors
    /// The file is not there, is no database, or has another schema than this program's.
    pub fn attach(path: &Path) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Open {
            path: path.to_owned(),
            cause,
        };
        if path.symlink_metadata().is_err() {
            return Err(failed(Error::Other(
                "there is no database; the server makes it at its first start".to_owned(),
            )));
        }
        restrict(path).map_err(failed)?;
        let mut writer = connect(path).map_err(failed)?;
        migrations::check(&mut writer)?;
        Ok(Self::new(path, writer))
    }

    fn new(path: &Path, writer: Connection) -> Self {
        Self(Arc::new(Inner {
            identity: Identity::of(path),
            path: path.to_owned(),
            wal: beside(path, "-wal"),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::new(Vec::new()),
            files_seen: Mutex::default(),
            failed_writes: AtomicU64::new(0),
        }))
    }

    /// The file of the database.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Every file that SQLite keeps or looks for: the database and those beside it.
    pub fn files(&self) -> [PathBuf; 4] {
        ["", "-wal", "-shm", "-journal"].map(|suffix| beside(&self.0.path, suffix))
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
        self.read_blocking(query)
    }

    /// [`Database::read`] for threads that may wait: commands, the start of the service.
    pub fn read_blocking<T, E: From<Error>>(
        &self,
        query: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
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

    /// [`Database::read`] for queries that may take long: on a thread of their own, so that no other request waits for them.
    pub async fn read_long<T, E>(
        &self,
        query: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.read_blocking(query))
            .await
            .map_err(|panicked| Error::Other(format!("a read ended abnormally: {panicked}")))?
    }

    /// How large the database's files are. One that is not there has no size.
    pub fn sizes(&self) -> Sizes {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        Sizes {
            database: size(&self.0.path),
            wal: size(&self.0.wal),
        }
    }

    /// How many transactions the database did not begin or commit, or ended by itself: because the disk is full, say, or
    /// another program held the database for too long.
    pub fn failed_writes(&self) -> u64 {
        self.0.failed_writes.load(Ordering::Relaxed)
    }

    fn write_failed(&self) {
        self.0.failed_writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Copies all of it, as it is at one moment, into a file that is there and empty.
    ///
    /// # Errors
    /// It cannot be read, or the file cannot be written.
    pub fn copy_into(&self, file: &Path) -> Result<(), Error> {
        let name = sqlite_name(file)?;
        self.read_blocking(|connection| {
            diesel::sql_query("VACUUM INTO ?")
                .bind::<diesel::sql_types::Text, _>(name)
                .execute(connection)?;
            Ok(())
        })
    }

    /// Whether what is written now will be there after a restart: the files are still those that were opened.
    ///
    /// # Errors
    /// Which one is not.
    pub fn check_files(&self) -> Result<(), Error> {
        let checked = self.check_file().and_then(|()| self.check_log());
        *self.files_seen() = checked.is_ok().then(Instant::now);
        checked
    }

    fn files_seen(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.files_seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_file(&self) -> Result<(), Error> {
        match self.0.identity == Identity::of(&self.0.path) {
            true => Ok(()),
            false => Err(Error::Gone("the database's file was replaced or deleted")),
        }
    }

    fn check_log(&self) -> Result<(), Error> {
        match std::fs::metadata(&self.0.wal) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Gone("the database's write-ahead log was deleted")),
        }
    }

    fn connect(&self) -> Result<Connection, Error> {
        // SQLite would create another file, or mix two.
        self.check_file()?;
        connect(&self.0.path)
    }

    /// Moves what was committed into the database's own file and empties the log beside it, which otherwise keeps the
    /// pages as they were before.
    ///
    /// # Errors
    /// The disk fails, or another process keeps the log in use.
    pub fn empty_log(&self) -> Result<(), Error> {
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

    /// Runs `work` as one transaction; its changes are on the disk when this resolves, or none of them are made. After
    /// [`Error::Gone`] they are lost with the files, or made if these come back.
    pub async fn write<T, E>(&self, work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.write_blocking(work))
            .await
            .map_err(|panicked| Error::Other(format!("a write ended abnormally: {panicked}")))?
    }

    /// [`Database::write`] for threads of their own: waits for the disk on the calling thread.
    pub fn write_blocking<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut slot = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // An open file is still written when its path leads to another, or to none.
        let is_due = self.files_seen().is_none_or(|seen| seen.elapsed() >= FILES_HOLD);
        if is_due {
            self.check_file().inspect_err(|_| self.write_failed())?;
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
                // Whoever opens the database first makes the log, so that only now it must be there.
                if is_due {
                    self.check_files().inspect_err(|_| self.write_failed())?;
                }
                Ok(value)
            }
            (Err(DieselError::RollbackTransaction), Some(error)) => {
                *slot = Some(writer);
                Err(error)
            }
            // SQLite ends a transaction by itself when the disk is full, and rolling back fails then. The connection
            // is closed, which rolls back whatever is left; the next write opens another.
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
}

/// Runs `work` as a part of the transaction that is under way: after an error its changes are rolled back, and the
/// transaction can go on.
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

/// Creates the file where there is none, and keeps it and those beside it from other users: SQLite itself would go by
/// the umask. What SQLite creates later has the mode of the database's file. Returns whether the file has nothing yet.
fn create(path: &Path) -> Result<bool, Error> {
    restrict_beside(path)?;
    match private_file::create(path) {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            let folder = path.parent().filter(|folder| matches!(folder.try_exists(), Ok(false)));
            let reason = match folder.filter(|folder| *folder != Path::new("")) {
                Some(folder) => format!("the folder {} is missing", folder.display()),
                None => error.to_string(),
            };
            return Err(Error::Other(format!("it cannot be created: {reason}")));
        }
    }
    private_file::restrict(path).map_err(|error| Error::Other(error.to_string()))?;
    Ok(std::fs::metadata(path).is_ok_and(|file| file.len() == 0))
}

fn restrict(path: &Path) -> Result<(), Error> {
    private_file::restrict(path).map_err(|error| Error::Other(error.to_string()))?;
    restrict_beside(path)
}

/// SQLite would follow a link in the place of one of its other files, and could not say which one leads nowhere.
fn restrict_beside(path: &Path) -> Result<(), Error> {
    for suffix in ["-wal", "-shm", "-journal"] {
        let file = beside(path, suffix);
        private_file::restrict(&file).map_err(|error| Error::Other(format!("{}: {error}", file.display())))?;
    }
    Ok(())
}

/// A file that SQLite keeps beside the database's.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(suffix);
    PathBuf::from(file)
}

/// A path as SQLite takes it for nothing but a path: `file:x.db` would be a URI, which names another file than the one that
/// was checked, and diesel makes such a URI of `sqlite://x.db`. No other character means anything in a path.
fn sqlite_name(path: &Path) -> Result<String, Error> {
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

/// Deleted values are overwritten, since plain text that was sealed later is no secret while its bytes are in the file.
fn connect(path: &Path) -> Result<Connection, Error> {
    let name = sqlite_name(path)?;
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

/// A time as the tables keep it: microseconds since the epoch. What no program of ours wrote becomes the epoch.
pub(crate) fn timestamp(microseconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(microseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
