//! The state of a model or a device as one value, and a caller's condition on it (RFC 9110 §13): `ETag`, `If-Match`.

use std::fmt;

use ring::digest::{Context, SHA256};

/// The number of bytes of the digest in a version.
const LEN: usize = 16;

/// Distinguishes two states of one row: a digest of all its values, sealed ones included, so that a changed password,
/// which is never shown, also changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version([u8; LEN]);

impl Version {
    /// Begins a digest. The form of answers is part of a version, because a new program may show more.
    pub(crate) fn digest() -> Digest {
        Digest(Context::new(&SHA256)).text(env!("CARGO_PKG_VERSION"))
    }

    /// Parses the text that [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        let version = Self(number.to_be_bytes());
        (version.to_string() == text).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The digest of a version while values are added.
pub(crate) struct Digest(Context);

impl Digest {
    /// Lengths come first, so that no two states have the same bytes.
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn number(self, number: i64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn optional(self, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.bytes(b"some").bytes(value.as_ref()),
            None => self.bytes(b""),
        }
    }

    pub(crate) fn finish(self) -> Version {
        let digest = self.0.finish();
        Version(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// The versions that a caller wants to change: any existing one, or one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    #[default]
    Any,
    OneOf(Vec<Version>),
}

impl Expected {
    /// Checks that the current version is one of them.
    ///
    /// # Errors
    /// It is another.
    pub(crate) fn check(&self, now: &Version) -> Result<(), Changed> {
        match self {
            Self::OneOf(versions) if !versions.contains(now) => Err(Changed),
            Self::Any | Self::OneOf(_) => Ok(()),
        }
    }

    /// Why a change was not made when the row changed after its version was checked: the version is another one now, which
    /// a caller who named versions did not mean; to one who named none it is a change at the same time.
    pub(crate) fn outrun<E: From<Changed>>(&self, at_the_same_time: E) -> E {
        match self {
            Self::Any => at_the_same_time,
            Self::OneOf(_) => Changed.into(),
        }
    }
}

/// It is in another state than the caller expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not in the state that If-Match names")]
pub struct Changed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_race_is_another_version_to_a_caller_who_named_versions() {
        #[derive(Debug, PartialEq)]
        enum Error {
            Busy,
            Changed,
        }
        impl From<Changed> for Error {
            fn from(_: Changed) -> Self {
                Self::Changed
            }
        }
        let version = Version::digest().finish();
        assert_eq!(Expected::Any.outrun(Error::Busy), Error::Busy);
        assert_eq!(Expected::OneOf(vec![version]).outrun(Error::Busy), Error::Changed);
    }

    #[test]
    fn states_that_look_alike_have_different_versions() {
        let versions = [
            Version::digest().text("ab").text("c").finish(),
            Version::digest().text("a").text("bc").finish(),
            Version::digest().text("abc").finish(),
            Version::digest().optional(None::<&str>).finish(),
            Version::digest().optional(Some("")).finish(),
            Version::digest().optional(Some("some")).finish(),
            Version::digest().number(0).finish(),
        ];
        for (at, version) in versions.iter().enumerate() {
            assert_eq!(Version::parse(&version.to_string()), Some(*version));
            assert_eq!(versions.iter().position(|other| other == version), Some(at));
        }
        for wrong in ["", "0", "+0000000000000000000000000000001", "A", &"f".repeat(33)] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
