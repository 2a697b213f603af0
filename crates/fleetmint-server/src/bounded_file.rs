//! Files that are read whole, up to a limit: a path can also lead to a device or a pipe that never ends.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::{Zeroize as _, Zeroizing};

/// The most bytes of a file that holds one key, token, password or URL.
pub const SECRET_MAX: u64 = 64 << 10;

/// The most bytes of a settings file.
pub const SETTINGS_MAX: u64 = 1 << 20;

/// The most bytes of a PEM file with authorities; a system's own bundle has about a quarter of a megabyte.
pub const AUTHORITIES_MAX: u64 = 4 << 20;

/// Reads a file or a pipe that has `most` bytes at most.
///
/// # Errors
/// It cannot be read, or has more bytes; the error does not name it.
pub fn read(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read_open(&File::open(path)?, most)
}

/// As [`read`], of a text.
///
/// # Errors
/// As [`read`]; it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<Zeroizing<String>> {
    text(read(path, most)?)
}

/// As [`read_text`], of a file that is open, from where it stands.
pub(crate) fn read_open_text(file: &File, most: u64) -> io::Result<Zeroizing<String>> {
    text(read_open(file, most)?)
}

fn read_open(file: &File, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let metadata = file.metadata()?;
    // Room for all of it at once: a buffer that grows leaves pieces of secrets behind in memory. Only a file says how
    // much it has, and the files of /proc say that they are empty.
    let size = match metadata.len() {
        size if metadata.is_file() && size > 0 => size.min(most),
        _ => most,
    };
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1));
    file.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {most} bytes, the most that is read of such a file"),
        ));
    }
    Ok(content)
}

fn text(mut bytes: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "grüße").unwrap();
        assert_eq!(*read(&path, 7).unwrap(), "grüße".as_bytes());
        assert_eq!(*read_text(&path, 7).unwrap(), "grüße");
        let error = read_text(&path, 6).unwrap_err().to_string();
        assert_eq!(error, "it has more than 6 bytes, the most that is read of such a file");
        std::fs::write(&path, b"\xFF").unwrap();
        assert_eq!(read_text(&path, 7).unwrap_err().to_string(), "it is not UTF-8");
    }

    /// It says that it is an empty file, and has more than a page.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_says_nothing_of_its_length_is_read_without_growing() {
        let content = read(Path::new("/proc/self/smaps"), SETTINGS_MAX).unwrap();
        assert!(content.len() > 1000, "{}", content.len());
        assert_eq!(content.capacity() as u64, SETTINGS_MAX + 1);
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
