//! Reads whole files up to a limit, because a path can also lead to a device or a pipe that never ends.

use std::fs::File;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::secret::Wiped;

/// The size limit in bytes of a file with one key, token, password or URL.
pub const SECRET_MAX: u64 = 64 << 10;

/// The size limit in bytes of a settings file.
pub const SETTINGS_MAX: u64 = 1 << 20;

/// The size limit in bytes of a PEM file with authorities; a system's own bundle has about a quarter of a megabyte.
pub const AUTHORITIES_MAX: u64 = 4 << 20;

/// Reads a file or a pipe of at most `most` bytes.
///
/// # Errors
/// It cannot be read, or has more bytes; the error does not name it.
pub fn read(path: &Path, most: u64) -> io::Result<Wiped> {
    read_open(&File::open(path)?, most)
}

/// Like [`read`], for a text.
///
/// # Errors
/// As [`read`]; it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<Zeroizing<String>> {
    text(read(path, most)?)
}

/// Like [`read_text`], for an open file, from its current position.
pub(crate) fn read_open_text(file: &File, most: u64) -> io::Result<Zeroizing<String>> {
    text(read_open(file, most)?)
}

fn read_open(file: &File, most: u64) -> io::Result<Wiped> {
    let bytes = |length: u64| usize::try_from(length).unwrap_or(usize::MAX);
    // Only a file has a length, and the files of /proc claim to be empty.
    let read = Wiped::read(file, bytes(file.metadata()?.len()), bytes(most))?;
    if read.is_cut {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {most} bytes, the limit for such a file"),
        ));
    }
    Ok(read.content)
}

fn text(bytes: Wiped) -> io::Result<Zeroizing<String>> {
    bytes
        .into_text()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "grüße").unwrap();
        assert_eq!(read(&path, 7).unwrap().as_ref(), "grüße".as_bytes());
        assert_eq!(*read_text(&path, 7).unwrap(), "grüße");
        let error = read_text(&path, 6).unwrap_err().to_string();
        assert_eq!(error, "it has more than 6 bytes, the limit for such a file");
        std::fs::write(&path, b"\xFF").unwrap();
        assert_eq!(read_text(&path, 7).unwrap_err().to_string(), "it is not UTF-8");
    }

    /// It claims to be empty, but has more than a page.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_a_known_length_is_read() {
        let content = read(Path::new("/proc/self/smaps"), SETTINGS_MAX).unwrap();
        assert!(content.len() > 1000, "{}", content.len());
    }

    #[cfg(unix)]
    #[test]
    fn a_device_that_never_ends_is_read_up_to_the_limit() {
        let zeros = Path::new("/dev/zero");
        for most in [0, SECRET_MAX, AUTHORITIES_MAX] {
            assert_eq!(read(zeros, most).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
        assert_eq!(*read_text(Path::new("/dev/null"), 0).unwrap(), "");
    }
}
