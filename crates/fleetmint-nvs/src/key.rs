//! Names: [`Key`] and [`Namespace`] are fit to be written, [`RawName`] is whatever a flash holds.
//!
//! ```text
//! key field of an entry, 16 bytes:  'd' 'e' 'v' 'i' 'c' 'e' '_' 'k' 'e' 'y' 00 00 00 00 00 00
//! ```

use crate::error::{Error, NameKind};
use crate::layout::{NAME_FIELD, NAME_MAX};
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// A name as read from flash: up to 15 bytes of anything but NUL, UTF-8 or not, possibly none at all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawName {
    field: [u8; NAME_FIELD],
}

impl RawName {
    /// The empty name.
    pub const EMPTY: Self = Self { field: [0; NAME_FIELD] };

    /// The name in an entry's key field: what comes before the first NUL, at most 15 bytes.
    #[must_use]
    #[inline]
    pub fn from_field(field: &[u8; NAME_FIELD]) -> Self {
        // The bytes after the first NUL become NUL too, so that equal names are equal fields.
        let word = u128::from_le_bytes(*field);
        let (low, high) = (word as u64, (word >> 64) as u64 & (u64::MAX >> 8));
        let kept = before_nul(low);
        let (low, high) = if kept == u64::MAX {
            (low, high & before_nul(high))
        } else {
            (low & kept, 0)
        };
        Self {
            field: (u128::from(high) << 64 | u128::from(low)).to_le_bytes(),
        }
    }

    /// The name in a key field that is known to hold nothing but NUL after its first.
    #[inline]
    pub(crate) fn of_clean(field: [u8; NAME_FIELD]) -> Self {
        debug_assert_eq!(Self::from_field(&field).field, field);
        Self { field }
    }

    /// The name's bytes, without NUL.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.field.split_at_checked(self.len()).map_or(&[], |(name, _)| name)
    }

    /// The length in bytes, 0 to 15.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        let word = u128::from_le_bytes(self.field);
        NAME_FIELD - (word.leading_zeros() / 8) as usize
    }

    /// Whether the name has no bytes. The firmware does accept such names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.field == [0; NAME_FIELD]
    }

    /// The name as an entry holds it: padded with NUL to 16 bytes.
    #[must_use]
    #[inline]
    pub const fn field(&self) -> &[u8; NAME_FIELD] {
        &self.field
    }

    /// The name as text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes()).ok()
    }

    /// The name as text, with U+FFFD for what isn't UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    fn new(kind: NameKind, name: &[u8]) -> Result<Self, Error> {
        if name.is_empty() {
            return Err(Error::NameEmpty { kind });
        }
        if name.len() > NAME_MAX {
            return Err(Error::NameTooLong {
                kind,
                name: beginning(name),
                size: name.len(),
            });
        }
        if let Some(offset) = name.iter().position(|byte| *byte == 0) {
            return Err(Error::NameHasNul {
                kind,
                name: String::from_utf8_lossy(name).into_owned(),
                offset,
            });
        }
        let mut field = [0; NAME_FIELD];
        for (to, from) in field.iter_mut().zip(name) {
            *to = *from;
        }
        Ok(Self { field })
    }
}

/// As much of a name that is too long as a message shows.
fn beginning(name: &[u8]) -> String {
    const MOST: usize = 64;
    match name.split_at_checked(MOST) {
        Some((shown, [_, ..])) => String::from_utf8_lossy(shown).into_owned() + "…",
        _ => String::from_utf8_lossy(name).into_owned(),
    }
}

/// A mask of the bytes before the first that is NUL; all, if none is.
#[inline]
const fn before_nul(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // The lowest set bit of this marks the first NUL byte.
    let nul = word.wrapping_sub(ONES) & !word & HIGHS;
    if nul == 0 {
        u64::MAX
    } else {
        ((nul & nul.wrapping_neg()) - 1) >> 7
    }
}

impl fmt::Debug for RawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// The name for people: its text, or its bytes escaped when they aren't UTF-8.
impl fmt::Display for RawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.write_str(text),
            None => write!(f, "{}", self.as_bytes().escape_ascii()),
        }
    }
}

macro_rules! written_name {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(RawName);

        impl $name {
            /// Checks a name: 1 to 15 bytes, none of them NUL.
            ///
            /// # Errors
            /// [`Error::NameEmpty`], [`Error::NameTooLong`], [`Error::NameHasNul`].
            pub fn new(name: impl AsRef<[u8]>) -> Result<Self, Error> {
                RawName::new($kind, name.as_ref()).map(Self)
            }

            /// The name's bytes, without NUL.
            #[must_use]
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The name as an entry holds it: padded with NUL to 16 bytes.
            #[must_use]
            #[inline]
            pub const fn field(&self) -> &[u8; NAME_FIELD] {
                self.0.field()
            }

            /// The same name, as one read from flash.
            #[must_use]
            #[inline]
            pub const fn raw(&self) -> RawName {
                self.0
            }
        }

        impl From<$name> for RawName {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl TryFrom<RawName> for $name {
            type Error = Error;

            fn try_from(name: RawName) -> Result<Self, Error> {
                Self::new(name.as_bytes())
            }
        }

        impl core::str::FromStr for $name {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                Self::new(name)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

written_name! {
    /// A key that may be written: 1 to 15 bytes, none of them NUL.
    ///
    /// ```
    /// use fleetmint_nvs::{Error, Key};
    /// assert_eq!(Key::new("client_secret")?.as_bytes(), b"client_secret");
    /// assert!(matches!(Key::new("sixteen_bytes_16"), Err(Error::NameTooLong { size: 16, .. })));
    /// # Ok::<(), Error>(())
    /// ```
    Key, NameKind::Key
}
written_name! {
    /// The name of a namespace that may be written: 1 to 15 bytes, none of them NUL.
    Namespace, NameKind::Namespace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_name_ends_at_the_first_nul_or_after_15_bytes() {
        assert_eq!(RawName::from_field(b"prov\0garbage.012").as_bytes(), b"prov");
        assert_eq!(RawName::from_field(&[0xFF; 16]).as_bytes(), &[0xFF; 15]);
        assert_eq!(RawName::from_field(b"\0bcdefghijklmnop"), RawName::EMPTY);
        assert_eq!(
            RawName::from_field(b"a\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0").as_bytes(),
            b"a\x01"
        );
        for len in 0..=15 {
            let mut field = [b'x'; 16];
            field[len] = 0;
            assert_eq!(RawName::from_field(&field).len(), len);
            assert_eq!(RawName::from_field(&field).as_bytes(), &field[..len]);
        }
    }

    #[test]
    fn written_names_are_checked() {
        assert!(matches!(Key::new(""), Err(Error::NameEmpty { kind: NameKind::Key })));
        assert!(Key::new([b'k'; 15]).is_ok());
        assert!(matches!(
            Namespace::new([b'n'; 16]),
            Err(Error::NameTooLong {
                kind: NameKind::Namespace,
                size: 16,
                ..
            })
        ));
        assert!(matches!(Key::new("a\0b"), Err(Error::NameHasNul { offset: 1, .. })));
        // Bytes count, not characters.
        assert!(Key::new("ääääääää").is_err());
        assert_eq!(Key::new("ü").unwrap().field(), b"\xc3\xbc\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}
