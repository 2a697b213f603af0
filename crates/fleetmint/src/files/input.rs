//! Reads input files, and remembers which ones.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleetmint_board::wiped::Wiped;
use zeroize::Zeroizing;

use super::identity::Identity;
use super::{input_name, is_standard};
use crate::exit::Failure;
use crate::system_error::reason;

/// The most bytes that are read of a file: twice the largest flash that an ESP32 can have.
const READ_MAX: u64 = 256 << 20;

/// An input that was read.
pub(super) struct Input {
    /// Its name in messages.
    pub(super) name: String,
    /// `None` if standard input is not a file.
    pub(super) identity: Option<Identity>,
    /// The permission bits of the file.
    pub(super) mode: u32,
}

static INPUTS: Mutex<Vec<Input>> = Mutex::new(Vec::new());

/// The inputs that this call of the program has read so far.
pub(super) fn inputs() -> MutexGuard<'static, Vec<Input>> {
    INPUTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The permission bits of a file.
#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_metadata: &Metadata) -> u32 {
    0o777
}

/// Reads a file that the command line names; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_up_to(path, READ_MAX)
}

/// Reads a file that the command line names and that may have at most `max` bytes; `-` is standard input.
pub(crate) fn read_up_to(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let beginning = read_beginning(path, max)?;
    whole(beginning, &input_name(path), max)
}

/// Reads a file that may have at most `max` bytes; `-` is a file like any other.
pub(crate) fn read_file(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let name = path.display().to_string();
    let beginning = read_open(File::open(path), path, name.clone(), max)?;
    whole(beginning, &name, max)
}

/// The first bytes of a file.
pub(crate) struct Beginning {
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Whether the file has more.
    pub(crate) is_cut: bool,
}

/// Reads the first `max` bytes of a file that the command line names, or all of it; `-` is standard input.
pub(crate) fn read_beginning(path: &Path, max: u64) -> Result<Beginning, Failure> {
    let name = input_name(path);
    if !is_standard(path) {
        return read_open(File::open(path), path, name, max);
    }
    if inputs().iter().any(|input| input.name == name) {
        return Err(Failure::unusable("standard input (-) can be only one input"));
    }
    read_open(standard_input(), path, name, max)
}

fn whole(beginning: Beginning, name: &str, max: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if beginning.is_cut {
        return Err(Failure::unusable(format_args!(
            "{name}: it has more than {max} bytes, the maximum"
        )));
    }
    Ok(beginning.content)
}

fn read_open(file: io::Result<File>, path: &Path, name: String, max: u64) -> Result<Beginning, Failure> {
    let unreadable = |error: &io::Error| Failure::unusable(format_args!("{name}: {}", reason(error)));
    let file = file.map_err(|error| unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let read = Wiped::read(file, size, max).map_err(|error| unreadable(&error))?;
    // A pipe or a device can be written to as well: it is not remembered as a file.
    let identity = Identity::of(path, &metadata).filter(|_| metadata.is_file());
    if identity.is_some() || is_standard(path) {
        inputs().push(Input {
            mode: if identity.is_some() { mode(&metadata) } else { 0o777 },
            identity,
            name,
        });
    }
    Ok(Beginning {
        content: read.content.into_zeroizing(),
        is_cut: read.is_cut,
    })
}

/// Standard input as a file, so that its identity is known.
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
