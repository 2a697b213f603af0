//! The database's file and the files that SQLite has beside it: their permissions, and whether they are still in place.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::database::{Error, Sizes};
use crate::private_file;

/// How long a check of the files is valid. A check costs a tenth of a small write's processor time, and deleting the
/// files also destroys all earlier data.
const CHECK_LASTS: Duration = Duration::from_millis(100);

/// The suffixes of the files beside the database's.
const SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The files of an open database.
pub(super) struct Files {
    path: PathBuf,
    /// The write-ahead log.
    wal: PathBuf,
    /// The file that was opened.
    identity: Option<Identity>,
    /// When the last check found all of them.
    checked: Mutex<Option<Instant>>,
}

/// Identifies the file at a path.
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

impl Files {
    pub(super) fn opened(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            wal: beside(path, "-wal"),
            identity: Identity::of(path),
            checked: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn all(&self) -> [PathBuf; 4] {
        ["", "-wal", "-shm", "-journal"].map(|suffix| beside(&self.path, suffix))
    }

    pub(super) fn sizes(&self) -> Sizes {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        Sizes {
            database: size(&self.path),
            wal: size(&self.wal),
        }
    }

    pub(super) fn is_check_due(&self) -> bool {
        let checked = *self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.is_none_or(|at| at.elapsed() >= CHECK_LASTS)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let result = self.check_database().and_then(|()| self.check_log());
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = result.is_ok().then(Instant::now);
        result
    }

    pub(super) fn check_database(&self) -> Result<(), Error> {
        match self.identity == Identity::of(&self.path) {
            true => Ok(()),
            false => Err(Error::Gone("the database's file was replaced or deleted")),
        }
    }

    fn check_log(&self) -> Result<(), Error> {
        match std::fs::metadata(&self.wal) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Gone("the database's write-ahead log was deleted")),
        }
    }
}

/// Creates the file if it is missing, and removes other users' permissions on it and the files beside it: SQLite itself
/// would follow the umask. Files that SQLite creates later get the mode of the database's file. Returns whether the
/// file is still empty.
pub(super) fn create(path: &Path) -> Result<bool, Error> {
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

/// Removes other users' permissions on the files.
pub(super) fn restrict(path: &Path) -> Result<(), Error> {
    private_file::restrict(path).map_err(|error| Error::Other(error.to_string()))?;
    restrict_beside(path)
}

/// SQLite would follow a link in place of one of its other files, and its error would not name a broken one.
fn restrict_beside(path: &Path) -> Result<(), Error> {
    for suffix in SUFFIXES {
        let file = beside(path, suffix);
        private_file::restrict(&file).map_err(|error| Error::Other(format!("{}: {error}", file.display())))?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(suffix);
    PathBuf::from(file)
}
