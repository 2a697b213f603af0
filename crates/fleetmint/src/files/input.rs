//! Reads input files, and remembers which ones.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// `None` for standard input that is no file.
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
    // One byte more than the file's size shows that the file has ended.
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX).saturating_add(1);
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let beginning = read_wiped(file, size, max).map_err(|error| unreadable(&error))?;
    // A pipe or a device can be written to as well: it is not remembered as a file.
    let identity = Identity::of(path, &metadata).filter(|_| metadata.is_file());
    if identity.is_some() || is_standard(path) {
        inputs().push(Input {
            mode: if identity.is_some() { mode(&metadata) } else { 0o777 },
            identity,
            name,
        });
    }
    Ok(beginning)
}

/// Reads at most `max` bytes, into a buffer of `size` bytes at first. A vector that grows by itself leaves copies of keys
/// behind in memory: this function wipes each buffer that is too small.
fn read_wiped(mut source: impl Read, size: usize, max: usize) -> io::Result<Beginning> {
    /// For a pipe, whose size is unknown.
    const ROOM_MIN: usize = 64 << 10;
    // One byte more shows that the source is longer.
    let all = max.saturating_add(1);
    let mut content = Zeroizing::new(vec![0; size.max(ROOM_MIN).min(all)]);
    let mut filled = 0;
    while filled < all {
        if filled == content.len() {
            let mut larger = Zeroizing::new(vec![0; filled.saturating_mul(2).min(all)]);
            for (to, from) in larger.chunks_mut(ROOM_MIN).zip(content.chunks(ROOM_MIN)) {
                to.split_at_mut(from.len()).0.copy_from_slice(from);
            }
            content = larger;
        }
        match source.read(content.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    content.truncate(filled.min(max));
    Ok(Beginning {
        content,
        is_cut: filled > max,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns bytes piece by piece, and stores the sizes that it was asked for.
    struct Pipe {
        bytes: Vec<u8>,
        given: usize,
        piece: usize,
        asked: Vec<usize>,
    }

    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.asked.push(buffer.len());
            let count = self.piece.min(buffer.len()).min(self.bytes.len() - self.given);
            buffer[..count].copy_from_slice(&self.bytes[self.given..self.given + count]);
            self.given += count;
            Ok(count)
        }
    }

    fn pipe(length: usize, piece: usize) -> Pipe {
        Pipe {
            bytes: (0..length).map(|number| (number % 251) as u8).collect(),
            given: 0,
            piece,
            asked: Vec::new(),
        }
    }

    #[test]
    fn all_of_a_source_is_read_in_pieces_of_any_size() {
        for length in [0, 1, 32, 4096, 65_535, 65_536, 65_537, 200_000] {
            for (size, piece) in [(1, 4096), (length + 1, usize::MAX), (length / 2 + 1, 1000)] {
                let mut pipe = pipe(length, piece);
                let beginning = read_wiped(&mut pipe, size, 200_000).unwrap();
                assert!(*beginning.content == pipe.bytes && !beginning.is_cut, "{length} {size}");
            }
        }
    }

    /// No buffer is larger than the limit, and none is given to code that would let it grow.
    #[test]
    fn no_more_than_the_limit_is_read_and_room_is_made_for() {
        for most in [0, 31, 4096, 65_536, 100_000] {
            let mut pipe = pipe(300_000, 4096);
            let beginning = read_wiped(&mut pipe, 300_001, most).unwrap();
            assert!(beginning.is_cut);
            assert_eq!(*beginning.content, pipe.bytes[..most]);
            assert!(beginning.content.capacity() <= most + 1);
            assert!(pipe.given <= most + 1 && pipe.asked.iter().all(|asked| *asked <= most + 1));
        }
        let mut whole = pipe(4096, 4096);
        assert!(!read_wiped(&mut whole, 1, 4096).unwrap().is_cut);
    }
}
