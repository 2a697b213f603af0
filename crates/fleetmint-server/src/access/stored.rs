//! What the database has of the administrator token.
//!
//! ```text
//! '2' │ origin │ digest, 32 bytes │ the digest of a token whose reset is under way, 32 bytes, or nothing
//! ```
//!
//! The digests are HMACs under a key derived from the master key: who can write the database but has no master key cannot
//! put a token of their own there. What was there before they can put back: that it is still the token, the data folder's file
//! says. Version 0.1.0 had `origin │ SHA-256`, which proves nothing.

use subtle::ConstantTimeEq as _;

use crate::database::{self, Connection};
use crate::instance;
use crate::seal::Seal;

/// The row of `instance`.
const NAME: &str = "administrator_token";

const VERSION: u8 = b'2';

/// What keeps these digests apart from others under the same key.
const PURPOSE: &str = "administrator token";

/// Where a token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Settings,
    Made,
}

impl Origin {
    const fn byte(self) -> u8 {
        match self {
            Self::Settings => b's',
            Self::Made => b'm',
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Settings, Self::Made]
            .into_iter()
            .find(|origin| origin.byte() == byte)
    }

    /// Of a token and its origin: neither can be exchanged for another.
    pub(super) fn digest(self, seal: &Seal, token: &str) -> [u8; 32] {
        let purpose = match self {
            Self::Settings => "administrator token, of the settings",
            Self::Made => PURPOSE,
        };
        seal.keyed_digest(purpose, token.as_bytes())
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Authentic {
        origin: Origin,
        digest: [u8; 32],
        /// Of a token that is being made: it may be in the file by now.
        next: Option<[u8; 32]>,
    },
    /// Of version 0.1.0: a hash that anybody could have written.
    Plain { origin: Origin, hash: [u8; 32] },
    /// Nothing that this program wrote: it is nobody's token.
    Damaged,
}

impl Stored {
    /// The only token, made and in its file.
    pub(super) const fn made(digest: [u8; 32]) -> Self {
        Self::Authentic {
            origin: Origin::Made,
            digest,
            next: None,
        }
    }

    pub(super) fn read(connection: &mut Connection) -> Result<Option<Self>, database::Error> {
        let Some(bytes) = instance::get(connection, NAME)? else {
            return Ok(None);
        };
        Ok(Some(Self::parse(&bytes).unwrap_or(Self::Damaged)))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        if first != VERSION {
            return Some(Self::Plain {
                origin: Origin::of(first)?,
                hash: rest.try_into().ok()?,
            });
        }
        let (&origin, rest) = rest.split_first()?;
        let (digest, next) = rest.split_first_chunk()?;
        let next = match next {
            [] => None,
            next => Some(next.try_into().ok()?),
        };
        Some(Self::Authentic {
            origin: Origin::of(origin)?,
            digest: *digest,
            next,
        })
    }

    pub(super) fn write(&self, connection: &mut Connection) -> Result<(), database::Error> {
        instance::put(connection, NAME, &self.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Authentic { origin, digest, next } => {
                let next = next.as_ref().map_or(&[][..], |next| next);
                [&[VERSION, origin.byte()], &digest[..], next].concat()
            }
            Self::Plain { origin, hash } => [&[origin.byte()], &hash[..]].concat(),
            Self::Damaged => Vec::new(),
        }
    }

    pub(super) fn is_from_settings(&self) -> bool {
        match self {
            Self::Authentic { origin, .. } | Self::Plain { origin, .. } => *origin == Origin::Settings,
            Self::Damaged => false,
        }
    }

    /// Whether this token is one of those whose digests are here.
    pub(super) fn is_of(&self, seal: &Seal, token: &str) -> bool {
        match self {
            Self::Authentic { origin, digest, next } => {
                let current = origin.digest(seal, token).ct_eq(digest);
                let coming = next.map_or(0.into(), |next| Origin::Made.digest(seal, token).ct_eq(&next));
                (current | coming).into()
            }
            Self::Plain { .. } | Self::Damaged => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for next in [None, Some([2; 32])] {
            for origin in [Origin::Settings, Origin::Made] {
                let stored = Stored::Authentic {
                    origin,
                    digest: [1; 32],
                    next,
                };
                assert_eq!(Stored::parse(&stored.bytes()), Some(stored));
            }
        }
        let plain = Stored::Plain {
            origin: Origin::Made,
            hash: [3; 32],
        };
        assert_eq!(Stored::parse(&plain.bytes()), Some(plain));
        for damaged in [
            &b""[..],
            b"2",
            b"2m",
            &[b'2'; 40],
            &[b'm'; 32],
            &[b'm'; 34],
            &[b'x'; 33],
        ] {
            assert_eq!(Stored::parse(damaged), None, "{damaged:?}");
        }
    }
}
