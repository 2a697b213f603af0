//! Whether a file holds just what is written: without writing it, and without having either in memory.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::Path;

use fleetmint_board::wiped::Wiped;

use crate::exit::Failure;
use crate::system_error::reason;

/// A file that is compared with what is written to this.
#[derive(Debug)]
pub(crate) struct Comparison {
    file: BufReader<File>,
    piece: Wiped,
    is_same: bool,
}

impl Comparison {
    /// Begins a comparison; `None` if there is no file, such as at the place of a pipe.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Failure> {
        let refused = |reason: &str| Failure::unusable(format_args!("{}: {reason}", path.display()));
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(&reason(&error))),
        }
        let file = File::open(path).map_err(|error| refused(&reason(&error)))?;
        Ok(Some(Self {
            file: BufReader::new(file),
            piece: Wiped::filled(0, 64 << 10),
            is_same: true,
        }))
    }

    /// Whether the file holds what was written, and nothing more.
    pub(crate) fn finish(mut self) -> bool {
        self.is_same && matches!(self.file.read(&mut [0]), Ok(0))
    }
}

impl Write for Comparison {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_same {
            return Ok(bytes.len());
        }
        let count = bytes.len().min(self.piece.len());
        let (Some(piece), Some(bytes)) = (self.piece.as_mut().get_mut(..count), bytes.get(..count)) else {
            return Ok(0);
        };
        match self.file.read_exact(piece) {
            Ok(()) => self.is_same = piece == bytes,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.is_same = false,
            Err(error) => return Err(error),
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(Comparison::open(&path).unwrap().is_none());
        assert!(Comparison::open(folder.path()).unwrap().is_none());
        for size in [0, 1, 65_536, 200_000] {
            let bytes: Vec<u8> = (0..size).map(|byte| (byte % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            let is_same = |written: &[u8]| {
                let mut comparison = Comparison::open(&path).unwrap().unwrap();
                written
                    .chunks(70_001)
                    .for_each(|piece| comparison.write_all(piece).unwrap());
                comparison.finish()
            };
            assert!(is_same(&bytes), "{size}");
            assert!(!is_same(&[&bytes[..], b"x"].concat()));
            if let Some((last, shorter)) = bytes.split_last() {
                assert!(!is_same(shorter));
                assert!(!is_same(&[shorter, &[last ^ 1]].concat()));
                assert!(!is_same(&[&[bytes[0] ^ 1], &bytes[1..]].concat()));
            }
        }
    }
}
