//! The socket's file, and how to name it if its path is too long.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The longest path that a socket's address takes in bytes, without the zero byte at its end: `sun_path` has 108 bytes on
/// Linux, and 104 on macOS and the BSDs.
const PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Listens at this path, only for the owner. Replaces the socket of a server that was killed: the caller holds the lock
/// of the data folder, so no other server listens there.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    delete(path)?;
    let listener = UnixListener::bind(&ShortPath::of(path)?.path)?;
    // The mode of a new socket depends on the umask.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let short = ShortPath::of(path)?;
    UnixStream::connect(&short.path)
        .await
        .map_err(|error| match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => not_a_socket(),
            _ => error,
        })
}

fn not_a_socket() -> io::Error {
    io::Error::other("it is not a socket")
}

/// Deletes the socket, if it exists; anything else with this name is left alone.
pub(super) fn delete(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(not_a_socket()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A path to the same file that fits into a socket's address.
struct ShortPath {
    path: PathBuf,
    /// The folder that the path names by its file descriptor.
    _folder: Option<OwnedFd>,
}

impl ShortPath {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() > PATH_MAX {
            return Self::through_open_folder(path);
        }
        Ok(Self {
            path: path.to_owned(),
            _folder: None,
        })
    }

    /// Names the folder by a file descriptor, which is short at any depth.
    #[cfg(target_os = "linux")]
    fn through_open_folder(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;

        use rustix::fs::{Mode, OFlags};

        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let folder = rustix::fs::open(
            folder,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
        Ok(Self {
            path: Path::new(&link).join(name),
            _folder: Some(folder),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn through_open_folder(_: &Path) -> io::Result<Self> {
        Err(io::Error::other(format!(
            "its path has more than {PATH_MAX} bytes, the limit for a Unix socket on this system"
        )))
    }
}
