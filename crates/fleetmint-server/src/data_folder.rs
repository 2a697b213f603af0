//! The data folder: what the embedded defaults keep on disk, for the service's own user alone.

mod ancestors;
mod temporary;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::bounded_file;
use crate::private_file;
use crate::random::Random;
use crate::seal::MasterKey;
use crate::secret::Secret;

/// Held by the running server; its text is the server's process id.
const LOCK: &str = "lock";
const MASTER_KEY: &str = "master-key";
/// The administrator token, in one line.
const ADMIN_TOKEN: &str = "admin-token";

/// Held by whoever changes the administrator token.
const ADMIN_TOKEN_LOCK: &str = "admin-token.lock";

/// Empty; there once the server has a database.
const DATABASE_NOTE: &str = "database-created";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the data folder {} cannot be created: {cause}", dir.display())]
    Create { dir: PathBuf, cause: io::Error },
    #[error("{}: {cause}", path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error(
        "{} is used by another fleetmint server{}; stop it, or set data.dir to another folder",
        dir.display(),
        if pid.is_empty() { String::new() } else { format!(" (process {pid})") }
    )]
    Locked { dir: PathBuf, pid: String },
    #[error(
        "{} can be written by {by}, who could replace the database{}; {repair}, or set data.allow_shared_dir = true if \
         they may",
        dir.display(), if *has_keys { " and its keys" } else { "" }
    )]
    Shared {
        dir: PathBuf,
        /// It is the data folder, not another that the database is in.
        has_keys: bool,
        by: String,
        repair: &'static str,
    },
    #[error("{}: {cause}", path.display())]
    MasterKey { path: PathBuf, cause: crate::seal::NoKey },
}

/// A folder that exists.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

/// The file of the administrator token as it was when it was opened: each write makes another file.
#[derive(Debug)]
pub struct TokenFile {
    file: File,
    opened: Option<Links>,
}

/// The links to a file, and when they last changed: a file that another has taken the place of has one fewer.
#[derive(Debug, PartialEq, Eq)]
struct Links {
    count: u64,
    changed: (i64, i64),
}

impl Links {
    #[cfg(unix)]
    fn of(file: &File) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = file.metadata().ok()?;
        Some(Self {
            count: metadata.nlink(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    #[cfg(not(unix))]
    fn of(_: &File) -> Option<Self> {
        None
    }
}

impl TokenFile {
    /// Whether it is still in its place, with what it held. Costs a fraction of looking its path up.
    pub fn is_current(&self) -> bool {
        self.opened.is_some() && self.opened == Links::of(&self.file)
    }

    /// # Errors
    /// It cannot be read.
    pub fn token(&self) -> io::Result<Secret> {
        let text = bounded_file::read_open_text(&self.file, bounded_file::SECRET_MAX)?;
        Ok(Secret::new(text.trim().to_owned()))
    }
}

/// The data folder is this process's own as long as this lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl DataFolder {
    /// Makes the folder where there is none, for its owner alone.
    ///
    /// # Errors
    /// [`Error::Create`].
    pub fn create(dir: &Path) -> Result<Self, Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(|cause| Error::Create {
            dir: dir.to_owned(),
            cause,
        })?;
        Ok(Self(dir.to_owned()))
    }

    /// Refuses a folder that other users can write: they could put their own files in the place of the database and its
    /// keys. One that others can read is warned about: its files are private all the same. A folder that is not there
    /// holds nothing.
    ///
    /// # Errors
    /// [`Error::Shared`], [`Error::Io`].
    pub fn check_access(&self) -> Result<(), Error> {
        check_access(&self.0, true)
    }

    /// As [`DataFolder::check_access`], of the folder of a database that is elsewhere.
    ///
    /// # Errors
    /// [`Error::Shared`], [`Error::Io`].
    pub fn check_access_to(&self, database: &Path) -> Result<(), Error> {
        let dir = match database.parent() {
            Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
            Some(dir) => dir,
            None => return Ok(()),
        };
        if is_same(dir, &self.0) {
            return Ok(());
        }
        check_access(dir, false)
    }

    /// Warns about folders on the way to this one and to the database in which other users could rename the next one, and
    /// so put another in its place.
    pub fn warn_about_ancestors(&self, databases: [&Path; 2]) {
        let folders = databases.into_iter().filter_map(Path::parent);
        ancestors::warn(std::iter::once(&*self.0).chain(folders));
    }

    /// Notes that there is a database, for the day on which it is gone: with key and token from the settings, no other
    /// file would tell.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn note_database(&self) -> Result<(), Error> {
        let path = self.0.join(DATABASE_NOTE);
        private_file::open_or_create(&path).map_err(io_error(&path))?;
        Ok(())
    }

    /// The file that shows that a server kept a database with this folder before.
    pub(crate) fn trace_of_a_database(&self) -> Option<PathBuf> {
        [
            self.master_key_path(),
            self.admin_token_path(),
            self.0.join(DATABASE_NOTE),
        ]
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    }

    /// A folder that a server has made.
    pub fn existing(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub fn admin_token_path(&self) -> PathBuf {
        self.0.join(ADMIN_TOKEN)
    }

    pub fn master_key_path(&self) -> PathBuf {
        self.0.join(MASTER_KEY)
    }

    /// Every file that the program keeps in the folder, besides the database.
    pub fn files(&self) -> [PathBuf; 5] {
        [MASTER_KEY, ADMIN_TOKEN, ADMIN_TOKEN_LOCK, LOCK, DATABASE_NOTE].map(|name| self.0.join(name))
    }

    /// Makes the folder this process's own, until the lock is dropped or the process ends, however it ends.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it, [`Error::Io`].
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.0.join(LOCK);
        let mut file = private_file::open_or_create(&path).map_err(io_error(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The number only helps; a lock without it says enough.
                let _ = file.take(20).read_to_string(&mut pid);
                return Err(Error::Locked {
                    dir: self.0.clone(),
                    pid: pid.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(Error::Io { path, cause }),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(io_error(&path))?;
        Ok(Lock(file))
    }

    /// Waits until no other process changes the administrator token, and makes them wait until this is dropped.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn lock_admin_token(&self) -> Result<Lock, Error> {
        let path = self.0.join(ADMIN_TOKEN_LOCK);
        let file = private_file::open_or_create(&path).map_err(io_error(&path))?;
        file.lock().map_err(io_error(&path))?;
        Ok(Lock(file))
    }

    /// Reads the master key, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::MasterKey`].
    pub fn master_key(&self) -> Result<Option<MasterKey>, Error> {
        let path = self.master_key_path();
        let text =
            private_file::open(&path).and_then(|file| bounded_file::read_open_text(&file, bounded_file::SECRET_MAX));
        match text {
            Ok(text) => MasterKey::from_base64(text.trim())
                .map(Some)
                .map_err(|cause| Error::MasterKey { path, cause }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::Io { path, cause }),
        }
    }

    /// Makes a master key and keeps it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn make_master_key(&self, random: &dyn Random) -> Result<MasterKey, Error> {
        let key = MasterKey::generate(random);
        self.write(MASTER_KEY, &Zeroizing::new(format!("{}\n", *key.to_base64())))?;
        Ok(key)
    }

    /// Opens the file of the administrator token, if the token is kept here.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn admin_token_file(&self) -> Result<Option<TokenFile>, Error> {
        let path = self.admin_token_path();
        match private_file::open(&path) {
            Ok(file) => Ok(Some(TokenFile {
                opened: Links::of(&file),
                file,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::Io { path, cause }),
        }
    }

    /// Keeps the administrator token, in place of the one before.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_admin_token(&self, token: &str) -> Result<(), Error> {
        self.write(ADMIN_TOKEN, &Zeroizing::new(format!("{token}\n")))
    }

    /// Removes the administrator token, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_admin_token(&self) -> Result<(), Error> {
        let path = self.admin_token_path();
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::Io { path, cause }),
            _ => Ok(()),
        }
    }

    /// Deletes what was not finished when a process was killed: temporary files of this program's own, which hold a key or a
    /// token. The lock shows that no other server is at work here.
    ///
    /// # Errors
    /// [`Error::Io`]: the lock of the administrator token cannot be had. A file that cannot be deleted is warned about.
    pub fn delete_leftovers(&self, _lock: &Lock) -> Result<(), Error> {
        // A reset beside the server writes its file under this one.
        let _alone = self.lock_admin_token()?;
        temporary::delete_leftovers(&self.0, &[MASTER_KEY, ADMIN_TOKEN]);
        Ok(())
    }

    /// Writes a file for the owner alone: whole and on the disk, or not at all.
    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        temporary::write(&self.0, name, text).map_err(io_error(&self.0.join(name)))
    }
}

/// Whether two paths lead to one folder.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(unix)]
fn check_access(dir: &Path, has_keys: bool) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(io_error(dir))?,
    };
    let (mode, owner) = (metadata.mode() & 0o777, metadata.uid());
    let shared = |by: String, repair| Error::Shared {
        dir: dir.to_owned(),
        has_keys,
        by,
        repair,
    };
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        let by = format!("its owner, the user {owner}");
        return Err(shared(by, "give it to the server's user (chown)"));
    }
    if mode & 0o022 != 0 {
        let by = format!("other users (mode {mode:03o})");
        return Err(shared(by, "take that from them (chmod 700)"));
    }
    if mode & 0o055 != 0 {
        tracing::warn!(
            "other users can read or enter the {} {} (mode {mode:03o}); chmod 700 keeps it private",
            if has_keys { "data folder" } else { "database's folder" },
            dir.display()
        );
    }
    Ok(())
}

/// Other systems have no such modes.
#[cfg(not(unix))]
fn check_access(_dir: &Path, _has_keys: bool) -> Result<(), Error> {
    Ok(())
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |cause| Error::Io { path, cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn one_process_at_a_time_has_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&root.path().join("a/b")).unwrap();
        let lock = folder.lock().unwrap();
        let error = folder.lock().unwrap_err().to_string();
        assert!(error.contains("is used by another fleetmint server"), "{error}");
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        folder.lock().unwrap();
    }

    #[test]
    fn the_master_key_is_made_once_and_read_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(root.path()).unwrap();
        assert!(folder.master_key().unwrap().is_none());
        let made = folder.make_master_key(&SystemRandom).unwrap();
        let path = folder.master_key_path();
        assert_eq!(*folder.master_key().unwrap().unwrap().to_base64(), *made.to_base64());

        fs::write(&path, "too short").unwrap();
        let error = folder.master_key().unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        assert!(!error.contains("too short"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_kept_is_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&root.path().join("data")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root.path().join("data")), 0o700);
        let _lock = folder.lock().unwrap();
        folder.make_master_key(&SystemRandom).unwrap();
        // Even where a careless copy left it open to others.
        fs::write(folder.admin_token_path(), "old").unwrap();
        fs::set_permissions(folder.admin_token_path(), fs::Permissions::from_mode(0o644)).unwrap();
        folder.write_admin_token("new").unwrap();
        assert_eq!(fs::read_to_string(folder.admin_token_path()).unwrap(), "new\n");
        for entry in fs::read_dir(root.path().join("data")).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}
