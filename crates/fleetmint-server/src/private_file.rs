//! Files that only their owner reads and writes, whatever the umask.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for reading and writing, and creates it where there is none. A symbolic link in its place is refused:
/// whoever put it there chose the file behind it.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = options().open(path)?;
            restrict(path);
            Ok(file)
        }
        created => created,
    }
}

/// Creates a file that is not there yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = options().create_new(true).open(path)?;
    // A umask only takes modes away: what is missing of 0600 the owner would miss.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Takes from other users what they may do with a file that is there; says so, also where that fails.
#[cfg(unix)]
pub(crate) fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return;
    }
    let restricted = fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700));
    let path = path.display();
    match restricted {
        Ok(()) => tracing::warn!("{path} was open to other users (mode {mode:03o}); it is its owner's alone now"),
        Err(error) => tracing::warn!("{path} is open to other users (mode {mode:03o}): {error}"),
    }
}

#[cfg(not(unix))]
pub(crate) fn restrict(_path: &Path) {}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits();
        options.mode(0o600).custom_flags(nofollow.cast_signed());
    }
    options
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_link_is_refused_and_an_open_file_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let (link, file) = (folder.path().join("link"), folder.path().join("file"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        // It leads nowhere, then to a file.
        assert!(open_or_create(&link).is_err());
        assert!(!file.exists());
        fs::write(&file, "theirs").unwrap();
        assert!(open_or_create(&link).is_err());
        assert!(create(&file).is_err());

        fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
        open_or_create(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&file).unwrap(), b"theirs");
    }
}
