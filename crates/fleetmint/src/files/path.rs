//! Where a path leads, and why nothing can be created there.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::system_error::reason;

/// The file that a path means. Follows symbolic links, also to a file that does not exist yet.
pub(super) fn resolved(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const LINKS_MAX: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        match fs::canonicalize(&path) {
            Ok(path) => return Ok(path),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        match fs::read_link(&path) {
            Ok(link) => path = folder(&path).join(link),
            Err(_) => {
                let name = path.file_name().ok_or(ErrorKind::IsADirectory)?;
                return Ok(match fs::canonicalize(folder(&path)) {
                    Ok(folder) => folder.join(name),
                    // The folder is created later.
                    Err(_) => path,
                });
            }
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Whether nothing exists at a path.
pub(super) fn is_missing(path: &Path) -> bool {
    matches!(fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// The first of the folders above a path that is not a folder.
pub(super) fn no_folder_above(path: &Path) -> Option<&Path> {
    let mut above = path.ancestors().skip(1);
    above.find(|above| fs::metadata(above).is_ok_and(|metadata| !metadata.is_dir()))
}

/// Why no file can be created in this folder: the system does not say which part of the path it means.
pub(super) fn no_file_in(folder: &Path, error: &io::Error) -> String {
    let reason = reason(error);
    if let Some(other) = no_folder_above(&folder.join("file")) {
        format!("{} is not a folder", other.display())
    } else if is_missing(folder) {
        format!(
            "the folder {} is missing and cannot be created: {reason}",
            folder.display()
        )
    } else {
        format!("no file can be created in the folder {}: {reason}", folder.display())
    }
}
