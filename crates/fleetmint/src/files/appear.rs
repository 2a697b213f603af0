//! A new file that gets its name only when it is whole.
//!
//! Where the file system lets it, the file has no name until then, so that not even `kill -9` leaves anything of it. Elsewhere
//! it has a temporary name, as [`temporary`](super::temporary) gives it.

use std::fs::File;
use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::sync::OnceLock;

use tempfile::NamedTempFile;

use super::commit::restrict;
use super::path::folder;
use super::temporary::undisturbed;

/// A file that is being written.
#[derive(Debug)]
pub(super) enum Appearing {
    #[cfg(target_os = "linux")]
    Unnamed(File),
    Named(NamedTempFile),
}

impl Appearing {
    /// Begins a file in a folder that exists.
    pub(super) fn begin(folder: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(file) = unnamed(folder)? {
            return Ok(Self::Unnamed(file));
        }
        Self::begin_named(folder)
    }

    fn begin_named(folder: &Path) -> io::Result<Self> {
        Ok(Self::Named(undisturbed().create(folder)?))
    }

    pub(super) fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    /// Gives the file its name, and permissions as strict as those of the strictest input. It replaces another file only with
    /// `replace`; else that is [`ErrorKind::AlreadyExists`](io::ErrorKind::AlreadyExists).
    pub(super) fn appear(self, path: &Path, replace: bool) -> io::Result<()> {
        restrict(self.file())?;
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => match link(&file, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && replace => {
                    // A link replaces nothing: only a rename does.
                    let mut undisturbed = undisturbed();
                    let named = undisturbed.make(folder(path), |path| link(&file, path))?;
                    let name = named.path().to_path_buf();
                    let renamed = named.persist(path).map_err(|error| error.error);
                    undisturbed.leave(&name);
                    renamed
                }
                outcome => outcome,
            },
            Self::Named(file) => {
                let mut undisturbed = undisturbed();
                let name = file.path().to_path_buf();
                let renamed = match replace {
                    true => file.persist(path),
                    false => file.persist_noclobber(path),
                };
                undisturbed.leave(&name);
                renamed.map(drop).map_err(|error| error.error)
            }
        }
    }
}

impl Write for Appearing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file without a name that only its owner can read; `None` if the file system has none.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> io::Result<Option<File>> {
    unnamed_in(rustix::fs::CWD, folder, 0o600)
}

/// A file without a name with these permission bits, in the folder `path` of `folder`; `None` if the file system has none.
#[cfg(target_os = "linux")]
pub(super) fn unnamed_in(folder: impl AsFd, path: &Path, mode: u32) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;
    /// It gets its name through /proc, which may be missing.
    static CAN_GET_A_NAME: OnceLock<bool> = OnceLock::new();
    if !CAN_GET_A_NAME.get_or_init(|| Path::new("/proc/self/fd").exists()) {
        return Ok(None);
    }
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, path, flags, Mode::from_raw_mode(mode)) {
        Ok(file) => Ok(Some(File::from(file))),
        // Kernels and file systems that know no such files give various errors, that of an existing folder among them.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives an open file a name.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    link_in(file, rustix::fs::CWD, path)
}

/// Gives an open file a name in a folder.
#[cfg(target_os = "linux")]
pub(super) fn link_in(file: &File, folder: impl AsFd, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, open, folder, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_appears_whole_and_replaces_only_when_it_shall() {
        for begin in [Appearing::begin, Appearing::begin_named] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            let count = || fs::read_dir(folder.path()).unwrap().count();
            let written = |text: &str| {
                let mut file = begin(folder.path()).unwrap();
                file.write_all(text.as_bytes()).unwrap();
                assert!(!fs::read(&path).is_ok_and(|found| found == text.as_bytes()));
                file
            };
            written("one").appear(&path, false).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"one");
            let refused = written("two").appear(&path, false).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!((fs::read(&path).unwrap(), count()), (b"one".to_vec(), 1));
            written("three").appear(&path, true).unwrap();
            assert_eq!((fs::read(&path).unwrap(), count()), (b"three".to_vec(), 1));
            drop(written("four"));
            assert_eq!(count(), 1);
            written("new").appear(&folder.path().join("other"), true).unwrap();
            assert_eq!(count(), 2);
        }
    }

    /// Nothing of it can be seen before: this is what a killed program leaves.
    #[cfg(target_os = "linux")]
    #[test]
    fn it_has_no_name_before() {
        // In memory, where every kernel has such files.
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut file = Appearing::begin(folder.path()).unwrap();
        file.write_all(b"secret").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        for begin in [Appearing::begin, Appearing::begin_named] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            begin(folder.path()).unwrap().appear(&path, false).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
