//! Reading input, and writing output so that nothing is ever half written.
//!
//! What one call of the program has read is remembered: an output is never one of these files, whatever it is called.
//! That is one place for every command, also for files that a table's rows name.

mod output;
mod temporary;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::builder::{PathBufValueParser, TypedValueParser};
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
    path: PathBuf,
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

/// Parses the name of a file that is never standard input or standard output: `-` is refused for this reason.
pub(crate) fn named(reason: &'static str) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path| match is_standard(&path) {
        true => Err(format!("{reason}; a file of that name is ./-")),
        false => Ok(path),
    })
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
    let beginning = read_beginning(path, most)?;
    whole(beginning, &input_name(path), most)
}

/// The content of a file, which may have so many bytes at most; `-` is a file like any other.
pub(crate) fn read_file(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let name = path.display().to_string();
    let beginning = read_open(File::open(path), path, name.clone(), most)?;
    whole(beginning, &name, most)
}

/// What was read of a file.
pub(crate) struct Beginning {
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// The file has more.
    pub(crate) is_cut: bool,
}

/// So many bytes of a file that the command line names, or all that it has; `-` is standard input.
pub(crate) fn read_beginning(path: &Path, most: u64) -> Result<Beginning, Failure> {
    let name = input_name(path);
    if !is_standard(path) {
        return read_open(File::open(path), path, name, most);
    }
    if inputs().iter().any(|input| input.name == name) {
        return Err(Failure::unusable("standard input (-) can be one input alone"));
    }
    read_open(standard_input(), path, name, most)
}

fn whole(beginning: Beginning, name: &str, most: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if beginning.is_cut {
        return Err(Failure::unusable(format_args!(
            "{name}: it has more than {most} bytes, the most that is read"
        )));
    }
    Ok(beginning.content)
}

fn read_open(file: io::Result<File>, path: &Path, name: String, most: u64) -> Result<Beginning, Failure> {
    let unreadable = |error: &io::Error| Failure::unusable(format_args!("{name}: {}", reason(error)));
    let file = file.map_err(|error| unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    // One more than there seems to be shows that there is no more.
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX).saturating_add(1);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let beginning = read_wiped(file, size, most).map_err(|error| unreadable(&error))?;
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
    Ok(beginning)
}

/// Reads `most` bytes at most, into room for `size` bytes at first. A buffer that a vector grows out of by itself would
/// leave pieces of keys behind in memory: here what is outgrown is wiped.
fn read_wiped(mut source: impl Read, size: usize, most: usize) -> io::Result<Beginning> {
    /// For a pipe, which does not say what it has.
    const ROOM_MIN: usize = 64 << 10;
    // Of a longer source one byte more, to see that it is longer.
    let all = most.saturating_add(1);
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
    content.truncate(filled.min(most));
    Ok(Beginning {
        content,
        is_cut: filled > most,
    })
}

impl Identity {
    /// That of no file.
    fn none() -> Self {
        Self {
            #[cfg(unix)]
            number: (u64::MAX, u64::MAX),
            #[cfg(not(unix))]
            path: PathBuf::new(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives bytes piece by piece, and keeps what it was asked for.
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

    /// Room beyond the limit is never made, and no buffer is handed to what would grow it by itself.
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
