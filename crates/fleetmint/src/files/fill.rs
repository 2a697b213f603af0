//! Writes one output whose bytes come from elsewhere: a copy of the database.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::identity::Identity;
use super::path::{folder, is_missing, no_file_in, no_folder_above, resolved};
use super::temporary::undisturbed;
use crate::exit::Failure;
use crate::system_error::reason;

/// Creates a file that `fill` writes: `fill` gets the path of an empty temporary file beside it. The file appears whole or
/// not at all, and only its owner can read it.
///
/// It replaces an existing file only with `force`, and never one of `never`, whatever name `path` gives that file. Each of
/// these comes with its description for the message. The folder must exist.
pub(crate) fn fill(
    path: &Path,
    never: &[(PathBuf, &'static str)],
    force: bool,
    fill: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let refused = |reason: &str| Failure::unusable(format_args!("{}: not written: {reason}", path.display()));
    let failed = |error: &io::Error| refused(&reason(error));
    let uncreated = |error: &io::Error| refused(&no_file_in(folder(path), error));
    let identity = |path: &Path| {
        fs::metadata(path)
            .ok()
            .and_then(|metadata| Identity::of(path, &metadata))
    };
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(refused("it is a folder: name a file in it"));
    }
    let own = identity(path);
    // Also where that file does not exist: the server would take the copy for it.
    let own_place = resolved(path).ok();
    let is_own = |other: &PathBuf| {
        own.is_some() && identity(other) == own || own_place.is_some() && resolved(other).ok() == own_place
    };
    if let Some((_, what)) = never.iter().find(|(other, _)| is_own(other)) {
        return Err(refused(&format!("it is {what}")));
    }
    if fs::symlink_metadata(path).is_ok() && !force {
        return Err(refused("it exists; --force replaces it"));
    }
    // If the disk for the copies is not mounted, a new folder would be on the wrong disk.
    if is_missing(folder(path)) && no_folder_above(path).is_none() {
        return Err(refused(&format!(
            "the folder {} is missing: create it, or mount what belongs there",
            folder(path).display()
        )));
    }
    let file = undisturbed().create(folder(path)).map_err(|error| uncreated(&error))?;
    fill(file.path())?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    let _undisturbed = undisturbed();
    let renamed = match force {
        true => file.persist(path),
        false => file.persist_noclobber(path),
    };
    renamed.map_err(|error| failed(&error.error))?;
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
    Ok(())
}
