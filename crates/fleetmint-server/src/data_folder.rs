//! The data folder: the files that a server with the embedded defaults stores on disk, readable only for its own user.

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

/// Locked by the running server; holds the server's process id.
const LOCK: &str = "lock";
const MASTER_KEY: &str = "master-key";
/// The administrator token, in one line.
const ADMIN_TOKEN: &str = "admin-token";

/// Locked by a process while it starts a server with the administrator's token, or resets the token without a server.
const ADMIN_TOKEN_LOCK: &str = "admin-token.lock";

/// The socket of a running server, for commands that run beside it.
const CONTROL_SOCKET: &str = "control.sock";

/// An empty file, which exists once the server has had a database.
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
        /// The data folder; otherwise another folder that contains the database.
        has_keys: bool,
        by: String,
        repair: &'static str,
    },
    #[error("{}: {cause}; `fleetmint admin reset-token` replaces it by a new one", path.display())]
    AdminToken { path: PathBuf, cause: io::Error },
    #[error("{}: {cause}", path.display())]
    MasterKey { path: PathBuf, cause: crate::seal::NoKey },
}

/// An existing folder.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

/// No other process holds this lock while the value exists.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl DataFolder {
    /// Creates the folder, accessible only for its owner, unless it exists.
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

    /// Refuses a folder that other users can write: they could replace the database and its keys. Warns about one that
    /// others can read, though its files are private. A folder that does not exist is fine.
    ///
    /// # Errors
    /// [`Error::Shared`], [`Error::Io`].
    pub fn check_access(&self) -> Result<(), Error> {
        check_access(&self.0, true, false)
    }

    /// The same as [`DataFolder::check_access`], for a command that only asks a running server over the control socket. Root
    /// may ask the server of the folder's owner: the command touches no file of that user and is told no secret.
    ///
    /// # Errors
    /// [`Error::Shared`], [`Error::Io`].
    pub fn check_access_to_ask(&self) -> Result<(), Error> {
        check_access(&self.0, true, true)
    }

    /// The same as [`DataFolder::check_access`], for the folder of a database that is elsewhere.
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
        check_access(dir, false, false)
    }

    /// Warns about parent folders, of this folder and of the database's, in which other users could rename the next folder
    /// and put their own in its place.
    pub fn warn_about_ancestors(&self, databases: [&Path; 2]) {
        let folders = databases.into_iter().filter_map(Path::parent);
        ancestors::warn(std::iter::once(&*self.0).chain(folders));
    }

    /// Leaves a file that shows that there was a database, in case the database is lost: with key and token in the
    /// settings, no other file would show it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn note_database(&self) -> Result<(), Error> {
        let path = self.0.join(DATABASE_NOTE);
        private_file::open_or_create(&path).map_err(io_error(&path))?;
        Ok(())
    }

    /// A file that shows that there was a database with this folder before.
    pub(crate) fn trace_of_a_database(&self) -> Option<PathBuf> {
        [
            self.master_key_path(),
            self.admin_token_path(),
            self.0.join(DATABASE_NOTE),
        ]
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    }

    /// The folder of a server that has run before.
    pub fn existing(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub fn admin_token_path(&self) -> PathBuf {
        self.0.join(ADMIN_TOKEN)
    }

    pub fn master_key_path(&self) -> PathBuf {
        self.0.join(MASTER_KEY)
    }

    /// Every file that the program has in the folder, except the database.
    pub fn files(&self) -> [PathBuf; 6] {
        [
            MASTER_KEY,
            ADMIN_TOKEN,
            ADMIN_TOKEN_LOCK,
            LOCK,
            CONTROL_SOCKET,
            DATABASE_NOTE,
        ]
        .map(|name| self.0.join(name))
    }

    /// The user who owns the folder.
    #[cfg(unix)]
    pub(crate) fn owner(&self) -> Option<u32> {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(&self.0).ok().map(|metadata| metadata.uid())
    }

    /// The socket that a running server listens on for commands that run beside it.
    pub(crate) fn control_socket_path(&self) -> PathBuf {
        self.0.join(CONTROL_SOCKET)
    }

    /// Locks the folder for this process until the lock is dropped or the process ends, however it ends.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has locked it, [`Error::Io`].
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.0.join(LOCK);
        let mut file = private_file::open_or_create(&path).map_err(io_error(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The number is only a help for the reader.
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

    /// Waits until no other process has locked the administrator's token; the others then wait until this is dropped.
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
        let Some(text) = self.read(MASTER_KEY)? else {
            return Ok(None);
        };
        MasterKey::from_base64(text.trim())
            .map(Some)
            .map_err(|cause| Error::MasterKey {
                path: self.master_key_path(),
                cause,
            })
    }

    /// Creates a master key and stores it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create_master_key(&self, random: &dyn Random) -> Result<MasterKey, Error> {
        let key = MasterKey::generate(random);
        self.write(MASTER_KEY, &line(&key.to_base64()))?;
        Ok(key)
    }

    /// Reads the administrator's token, if its file exists.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::AdminToken`].
    pub fn admin_token(&self) -> Result<Option<Secret>, Error> {
        let text = self.read(ADMIN_TOKEN).map_err(|error| match error {
            Error::Io { path, cause } if is_of_content(&cause) => Error::AdminToken { path, cause },
            error => error,
        })?;
        Ok(text.map(|text| Secret::new(text.trim().to_owned())))
    }

    /// Stores the administrator's token and replaces the previous one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_admin_token(&self, token: &str) -> Result<(), Error> {
        self.write(ADMIN_TOKEN, &line(token))
    }

    /// Deletes the administrator's token, if its file exists.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn delete_admin_token(&self) -> Result<(), Error> {
        let path = self.admin_token_path();
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::Io { path, cause }),
            _ => Ok(()),
        }
    }

    /// Deletes the temporary files of a process that was killed, which hold a key or a token. The caller's lock proves that
    /// no server is using them. A file that cannot be deleted is only warned about.
    ///
    /// # Errors
    /// [`Error::Io`] if the administrator's token cannot be locked.
    pub fn delete_leftovers(&self, _lock: &Lock) -> Result<(), Error> {
        // A reset without a server writes its temporary file under this lock.
        let _alone = self.lock_admin_token()?;
        temporary::delete_leftovers(&self.0, &[MASTER_KEY, ADMIN_TOKEN]);
        Ok(())
    }

    /// Reads a secret's file, if it exists.
    fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, Error> {
        let path = self.0.join(name);
        let text =
            private_file::open(&path).and_then(|file| bounded_file::read_open_text(&file, bounded_file::SECRET_MAX));
        match text {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::Io { path, cause }),
        }
    }

    /// Writes a file that only the owner can use: complete and on the disk, or not at all.
    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        temporary::write(&self.0, name, text).map_err(io_error(&self.0.join(name)))
    }
}

/// A secret and a line feed, in memory of exactly this size: a text that grows leaves copies that are not overwritten.
fn line(secret: &str) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(secret.len() + 1));
    line.push_str(secret);
    line.push('\n');
    line
}

/// Whether a file was read, and its content is not a secret's.
fn is_of_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge)
}

/// Whether two paths lead to the same folder.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// `root_trusts_owner`: root may use the folder of any other user.
#[cfg(unix)]
fn check_access(dir: &Path, has_keys: bool, root_trusts_owner: bool) -> Result<(), Error> {
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
    let user = rustix::process::geteuid();
    if owner != user.as_raw() && owner != 0 && !(root_trusts_owner && user.is_root()) {
        let by = format!("its owner, the user {owner}");
        return Err(shared(
            by,
            "run this as that user, or give it to the server's user (chown)",
        ));
    }
    if mode & 0o022 != 0 {
        let by = format!("other users (mode {mode:03o})");
        return Err(shared(by, "remove their permissions (chmod 700)"));
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

/// Other systems have no modes.
#[cfg(not(unix))]
fn check_access(_dir: &Path, _has_keys: bool, _root_trusts_owner: bool) -> Result<(), Error> {
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
    fn one_process_at_a_time_locks_the_folder() {
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
    fn the_master_key_is_created_once_and_read_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(root.path()).unwrap();
        assert!(folder.master_key().unwrap().is_none());
        let created = folder.create_master_key(&SystemRandom).unwrap();
        let path = folder.master_key_path();
        assert_eq!(*folder.master_key().unwrap().unwrap().to_base64(), *created.to_base64());

        fs::write(&path, "too short").unwrap();
        let error = folder.master_key().unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        assert!(!error.contains("too short"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_use_the_files() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&root.path().join("data")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root.path().join("data")), 0o700);
        let _lock = folder.lock().unwrap();
        folder.create_master_key(&SystemRandom).unwrap();
        // Also if a careless copy left it open to other users.
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
