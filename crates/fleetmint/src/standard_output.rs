//! Standard output: whether anything can be written to it, and writing.
//!
//! The standard library hides both ways in which it can be missing. A descriptor that is closed when the program starts
//! it opens as /dev/null, so that no file takes its place; what is written to a descriptor that is open for reading alone
//! it takes as written. A result would be lost and the exit code 0, so both are looked for here.

use std::io::{self, BufWriter, Write};
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Failure;
use crate::system_error::reason;

/// Whether it was closed when the program started.
#[cfg(unix)]
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Looks at it before the standard library does, which is before `main`: nobody can tell afterwards, since callers have
/// reasons of their own for /dev/null. Nothing but this system call may happen here.
#[cfg(unix)]
#[ctor::ctor]
fn look_before_main() {
    let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    CLOSED.store(closed, Ordering::Relaxed);
}

/// Fails if nothing that is written would arrive.
#[cfg(unix)]
pub(crate) fn expect_open() -> io::Result<()> {
    use rustix::fs::OFlags;
    if CLOSED.load(Ordering::Relaxed) {
        return Err(io::Error::other("it is closed"));
    }
    let flags = rustix::fs::fcntl_getfl(rustix::stdio::stdout())?;
    if flags & OFlags::ACCMODE == OFlags::RDONLY {
        return Err(io::Error::other("it is open for reading alone"));
    }
    Ok(())
}

/// Fails if nothing that is written would arrive.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can be closed")]
pub(crate) fn expect_open() -> io::Result<()> {
    Ok(())
}

/// The same for commands whose work can't be done again, before they do it.
#[cfg(feature = "serve")]
pub(crate) fn expect() -> Result<(), Failure> {
    expect_open().map_err(|error| failed(&error))
}

/// Writes these bytes, all of them.
pub(crate) fn write_all(bytes: &[u8]) -> io::Result<()> {
    write_with(|out| out.write_all(bytes))
}

/// Has it written to piece by piece.
pub(crate) fn write_with(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    expect_open()?;
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    write(&mut out)?;
    out.flush()
}

/// What became of an answer. Whoever closes the pipe early (`| head`) has enough of it.
pub(crate) fn answered(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(&error)),
        _ => Ok(()),
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::unusable(format_args!("standard output: {}", reason(error)))
}
