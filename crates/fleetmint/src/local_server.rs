//! The server that runs with the data folder here: it writes its address beside its token, so that commands in the same
//! folder find both.
//!
//! ```text
//! fleetmint-data/admin-token     fma_…
//! fleetmint-data/address         {"process":4711,"url":"http://127.0.0.1:8080"}
//! ```
//!
//! The file is deleted when the server ends. After one that was killed it stays, and another program may listen at the address
//! by now, which must not get the token. So the address counts only while its process has the data folder locked: a process
//! with its number may be another one.

#[cfg(feature = "client")]
use std::fs::TryLockError;
#[cfg(feature = "serve")]
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The data folder of a server without settings.
#[cfg(feature = "client")]
pub(crate) const FOLDER: &str = "fleetmint-data";

const ADDRESS: &str = "address";

#[derive(Serialize, Deserialize)]
struct Content {
    process: u32,
    url: String,
}

/// The file with a running server's address. It is deleted when this is dropped.
#[cfg(feature = "serve")]
pub(crate) struct AddressFile(PathBuf);

#[cfg(feature = "serve")]
impl AddressFile {
    /// Writes it into the data folder, which only this server may use.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn write(folder: &Path, address: SocketAddr) -> std::io::Result<Self> {
        let path = address_path(folder);
        let content = Content {
            process: std::process::id(),
            url: url(address),
        };
        let mut file = tempfile::Builder::new().prefix(".address-").tempfile_in(folder)?;
        serde_json::to_writer(&mut file, &content)?;
        file.persist(&path)?;
        Ok(Self(path))
    }
}

#[cfg(feature = "serve")]
impl Drop for AddressFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, "{} could not be deleted", self.0.display());
        }
    }
}

/// The file with the address of the server that runs with a data folder.
pub(crate) fn address_path(folder: &Path) -> PathBuf {
    folder.join(ADDRESS)
}

/// How commands on the same computer call a server that listens there. One that listens everywhere is called on loopback.
#[cfg(feature = "serve")]
fn url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    format!("http://{address}")
}

/// A running server with its data folder here.
#[cfg(feature = "client")]
#[derive(Debug)]
pub(crate) struct LocalServer {
    pub(crate) url: String,
    pub(crate) token_path: PathBuf,
    pub(crate) address_path: PathBuf,
}

/// The server that runs with the folder `fleetmint-data` here; `None` if there is no such folder, or no token in it.
///
/// # Errors
/// There is one, and no server runs with it.
#[cfg(feature = "client")]
pub(crate) fn find() -> Result<Option<LocalServer>, crate::exit::Failure> {
    let folder = Path::new(FOLDER);
    let token_path = folder.join("admin-token");
    if token_path.symlink_metadata().is_err() {
        return Ok(None);
    }
    check_owner(folder)?;
    let address_path = address_path(folder);
    let content = crate::files::read_file(&address_path, 4096).ok();
    let content: Option<Content> = content.and_then(|json| serde_json::from_slice(&json).ok());
    match content.filter(|content| is_locked_by(folder, content.process)) {
        Some(Content { url, .. }) => Ok(Some(LocalServer {
            url,
            token_path,
            address_path,
        })),
        None => Err(crate::exit::Failure::unusable(format_args!(
            "no server runs with {FOLDER}: start it with `fleetmint serve`, or name another server with --server or \
             FLEETMINT_URL"
        ))),
    }
}

/// A folder of somebody else could lead to a server that collects secrets.
#[cfg(all(feature = "client", unix))]
fn check_owner(folder: &Path) -> Result<(), crate::exit::Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid();
    let owner = folder.metadata().map(|metadata| metadata.uid());
    if user.is_root() || owner.is_ok_and(|owner| owner == user.as_raw() || owner == 0) {
        return Ok(());
    }
    Err(crate::exit::Failure::unusable(format_args!(
        "{FOLDER} belongs to another user: name the server with --server or FLEETMINT_URL"
    )))
}

#[cfg(all(feature = "client", not(unix)))]
fn check_owner(_folder: &Path) -> Result<(), crate::exit::Failure> {
    Ok(())
}

/// Whether this process has the data folder locked, as a server does until it ends, however it ends.
#[cfg(feature = "client")]
fn is_locked_by(folder: &Path, process: u32) -> bool {
    let path = folder.join("lock");
    let holder = crate::files::read_file(&path, 64).ok();
    let holder = holder.as_deref().and_then(|text| std::str::from_utf8(text).ok());
    // On Windows nobody else can read a locked file.
    let is_holder = cfg!(windows) || holder.is_some_and(|holder| holder.trim() == process.to_string());
    // The lock is tried last: a server that starts at the same moment would find it taken.
    is_holder
        && runs(process)
        && std::fs::File::open(&path).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Whether there is such a process, of whichever user.
#[cfg(all(feature = "client", unix))]
fn runs(process: u32) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

#[cfg(all(feature = "client", not(unix)))]
fn runs(_process: u32) -> bool {
    true
}

#[cfg(all(test, feature = "serve"))]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_called_on_loopback() {
        for (address, expected) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("[::]:80", "http://[::1]:80"),
            ("192.0.2.1:80", "http://192.0.2.1:80"),
        ] {
            assert_eq!(url(address.parse().unwrap()), expected);
        }
    }
}
