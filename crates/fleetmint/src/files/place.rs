//! A folder that gets many files, one after the other, each whole or not at all.
//!
//! [`write_all`](super::write_all) writes a few outputs or none of them. Here each file stays as soon as it is there: a run that
//! was cut off is continued, and finds what it had made with [`Folder::state`].

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fleetmint_board::wiped::Wiped;
use zeroize::Zeroizing;

use super::appear::Appearing;
#[cfg(target_os = "linux")]
use super::appear::{link_in, unnamed_in};
#[cfg(target_os = "linux")]
use super::commit::{restrict, strictest_mode};
use super::identity::Identity;
use super::input::inputs;
use super::path::no_file_in;
use super::temporary::is_temporary;
use crate::exit::Failure;
use crate::system_error::reason;

/// A folder for outputs. It is created with the first of them.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Once it is created.
    created: OnceLock<Created>,
}

#[derive(Debug)]
struct Created {
    #[cfg(target_os = "linux")]
    folder: File,
    /// The permission bits of its files, and whether a new file has others, because the umask takes some away.
    #[cfg(target_os = "linux")]
    mode: (u32, OnceLock<bool>),
}

/// What is at the place of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Missing,
    /// A file that holds just this.
    Same,
    /// A file with other content.
    Other,
    /// A file that this call of the program has read.
    Input,
    /// A folder, a link, a device.
    NotAFile,
}

impl Folder {
    /// The folder, if it exists.
    pub(crate) fn existing(path: &Path) -> Result<Option<Self>, Failure> {
        let folder = Self::open(path)?;
        Ok(path.is_dir().then_some(folder))
    }

    /// A folder that exists, or that can be created. Nothing is created yet.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let above = path.ancestors().find(|above| fs::symlink_metadata(above).is_ok());
        if let Some(other) = above.filter(|above| fs::metadata(above).is_ok_and(|metadata| !metadata.is_dir())) {
            return Err(Failure::unusable(format_args!(
                "{}: not written: {} is not a folder",
                path.display(),
                other.display()
            )));
        }
        Ok(Self {
            path: path.to_path_buf(),
            created: OnceLock::new(),
        })
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What is at the place of a file that is to hold these bytes.
    pub(crate) fn state(&self, name: &str, bytes: &[u8]) -> Result<State, Failure> {
        let path = self.path(name);
        let Some(metadata) = self.metadata(&path)? else {
            return Ok(State::Missing);
        };
        if !metadata.is_file() {
            return Ok(State::NotAFile);
        }
        let identity = Identity::of(&path, &metadata);
        if identity.is_some() && inputs().iter().any(|input| input.identity == identity) {
            return Ok(State::Input);
        }
        let is_same = metadata.len() == bytes.len() as u64
            && File::open(&path)
                .and_then(|file| holds(file, bytes))
                .map_err(|error| unreadable(&path, &error))?;
        Ok(if is_same { State::Same } else { State::Other })
    }

    /// Reads a file of at most `max` bytes; `None` if it is missing. It does not count as an input of the call.
    pub(crate) fn read(&self, name: &str, max: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let path = self.path(name);
        let Some(metadata) = self.metadata(&path)? else {
            return Ok(None);
        };
        if !metadata.is_file() {
            return Err(Failure::unusable(format_args!("{}: it is not a file", path.display())));
        }
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        let beginning = File::open(&path)
            .and_then(|file| Wiped::read(file, size.min(most), most))
            .map_err(|error| unreadable(&path, &error))?;
        if beginning.is_cut {
            return Err(Failure::unusable(format_args!(
                "{}: it has more than {max} bytes, the maximum",
                path.display()
            )));
        }
        Ok(Some(beginning.content.into_zeroizing()))
    }

    /// Of a file in it; a link is not followed.
    fn metadata(&self, path: &Path) -> Result<Option<fs::Metadata>, Failure> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// Creates a file that only its owner can read. It replaces another file only with `replace`. It is on the disk, also after
    /// a power failure, once [`sync`](Self::sync) is done.
    pub(crate) fn put(&self, name: &str, bytes: &[u8], replace: bool) -> Result<(), Failure> {
        let path = self.path(name);
        let not_written = |reason: &str| Failure::unusable(format_args!("{}: not written: {reason}", path.display()));
        let (created, mut file) = self
            .create()
            .and_then(|created| Ok((created, created.begin(&self.path)?)))
            .map_err(|error| not_written(&no_file_in(&self.path, &error)))?;
        let written = file
            .write_all(bytes)
            .and_then(|()| created.appear(file, &path, name, replace));
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => not_written("it exists now, and did not when the run began"),
            _ => not_written(&reason(&error)),
        })
    }

    /// Leaves a file as it is, but for its owner alone: another program may have written it for everybody.
    pub(crate) fn keep(&self, name: &str) -> Result<(), Failure> {
        let path = self.path(name);
        own(&path).map_err(|error| Failure::unusable(format_args!("{}: {}", path.display(), reason(&error))))
    }

    /// Deletes the temporary files that a killed run has left.
    pub(crate) fn clean(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::unusable(format_args!("{}: {}", self.path.display(), reason(&error)));
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if is_temporary(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Waits until all its files are on the disk.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        if self.created.get().is_none() {
            return Ok(());
        }
        sync(&self.path).map_err(|error| Failure::unusable(format_args!("{}: {}", self.path.display(), reason(&error))))
    }

    fn create(&self) -> io::Result<&Created> {
        if let Some(created) = self.created.get() {
            return Ok(created);
        }
        fs::create_dir_all(&self.path)?;
        let created = Created {
            #[cfg(target_os = "linux")]
            folder: File::open(&self.path)?,
            #[cfg(target_os = "linux")]
            mode: (strictest_mode(), OnceLock::new()),
        };
        Ok(self.created.get_or_init(|| created))
    }
}

/// No more calls of the system than are needed: there may be many thousands of files.
#[cfg(target_os = "linux")]
impl Created {
    fn begin(&self, path: &Path) -> io::Result<Appearing> {
        match unnamed_in(&self.folder, Path::new("."), self.mode.0)? {
            Some(file) => Ok(Appearing::Unnamed(file)),
            None => Appearing::begin(path),
        }
    }

    fn appear(&self, file: Appearing, path: &Path, name: &str, replace: bool) -> io::Result<()> {
        let Appearing::Unnamed(unnamed) = &file else {
            return file.appear(path, replace);
        };
        let (mode, differs) = &self.mode;
        let differs = match differs.get() {
            Some(differs) => *differs,
            None => {
                let found = unnamed.metadata()?.permissions().mode() & 0o777;
                *differs.get_or_init(|| found != *mode)
            }
        };
        if differs {
            restrict(unnamed)?;
        }
        match link_in(unnamed, &self.folder, Path::new(name)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && replace => file.appear(path, replace),
            outcome => outcome,
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Created {
    fn begin(&self, path: &Path) -> io::Result<Appearing> {
        Appearing::begin(path)
    }

    fn appear(&self, file: Appearing, path: &Path, _name: &str, replace: bool) -> io::Result<()> {
        file.file().sync_all()?;
        file.appear(path, replace)
    }
}

/// Takes a file away from everybody but its owner.
#[cfg(unix)]
fn own(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::symlink_metadata(path)?.permissions().mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)),
    }
}

#[cfg(not(unix))]
fn own(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::unusable(format_args!("{}: {}", path.display(), reason(error)))
}

/// Whether a file holds just these bytes.
fn holds(mut file: File, mut bytes: &[u8]) -> io::Result<bool> {
    const PIECE: usize = 64 << 10;
    let mut piece = Zeroizing::new(vec![0; PIECE.min(bytes.len() + 1)]);
    loop {
        let count = match file.read(&mut piece) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if count == 0 {
            return Ok(bytes.is_empty());
        }
        match bytes.split_at_checked(count) {
            Some((expected, rest)) if piece.get(..count) == Some(expected) => bytes = rest,
            _ => return Ok(false),
        }
    }
}

/// One call for all files of the file system: it does not grow with their number.
#[cfg(target_os = "linux")]
fn sync(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Each file was synchronized when it was written.
#[cfg(not(target_os = "linux"))]
fn sync(folder: &Path) -> io::Result<()> {
    // Not every system opens a folder.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_created_compared_and_replaced() {
        let above = tempfile::tempdir().unwrap();
        let folder = Folder::open(&above.path().join("a/b")).unwrap();
        assert_eq!(folder.state("x", b"one").unwrap(), State::Missing);
        folder.clean().unwrap();
        folder.sync().unwrap();
        // Looking creates nothing.
        assert!(!above.path().join("a").exists());
        folder.put("x", b"one", false).unwrap();
        folder.sync().unwrap();
        assert_eq!(folder.state("x", b"one").unwrap(), State::Same);
        for other in [&b""[..], b"on", b"onf", b"one "] {
            assert_eq!(folder.state("x", other).unwrap(), State::Other);
        }
        let refused = folder.put("x", b"two", false).unwrap_err();
        assert!(
            refused
                .message
                .ends_with("x: not written: it exists now, and did not when the run began")
        );
        assert_eq!(folder.state("x", b"one").unwrap(), State::Same);
        folder.put("x", b"two", true).unwrap();
        assert_eq!(folder.state("x", b"two").unwrap(), State::Same);
        folder.put("empty", b"", false).unwrap();
        assert_eq!(folder.state("empty", b"").unwrap(), State::Same);
        let large = vec![7; 200_000];
        folder.put("large", &large, true).unwrap();
        assert_eq!(folder.state("large", &large).unwrap(), State::Same);
        let mut changed = large.clone();
        changed[199_999] = 8;
        assert_eq!(folder.state("large", &changed).unwrap(), State::Other);
        assert_eq!(fs::read_dir(above.path().join("a/b")).unwrap().count(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_told_apart_and_not_followed() {
        let above = tempfile::tempdir().unwrap();
        let folder = Folder::open(above.path()).unwrap();
        folder.put("target", b"one", false).unwrap();
        std::os::unix::fs::symlink("target", folder.path("link")).unwrap();
        std::os::unix::fs::symlink("gone", folder.path("dangling")).unwrap();
        fs::create_dir(folder.path("folder")).unwrap();
        for name in ["link", "dangling", "folder"] {
            assert_eq!(folder.state(name, b"one").unwrap(), State::NotAFile, "{name}");
        }
        // A link is replaced, and not what it leads to.
        folder.put("link", b"new", true).unwrap();
        assert_eq!(folder.state("target", b"one").unwrap(), State::Same);
        assert_eq!(folder.state("link", b"new").unwrap(), State::Same);
        assert!(folder.put("folder", b"new", true).is_err());
        let below = Folder::open(&folder.path("target").join("sub")).unwrap_err();
        assert!(below.message.ends_with("target is not a folder"), "{}", below.message);
    }

    #[test]
    fn an_input_is_no_output() {
        // A file that stays: the inode of one that is deleted may become that of another test's file.
        let here = Folder::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        super::super::read_file(&here.path("Cargo.toml"), 1 << 20).unwrap();
        assert_eq!(here.state("Cargo.toml", b"x").unwrap(), State::Input);
        let above = tempfile::tempdir().unwrap();
        let folder = Folder::open(above.path()).unwrap();
        // Read here, it is not an input.
        folder.put("keys", b"key", false).unwrap();
        assert_eq!(**folder.read("keys", 3).unwrap().unwrap(), *b"key");
        assert_eq!(folder.state("keys", b"key").unwrap(), State::Same);
        assert!(folder.read("gone", 3).unwrap().is_none());
        let refused = folder.read("keys", 2).unwrap_err().message;
        assert!(
            refused.ends_with("keys: it has more than 2 bytes, the maximum"),
            "{refused}"
        );
        assert!(Folder::existing(&folder.path("keys")).is_err());
        assert!(Folder::existing(&folder.path("gone")).unwrap().is_none());
        assert!(Folder::existing(above.path()).unwrap().is_some());
    }

    #[test]
    fn only_temporary_files_are_deleted() {
        let above = tempfile::tempdir().unwrap();
        let folder = Folder::open(above.path()).unwrap();
        let stays = [
            "device.bin",
            ".fleetmint",
            ".fleetmint-notes.txt",
            "x.fleetmint-a1B2c3",
            ".fleetmint-a1B2c3d",
        ];
        for name in stays.into_iter().chain([".fleetmint-a1B2c3"]) {
            folder.put(name, b"x", false).unwrap();
        }
        fs::create_dir(folder.path(".fleetmint-d4E5f6")).unwrap();
        folder.clean().unwrap();
        assert!(stays.iter().all(|name| folder.path(name).exists()));
        assert!(!folder.path(".fleetmint-a1B2c3").exists() && folder.path(".fleetmint-d4E5f6").exists());
        // What the fallback creates has such a name.
        let left = super::super::temporary::undisturbed().create(above.path()).unwrap();
        let (_, path) = left.keep().unwrap();
        folder.clean().unwrap();
        assert!(!path.exists());
    }
}
