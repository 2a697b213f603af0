//! Files that only their owner can read and write, whatever the umask. Symbolic links are refused: somebody who
//! replaced a file by a link could choose any file as its target.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for reading and writing, and creates it if it does not exist.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => opened(path, &options()),
        created => created,
    }
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    opened(path, options().write(false))
}

/// Creates a file that must not exist yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = options().create_new(true).open(path)?;
    // A umask may have removed the owner's own permissions.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Removes other users' permissions on a file, if it exists.
pub(crate) fn restrict(path: &Path) -> io::Result<()> {
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(());
    };
    refuse_other_kinds(&metadata)?;
    // Closing a file releases this process's locks on it, so a file is opened only if it must be restricted.
    if is_open_to_others(&metadata).is_some() {
        open(path)?;
    }
    Ok(())
}

fn opened(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let file = options.open(path).map_err(|error| match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => refuse_other_kinds(&metadata).err().unwrap_or(error),
        _ => error,
    })?;
    let metadata = file.metadata()?;
    refuse_other_kinds(&metadata)?;
    close_to_others(&file, &metadata, path);
    Ok(file)
}

fn refuse_other_kinds(metadata: &fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(io::Error::other(if kind.is_symlink() {
        "it is a symbolic link, which is not followed here; use the setting to name a key, a token or a database elsewhere"
    } else {
        "it is not a regular file"
    }))
}

/// The mode of a file, if other users can read, write or run it.
#[cfg(unix)]
fn is_open_to_others(metadata: &fs::Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    Some(mode).filter(|mode| mode & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &fs::Metadata) -> Option<u32> {
    None
}

/// Changes the file that was opened, not one that has its name by now, and logs the change or its failure.
#[cfg(unix)]
fn close_to_others(file: &File, metadata: &fs::Metadata, path: &Path) {
    let Some(mode) = is_open_to_others(metadata) else {
        return;
    };
    let restricted = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode & 0o700));
    let path = path.display();
    match restricted {
        Ok(()) => tracing::warn!("{path} was open to other users (mode {mode:03o}); now only its owner can use it"),
        Err(error) => tracing::warn!("{path} is open to other users (mode {mode:03o}): {error}"),
    }
}

#[cfg(not(unix))]
fn close_to_others(_: &File, _: &fs::Metadata, _: &Path) {}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        // Without O_NONBLOCK, opening a pipe in the file's place would wait for its other end.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
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
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        std::os::unix::fs::symlink(&file, &link).unwrap();
        // First it leads nowhere, then to a file.
        for is_there in [false, true] {
            if is_there {
                fs::write(&file, "theirs").unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
            }
            for refused in [open_or_create(&link).err(), open(&link).err(), restrict(&link).err()] {
                let error = refused.unwrap().to_string();
                assert!(error.starts_with("it is a symbolic link"), "{error}");
            }
            assert_eq!(file.exists(), is_there);
        }
        assert!(create(&file).is_err());
        assert_eq!(mode(&file), 0o664);

        for close in [
            |path: &Path| open_or_create(path).map(drop),
            |path: &Path| open(path).map(drop),
            restrict,
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
            close(&file).unwrap();
            assert_eq!(mode(&file), 0o600);
        }
        assert_eq!(fs::read(&file).unwrap(), b"theirs");
    }

    #[test]
    fn a_path_that_is_not_a_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for refused in [open_or_create(&pipe).err(), open(&pipe).err(), restrict(&pipe).err()] {
            assert!(refused.is_some());
        }
        assert!(open(folder.path()).is_err());
        assert_eq!(
            open(&folder.path().join("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        restrict(&folder.path().join("none")).unwrap();
    }
}
