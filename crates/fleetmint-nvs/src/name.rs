//! [`RawName`]: the name of a key or namespace as a flash holds it.
//!
//! ```text
//! key field of an entry, 16 bytes:  'd' 'e' 'v' 'i' 'c' 'e' '_' 'k' 'e' 'y' 00 00 00 00 00 00
//! ```

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
