//! Reading input, and writing output so that nothing is ever half written.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The most that is read of a file: twice the largest flash that an ESP32 can have.
const READ_MAX: u64 = 256 << 20;

/// Who may read an output file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// As before, if the file is there already; else everyone whom the umask lets.
    AsBefore,
    /// The owner alone: the file holds keys.
    OwnerOnly,
}

/// A file's content.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |reason: &dyn std::fmt::Display| Failure::unusable(format_args!("{}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(&reason(&error)))?;
    // Room for all of it at once: a buffer that grows leaves pieces of keys behind in memory.
    let size = file.metadata().map_or(0, |metadata| metadata.len()).min(READ_MAX);
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.take(READ_MAX + 1)
        .read_to_end(&mut content)
        .map_err(|error| unreadable(&reason(&error)))?;
    if content.len() as u64 > READ_MAX {
        return Err(unreadable(&format_args!(
            "it has more than {READ_MAX} bytes, the most that is read"
        )));
    }
    Ok(content)
}

/// Writes a file whole or not at all: into a temporary file beside it, which then takes its name. Folders on the way
/// are made. What is no regular file (a pipe, a device) is written to directly.
pub(crate) fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), Failure> {
    replace(path, content, readers)
        .map_err(|error| Failure::unusable(format_args!("{}: not written: {}", path.display(), reason(&error))))
}

fn replace(path: &Path, content: &[u8], readers: Readers) -> std::io::Result<()> {
    // Through a symbolic link: its target is meant, not the link.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_path_buf(),
        Err(error) => return Err(error),
    };
    let before = match fs::metadata(&target) {
        Ok(metadata) if metadata.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => {
            return File::options().write(true).open(&target)?.write_all(content);
        }
        Ok(metadata) => Some(metadata.permissions()),
        Err(_) => None,
    };
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&folder)?;
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(".fleetmint-");
    // Without more ado a temporary file is its owner's alone.
    #[cfg(unix)]
    if readers == Readers::AsBefore && before.is_none() {
        use std::os::unix::fs::PermissionsExt;
        temporary.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = temporary.tempfile_in(&folder)?;
    if let Some(permissions) = before.filter(|_| readers == Readers::AsBefore) {
        file.as_file().set_permissions(permissions)?;
    }
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(&target)?;
    Ok(())
}

/// What the system says, without the number that Rust appends.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}
