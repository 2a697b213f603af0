//! Texts that are never printed, and memory that is overwritten.

use std::io;

use serde::Serialize;
use zeroize::Zeroizing;

pub use fleetmint_board::wiped::{Full, Wiped};

/// A secret text: overwritten in memory when dropped, and `[redacted]` wherever it would be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text must not have grown: growing leaves copies that are not overwritten.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. The caller is responsible for where it goes.
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

/// A value with secrets as JSON, in memory of exactly its size.
///
/// # Errors
/// The value cannot be serialized.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<Wiped> {
    let mut json = Wiped::with_capacity(json_size(value)?);
    serde_json::to_writer(&mut json, value)?;
    Ok(json)
}

/// The size of the value as JSON in bytes.
///
/// # Errors
/// The value cannot be serialized.
pub(crate) fn json_size(value: &impl Serialize) -> serde_json::Result<usize> {
    let mut size = Counted(0);
    serde_json::to_writer(&mut size, value)?;
    Ok(size.0)
}

/// Counts the written bytes.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2".into()))), "Some([redacted])");
    }

    #[test]
    fn the_memory_of_json_has_exactly_its_size() {
        let json = json(&serde_json::json!({"secret": "hunter2", "n": [1, 2]})).unwrap();
        assert_eq!(json.as_ref(), br#"{"n":[1,2],"secret":"hunter2"}"#);
        assert_eq!(json.capacity(), json.len());
    }
}
