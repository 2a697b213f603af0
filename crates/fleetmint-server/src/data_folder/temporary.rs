//! Files that appear complete or not at all: each is written under a temporary name first.
//!
//! ```text
//! .fleetmint-admin-token-xA3k9QpL7sWe02Zt.tmp ─► admin-token
//! ```
//!
//! A process that is killed in between leaves the temporary file, which the next start deletes. No operator gives such a
//! name to a file of their own, for example to a copy of the master key.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// The number of random letters and digits in a temporary name.
const RANDOM: usize = 16;

const PREFIX: &str = ".fleetmint-";

const SUFFIX: &str = ".tmp";

/// Writes a file that only the owner can use: complete and on the disk, or not at all.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut file = create(folder, name)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Creates a file with a random name, O_EXCL and mode 0600, so that nobody can have prepared it.
fn create(folder: &Path, name: &str) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{name}-"))
        .rand_bytes(RANDOM)
        .suffix(SUFFIX)
        .tempfile_in(folder)
}

/// Deletes the temporary files of files with these names. Warns about those that cannot be deleted.
pub(super) fn delete_leftovers(folder: &Path, names: &[&str]) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let temporary = name
            .to_str()
            .is_some_and(|name| names.iter().any(|of| is_temporary(name, of)));
        // This program creates only regular files here.
        if !temporary || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        match fs::remove_file(&path) {
            Ok(()) => tracing::info!(
                "deleted {}, a temporary file of a process that was killed",
                path.display()
            ),
            Err(error) => tracing::warn!(
                "{}, a temporary file of a process that was killed, could not be deleted: {error}",
                path.display()
            ),
        }
    }
}

/// Whether this is a name that [`create`] gives to the temporary file of `of`.
fn is_temporary(name: &str, of: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix(of)?.strip_prefix('-')?.strip_suffix(SUFFIX))
        .is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unfinished_files_are_deleted() {
        const LINK: &str = ".fleetmint-master-key-ghijklmnopqrstuv.tmp";
        let folder = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let mut others = vec![
            "admin-token",
            "admin-token.lock",
            "admin-token.tmp",
            "admin-token.backup.tmp",
            "fleetmint.db",
            "master-key.20261126.tmp",
            "master-key.backup.tmp",
            "master-key.oldkey.tmp",
            ".fleetmint-admin-token-.tmp",
            ".fleetmint-admin-token-0123456789abcde.tmp",
            ".fleetmint-admin-token-0123456789abcdefg.tmp",
            ".fleetmint-admin-token-01234567-9abcdef.tmp",
            ".fleetmint-admin-token-0123456789abcdef.tmp.old",
            ".fleetmint-admin-tokens-0123456789abcdef.tmp",
            ".fleetmint-lock-0123456789abcdef.tmp",
            "my.fleetmint-admin-token-0123456789abcdef.tmp",
        ];
        for name in &others {
            fs::write(folder.path().join(name), "kept").unwrap();
        }
        // A folder and a link with such names are not ours either.
        fs::create_dir(folder.path().join(".fleetmint-master-key-0123456789abcdef.tmp")).unwrap();
        others.push(".fleetmint-master-key-0123456789abcdef.tmp");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("admin-token", folder.path().join(LINK)).unwrap();
            others.push(LINK);
        }
        others.sort_unstable();

        // Files as a killed process leaves them.
        for name in ["admin-token", "master-key", "master-key"] {
            create(folder.path(), name).unwrap().keep().unwrap();
        }
        assert_eq!(names().len(), others.len() + 3);
        delete_leftovers(folder.path(), &["master-key", "admin-token"]);
        assert_eq!(names(), others);
        write(folder.path(), "master-key", "new").unwrap();
        assert_eq!(names().len(), others.len() + 1, "nothing temporary is left");
    }
}
