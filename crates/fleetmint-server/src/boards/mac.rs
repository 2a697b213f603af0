//! The MAC of a chip, by which a board is known.

use std::fmt;

/// The rule as a regular expression, for the OpenAPI document.
pub(crate) const PATTERN: &str = "^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}$";

/// The base MAC in the chip's eFuses, in lower-case hexadecimal digits with colons between its six bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mac(String);

impl Mac {
    /// Reads a MAC in upper or lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let pairs = || text.split(':');
        let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        (pairs().count() == 6 && pairs().all(is_pair)).then(|| Self(text.to_ascii_lowercase()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A MAC from a column.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_six_bytes_and_in_lower_case() {
        for text in ["60:55:f9:aa:00:01", "60:55:F9:AA:00:01"] {
            assert_eq!(Mac::parse(text).unwrap().as_str(), "60:55:f9:aa:00:01");
        }
        for text in [
            "",
            "60:55:f9:aa:00",
            "60:55:f9:aa:00:01:02",
            "60:55:f9:aa:00:1",
            "60:55:f9:aa:00:0g",
            "60-55-f9-aa-00-01",
            "6055f9aa0001",
            ":60:55:f9:aa:00:01",
            "60:55:f9:aa:00:+1",
            "60:55:f9:aa:00:é",
        ] {
            assert_eq!(Mac::parse(text), None, "{text}");
        }
    }
}
