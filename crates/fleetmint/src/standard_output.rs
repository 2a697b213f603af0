//! Standard output: whether it can be written to, and writing.
//!
//! The standard library hides two failures. If the descriptor is closed when the program starts, the library opens it as
//! /dev/null, so that no file gets its number. If the descriptor is open only for reading, the library reports that every
//! write succeeded. In both cases the result would be lost and the exit code would be 0, so this room checks for them.

use std::io::{self, Write};
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};

use fleetmint_board::wiped::Wiped;

use crate::exit::Failure;
use crate::system_error::reason;

/// Whether it was closed when the program started.
#[cfg(unix)]
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Checks it before the standard library does, which is before `main`: afterwards nobody can tell, because a caller may use
/// /dev/null on purpose. Nothing except this system call may happen here.
#[cfg(unix)]
#[ctor::ctor]
fn look_before_main() {
    let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    CLOSED.store(closed, Ordering::Relaxed);
}

/// Fails if it cannot be written to.
#[cfg(unix)]
pub(crate) fn expect_open() -> io::Result<()> {
    use rustix::fs::OFlags;
    if CLOSED.load(Ordering::Relaxed) {
        return Err(io::Error::other("it is closed"));
    }
    let flags = rustix::fs::fcntl_getfl(rustix::stdio::stdout())?;
    if flags & OFlags::ACCMODE == OFlags::RDONLY {
        return Err(io::Error::other("it is open only for reading"));
    }
    Ok(())
}

/// Fails if it cannot be written to.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can be closed")]
pub(crate) fn expect_open() -> io::Result<()> {
    Ok(())
}

/// The same, for commands that cannot repeat their work: they check before they begin.
#[cfg(feature = "serve")]
pub(crate) fn expect() -> Result<(), Failure> {
    expect_open().map_err(|error| failed(&error))
}

/// Writes all these bytes.
pub(crate) fn write_all(bytes: &[u8]) -> io::Result<()> {
    write_with(|out| out.write_all(bytes))
}

/// Lets `write` write to it piece by piece.
pub(crate) fn write_with(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    expect_open()?;
    let mut out = Buffered {
        buffer: Wiped::with_capacity(64 << 10),
        out: io::stdout().lock(),
    };
    write(&mut out)?;
    out.flush()
}

/// As `BufWriter`, but the buffer is wiped: an answer may hold secrets.
struct Buffered<W> {
    buffer: Wiped,
    out: W,
}

impl<W: Write> Buffered<W> {
    fn empty(&mut self) -> io::Result<()> {
        self.out.write_all(self.buffer.as_ref())?;
        self.buffer.truncate(0);
        Ok(())
    }
}

impl<W: Write> Write for Buffered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.push(bytes).is_err() {
            self.empty()?;
            if self.buffer.push(bytes).is_err() {
                return self.out.write(bytes);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.empty()?;
        self.out.flush()
    }
}

/// The outcome of an answer. A reader that closes the pipe early (`| head`) is not a failure.
pub(crate) fn answered(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(&error)),
        _ => Ok(()),
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::unusable(format_args!("standard output: {}", reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_arrive_in_order() {
        let mut buffered = Buffered {
            buffer: Wiped::with_capacity(8),
            out: Vec::new(),
        };
        let mut expected = Vec::new();
        for size in [0, 3, 5, 1, 8, 9, 2, 30, 0, 7] {
            let piece: Vec<u8> = (expected.len()..expected.len() + size).map(|byte| byte as u8).collect();
            buffered.write_all(&piece).unwrap();
            expected.extend_from_slice(&piece);
        }
        buffered.flush().unwrap();
        assert_eq!(buffered.out, expected);
    }
}
