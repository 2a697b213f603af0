//! [`RawName`]: the name of a key or namespace as a flash holds it.
//!
//! ```text
//! key field of an entry, 16 bytes:  'd' 'e' 'v' 'i' 'c' 'e' '_' 'k' 'e' 'y' 00 00 00 00 00 00
//! ```

use crate::fast;
use crate::layout::NAME_FIELD;
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

    /// The name in an entry's key field: the bytes before the first NUL, at most 15.
    #[must_use]
    #[inline]
    pub fn from_field(field: &[u8; NAME_FIELD]) -> Self {
        // What follows the first NUL becomes NUL, so that equal names are equal fields.
        Self {
            field: fast::cut_at_nul(*field),
        }
    }

    /// The name in a key field that has nothing but NUL after the first NUL.
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
        fast::name_len(&self.field)
    }

    /// Whether the name has no bytes. The firmware accepts such names.
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

    /// The name as text, with U+FFFD in place of what isn't UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

impl fmt::Debug for RawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// The name as text, or its bytes escaped where they aren't UTF-8.
impl fmt::Display for RawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.write_str(text),
            None => write!(f, "{}", self.as_bytes().escape_ascii()),
        }
    }
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
}
