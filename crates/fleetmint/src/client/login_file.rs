//! The file that `fleetmint login` writes: a token for each server, and which server is used where none is named.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleetmint_board::wiped::Wiped;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::token::Token;
use crate::exit::Failure;
use crate::files;
use crate::system_error::reason;

/// The largest file in bytes.
const MAX: usize = 1 << 20;

/// The logins of this user.
#[derive(Debug)]
pub(crate) struct LoginFile {
    path: PathBuf,
    content: Content,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// The server that is used where none is named: the one of the last login.
    server: Option<String>,
    #[serde(default)]
    tokens: BTreeMap<String, Token>,
}

impl LoginFile {
    /// Reads it; a file that does not exist has no logins.
    ///
    /// # Errors
    /// No folder for it is known, other users can use it, or it has other content.
    pub(crate) fn read() -> Result<Self, Failure> {
        let path = folder()?.join("login.json");
        // Opening a pipe would wait for somebody who writes to it.
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(unusable(&path, "is not a file"));
        }
        let content = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(unusable(&path, reason(&error))),
            Ok(file) => {
                check_is_private(&file, &path)?;
                let read = Wiped::read(file, 0, MAX).map_err(|error| unusable(&path, reason(&error)))?;
                // serde's text would quote the content, which is secret.
                serde_json::from_slice(read.content.as_ref()).map_err(|error| {
                    let place = format_args!("line {}, column {}", error.line(), error.column());
                    unusable(
                        &path,
                        format_args!("is not a login file ({place}); delete it and log in again"),
                    )
                })?
            }
        };
        Ok(Self { path, content })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The server of the last login.
    pub(crate) fn server(&self) -> Result<Option<Address>, Failure> {
        let server = self.content.server.as_deref();
        let server = server.filter(|server| self.content.tokens.contains_key(*server));
        server
            .map(|server| Address::parse(server).map_err(|rule| unusable(&self.path, format_args!("server {rule}"))))
            .transpose()
    }

    pub(crate) fn token(&self, address: &Address) -> Option<&Token> {
        self.content.tokens.get(address.as_str())
    }

    /// Changes the file as it is now: another call may have changed it since this one has read it. Of calls at the same time
    /// one waits for the other. Returns it, and what the change does.
    pub(crate) fn change<T>(change: impl FnOnce(&mut Self) -> T) -> Result<(Self, T), Failure> {
        let lock = folder()?.join("login.lock");
        let locked = create_folder(lock.parent())
            .and_then(|()| private_file(&lock))
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| unusable(&lock, reason(&error)))?;
        let mut logins = Self::read()?;
        let done = change(&mut logins);
        logins.write()?;
        drop(locked);
        Ok((logins, done))
    }

    /// Adds a login, and makes its server the one that is used where none is named.
    pub(crate) fn add(&mut self, address: &Address, token: Token) {
        self.content.server = Some(address.to_string());
        self.content.tokens.insert(address.to_string(), token);
    }

    /// Removes a login. Returns whether there was one.
    pub(crate) fn remove(&mut self, address: &Address) -> bool {
        if self.content.server.as_deref() == Some(address.as_str()) {
            self.content.server = None;
        }
        self.content.tokens.remove(address.as_str()).is_some()
    }

    /// Writes it whole or not at all, for its owner alone; without logins it is deleted.
    fn write(&self) -> Result<(), Failure> {
        if self.content.tokens.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&self.path, reason(&error))),
                _ => Ok(()),
            };
        }
        let json = json(&self.content).map_err(|error| unusable(&self.path, error))?;
        files::write(&self.path, json.as_ref(), true)
    }
}

/// As JSON in memory of exactly its size: a vector that grows leaves copies behind.
pub(super) fn json(value: &impl Serialize) -> serde_json::Result<Wiped> {
    let mut size = Counted(0);
    serde_json::to_writer(&mut size, value)?;
    let mut json = Wiped::with_capacity(size.0);
    serde_json::to_writer(&mut json, value)?;
    Ok(json)
}

/// Counts the written bytes.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Creates the folder for its owner alone, as the XDG Base Directory Specification says.
fn create_folder(path: Option<&Path>) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    path.map_or(Ok(()), |path| builder.create(path))
}

/// Opens a file for its owner alone; creates it if it is missing.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn unusable(path: &Path, rule: impl std::fmt::Display) -> Failure {
    Failure::unusable(format_args!("{}: {rule}", path.display()))
}

/// `$XDG_CONFIG_HOME/fleetmint`, else `~/.config/fleetmint`. A relative path in the variable is ignored, as the XDG Base
/// Directory Specification says.
fn folder() -> Result<PathBuf, Failure> {
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = match cfg!(windows) {
        true => variable("APPDATA"),
        false => variable("HOME").map(|home| home.join(".config")),
    };
    let base = variable("XDG_CONFIG_HOME").or(home);
    base.map(|base| base.join("fleetmint")).ok_or_else(|| {
        Failure::unusable("there is no folder for the login file: neither XDG_CONFIG_HOME nor HOME is an absolute path")
    })
}

/// Others could have read the tokens, or could have chosen the server that gets this user's secrets.
#[cfg(unix)]
fn check_is_private(file: &File, path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata().map_err(|error| unusable(path, reason(&error)))?;
    let (mode, owner) = (metadata.mode() & 0o777, metadata.uid());
    if !metadata.is_file() {
        return Err(unusable(path, "is not a file"));
    }
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        return Err(unusable(
            path,
            format_args!("belongs to another user, {owner}; delete it and log in again"),
        ));
    }
    if mode & 0o077 != 0 {
        return Err(unusable(
            path,
            format_args!(
                "is open to other users (mode {mode:03o}), who may have read the tokens in it: replace these at their \
                 servers, or, if nobody else could read them, chmod 600 it"
            ),
        ));
    }
    Ok(())
}

/// Other systems have no modes.
#[cfg(not(unix))]
fn check_is_private(_file: &File, _path: &Path) -> Result<(), Failure> {
    Ok(())
}
