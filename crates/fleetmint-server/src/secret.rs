//! A text that is never printed.

use zeroize::Zeroizing;

/// A secret text: wiped from memory when dropped, and `[redacted]` wherever it would be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for Secret {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Bytes that hold a secret among others: overwritten when dropped, and never printed.
///
/// As [`Zeroizing`], but at the speed of memory: an image and its answer are too large to be wiped byte by byte.
pub struct Wiped(Vec<u8>);

impl Wiped {
    /// The vector must not have been moved by growing: what it left behind would not be wiped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Makes room for so many bytes in all.
    pub fn reserve(&mut self, bytes: usize) {
        if bytes > self.0.capacity() {
            let mut larger = Vec::with_capacity(bytes);
            larger.extend_from_slice(&self.0);
            *self = Self(larger);
        }
    }

    /// Adds bytes; what growing leaves behind is wiped.
    pub fn extend(&mut self, more: &[u8]) {
        let needed = self.0.len() + more.len();
        if needed > self.0.capacity() {
            self.reserve(needed.max(self.0.capacity() * 2));
        }
        self.0.extend_from_slice(more);
    }
}

/// Never fails.
impl std::io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Wiped {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.fill(0);
        zeroize::optimization_barrier(&*self.0);
    }
}

impl std::fmt::Debug for Wiped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Secret, Wiped};

    #[test]
    fn bytes_written_one_by_one_are_all_there() {
        let mut wiped = Wiped::new(Vec::with_capacity(3));
        for byte in 0..=255 {
            wiped.write_all(&[byte]).unwrap();
        }
        assert_eq!(wiped.as_ref(), (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2".into()))), "Some([redacted])");
    }
}
