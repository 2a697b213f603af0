//! One output that is written piece by piece: it may be larger than memory, and appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleetmint_board::wiped::Wiped;

use super::appear::Appearing;
use super::output::{Output, OutputKind};
use super::path::folder;
use super::target::{Destination, Target};
use crate::exit::Failure;

/// An output that is being written. Without [`finish`](Self::finish) nothing of it stays, except in a pipe or a device.
#[derive(Debug)]
pub(crate) struct Stream {
    path: PathBuf,
    buffer: Wiped,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    File { file: Appearing, path: PathBuf },
    Device(File),
    StandardOutput,
}

impl Stream {
    /// Begins an output; `-` is standard output, which must not be a terminal. It may replace the files that
    /// [`write_all`](super::write_all) may replace with an image.
    pub(crate) fn create(path: &Path, force: bool) -> Result<Self, Failure> {
        let output = output(path);
        let target = Target::find(&output, force)?;
        let sink = match target.destination {
            Destination::StandardOutput => Sink::StandardOutput,
            Destination::Device(device) => {
                let opened = File::options().write(true).open(&device);
                Sink::Device(opened.map_err(|error| output.failed(&error))?)
            }
            Destination::File { path: resolved, .. } => {
                let begun = fs::create_dir_all(folder(&resolved)).and_then(|()| Appearing::begin(folder(&resolved)));
                Sink::File {
                    file: begun.map_err(|error| output.uncreated(&resolved, &error))?,
                    path: resolved,
                }
            }
        };
        Ok(Self {
            path: path.to_path_buf(),
            buffer: Wiped::with_capacity(64 << 10),
            sink,
        })
    }

    /// Whether [`create`](Self::create) would refuse the output, without creating anything.
    pub(crate) fn check(path: &Path, force: bool) -> Result<(), Failure> {
        Target::find(&output(path), force).map(drop)
    }

    /// Ends the output: a file is on the disk, and appears.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.flush();
        let outcome = flushed.and_then(|()| match self.sink {
            Sink::File { file, path } => {
                file.file().sync_all()?;
                file.appear(&path, true)?;
                // Not every system opens a folder.
                let _ = File::open(folder(&path)).and_then(|folder| folder.sync_all());
                Ok(())
            }
            Sink::Device(_) | Sink::StandardOutput => Ok(()),
        });
        outcome.map_err(|error| output(&self.path).failed(&error))
    }

    /// A piece could not be written.
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        output(&self.path).failed(error)
    }

    fn empty(&mut self) -> io::Result<()> {
        let bytes = self.buffer.as_ref();
        match &mut self.sink {
            Sink::File { file, .. } => file.write_all(bytes),
            Sink::Device(file) => file.write_all(bytes),
            Sink::StandardOutput => io::stdout().lock().write_all(bytes),
        }?;
        self.buffer.truncate(0);
        Ok(())
    }
}

/// The output as messages name it.
fn output(path: &Path) -> Output<'_> {
    Output {
        path,
        bytes: &[],
        kind: OutputKind::Image,
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.buffer.capacity() - self.buffer.len();
        if room == 0 {
            self.empty()?;
            room = self.buffer.capacity();
        }
        let piece = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.buffer.push(piece)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.empty()?;
        match self.sink {
            Sink::StandardOutput => io::stdout().lock().flush(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_arrive_and_the_file_appears_at_the_end() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("new/file");
        let mut stream = Stream::create(&path, false).unwrap();
        let mut expected = Vec::new();
        for size in [0, 1, 65_535, 65_536, 65_537, 3, 300_000, 0] {
            let piece: Vec<u8> = (0..size).map(|byte| (byte % 251) as u8).collect();
            stream.write_all(&piece).unwrap();
            expected.extend_from_slice(&piece);
            assert!(!path.exists());
        }
        stream.finish().unwrap();
        assert!(fs::read(&path).unwrap() == expected);

        drop(Stream::create(&path, false).map(|mut stream| stream.write_all(b"half")));
        assert!(fs::read(&path).unwrap() == expected);
        let mut stream = Stream::create(&path, false).unwrap();
        stream.write_all(b"new").unwrap();
        stream.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(above.path().join("new")).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_said_with_the_name() {
        let mut stream = Stream::create(Path::new("/dev/full"), false).unwrap();
        let error = stream.write_all(&vec![0; 100_000]).unwrap_err();
        assert_eq!(
            stream.failed(&error).message,
            "/dev/full: not written: no space left on device"
        );
        let mut stream = Stream::create(Path::new("/dev/full"), false).unwrap();
        stream.write_all(b"x").unwrap();
        assert_eq!(
            stream.finish().unwrap_err().message,
            "/dev/full: not written: no space left on device"
        );
    }
}
