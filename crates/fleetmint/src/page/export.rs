//! `fleetmint page export`: the NVS inspector as a folder of files.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::TempDir;

use super::inspector::{self, Asset};
use crate::exit::Failure;
use crate::files;
use crate::system_error::reason;
use crate::terminal::{count, say};

/// Lists what an export consists of, so that a later one knows what it may replace.
const LIST: &str = ".fleetmint-page";

/// How the name of the folder begins in which the files are until all of them are whole. One that is left is of an export
/// that was killed.
const STAGED: &str = ".fleetmint-page-";

/// Write the NVS inspector as a folder that works without a server
///
/// The inspector shows, checks, compares and edits the images of NVS partitions, and nothing that it opens leaves the
/// computer. Open index.html of the folder in a browser, without a network if need be, or put the folder on any web server.
///
/// The folder may be new, empty, or an earlier export, which is replaced. Anything else is refused.
///
/// Exit codes: 0 done, 1 this program was built without the page, 2 the folder cannot be used.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint page export inspector
  fleetmint page export /srv/www/nvs")]
pub(crate) struct Arguments {
    /// The folder; it is created if it is missing
    #[arg(value_name = "DIR", value_parser = files::named("- is standard output, and the inspector is several files"))]
    dir: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    export(&arguments.dir, inspector::FILES)
}

fn export(dir: &Path, files: &[Asset]) -> Result<(), Failure> {
    if files.is_empty() {
        return Err(Failure::no(
            "this program was built without the page: `tools/page build` makes it, then build the program again",
        ));
    }
    let failed = |error: io::Error| Failure::unusable(format_args!("{}: {}", dir.display(), reason(&error)));
    let earlier = earlier(dir)?;
    let is_new = !dir.exists();
    fs::create_dir_all(dir).map_err(failed)?;
    if let Err(error) = write(dir, files, &earlier) {
        if is_new {
            // What was created here is empty again. If it is not, the error below says what is wrong.
            let _ = fs::remove_dir(dir);
        }
        return Err(failed(error));
    }
    say(format_args!(
        "created {}: the NVS inspector, {}; open {} in a browser",
        dir.display(),
        count(files.len(), "file"),
        dir.join("index.html").display()
    ));
    Ok(())
}

/// The files of an earlier export.
fn earlier(dir: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
    let unreadable = |error: &io::Error| Failure::unusable(format_args!("{}: {}", dir.display(), reason(error)));
    let mut found = BTreeSet::new();
    match below(dir, dir, &mut found) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(unreadable(&error)),
    }
    let list = match fs::read_to_string(dir.join(LIST)) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unreadable(&error)),
    };
    let own =
        |path: &Path| path == Path::new(LIST) || is_staged(path) || list.lines().any(|line| Path::new(line) == path);
    match found.iter().find(|path| !own(path)) {
        None => Ok(found),
        Some(strange) => Err(Failure::unusable(format_args!(
            "{}: the folder has other files than an export of the page, {} among them: name a new or an empty folder",
            dir.display(),
            strange.display()
        ))),
    }
}

fn is_staged(path: &Path) -> bool {
    let first = path.iter().next();
    first.is_some_and(|name| name.to_string_lossy().starts_with(STAGED)) && path.iter().nth(1).is_some()
}

/// All files below a folder.
fn below(root: &Path, folder: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => below(root, &entry.path(), found)?,
            false => {
                let path = entry.path();
                found.insert(path.strip_prefix(root).unwrap_or(&path).to_path_buf());
            }
        }
    }
    Ok(())
}

/// Writes all files into a folder beside their places, and moves them there when all of them are whole.
fn write(dir: &Path, files: &[Asset], earlier: &BTreeSet<PathBuf>) -> io::Result<()> {
    let staged = tempfile::Builder::new().prefix(STAGED).tempdir_in(dir)?;
    let mut list = String::new();
    for file in files {
        stage(&staged, file.path, file.identity)?;
        list.push_str(&format!("{}\n", file.path));
    }
    stage(&staged, LIST, list.as_bytes())?;
    // The list goes first: a move that is cut off leaves a folder that the next call knows.
    let kept: Vec<&str> = [LIST].into_iter().chain(files.iter().map(|file| file.path)).collect();
    for path in &kept {
        let place = dir.join(path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(staged.path().join(path), place)?;
    }
    for old in earlier
        .iter()
        .filter(|old| !kept.iter().any(|path| Path::new(path) == old.as_path()))
    {
        fs::remove_file(dir.join(old))?;
    }
    drop(staged);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name().to_string_lossy().starts_with(STAGED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// For everybody to read, unlike the outputs of the other commands.
fn stage(staged: &TempDir, path: &str, bytes: &[u8]) -> io::Result<()> {
    let path = staged.path().join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_page_says_how_to_get_it_and_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("inspector");
        let failure = export(&dir, &[]).unwrap_err();
        assert_eq!(failure.exit, 1);
        assert_eq!(
            failure.message,
            "this program was built without the page: `tools/page build` makes it, then build the program again"
        );
        assert!(!dir.exists());
    }
}
