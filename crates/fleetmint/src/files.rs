//! Reading input, and writing output so that nothing is ever half written.
//!
//! What one call of the program has read is remembered: an output is never one of these files, whatever it is called.
//! That is one place for every command, also for files that a table's rows name.

mod output;
mod temporary;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::exit::Failure;

#[cfg(feature = "serve")]
pub(crate) use output::fill;
pub(crate) use output::{Content, Output, created, write, write_all};

/// The most that is read of a file: twice the largest flash that an ESP32 can have.
const READ_MAX: u64 = 256 << 20;

/// The name that stands for standard input and standard output.
const STANDARD: &str = "-";

/// A file that was read.
struct Input {
    /// As it was named.
    name: String,
    identity: Identity,
    /// Who may read it.
    mode: u32,
}

/// Which file it is, however it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    number: (u64, u64),
    #[cfg(not(unix))]
    path: std::path::PathBuf,
}

static INPUTS: Mutex<Vec<Input>> = Mutex::new(Vec::new());

fn inputs() -> MutexGuard<'static, Vec<Input>> {
    INPUTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Identity {
    #[cfg(unix)]
    fn of(_path: &Path, metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        Some(Self {
            number: (metadata.dev(), metadata.ino()),
        })
    }

    #[cfg(not(unix))]
    fn of(path: &Path, _metadata: &Metadata) -> Option<Self> {
        let path = std::fs::canonicalize(path).ok()?;
        Some(Self { path })
    }
}

/// Who may read and write a file.
#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_metadata: &Metadata) -> u32 {
    0o777
}

/// Whether a path means standard input or standard output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path == Path::new(STANDARD)
}

/// An input as messages name it.
pub(crate) fn input_name(path: &Path) -> String {
    if is_standard(path) {
        "standard input".to_string()
    } else {
        path.display().to_string()
    }
}

/// The content of a file that the command line names; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_up_to(path, READ_MAX)
}

/// As [`read`], of a file that may have so many bytes at most.
pub(crate) fn read_up_to(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !is_standard(path) {
        return read_file(path, most);
    }
    let name = input_name(path);
    if inputs().iter().any(|input| input.name == name) {
        return Err(Failure::unusable("standard input (-) can be one input alone"));
    }
    read_all(standard_input(), path, name, most)
}

/// The content of a file, which may have so many bytes at most; `-` is a file like any other.
pub(crate) fn read_file(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_all(File::open(path), path, path.display().to_string(), most)
}

fn read_all(file: io::Result<File>, path: &Path, name: String, most: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unreadable = |reason: &dyn std::fmt::Display| Failure::unusable(format_args!("{name}: {reason}"));
    let file = file.map_err(|error| unreadable(&reason(&error)))?;
    let metadata = file.metadata().map_err(|error| unreadable(&reason(&error)))?;
    // Room for all of it at once: a buffer that grows leaves pieces of keys behind in memory.
    let size = metadata.len().min(most);
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1));
    file.take(most + 1)
        .read_to_end(&mut content)
        .map_err(|error| unreadable(&reason(&error)))?;
    if content.len() as u64 > most {
        return Err(unreadable(&format_args!(
            "it has more than {most} bytes, the most that is read"
        )));
    }
    // A pipe or a device is nobody's file.
    let identity = Identity::of(path, &metadata).filter(|_| metadata.is_file());
    match identity {
        Some(identity) => inputs().push(Input {
            identity,
            mode: mode(&metadata),
            name,
        }),
        None if is_standard(path) => inputs().push(Input {
            identity: Identity::none(),
            mode: 0o777,
            name,
        }),
        None => {}
    }
    Ok(content)
}

impl Identity {
    /// That of no file.
    fn none() -> Self {
        Self {
            #[cfg(unix)]
            number: (u64::MAX, u64::MAX),
            #[cfg(not(unix))]
            path: std::path::PathBuf::new(),
        }
    }
}

/// Standard input as a file, which says whose it is.
#[cfg(unix)]
fn standard_input() -> io::Result<File> {
    use std::os::fd::AsFd;
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn standard_input() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// What the system says, without the number that Rust appends.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}
