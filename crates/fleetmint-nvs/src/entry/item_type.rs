//! The types of items.

/// The type byte of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are ESP-IDF's own")]
pub enum ItemType {
    U8 = 0x01,
    U16 = 0x02,
    U32 = 0x04,
    U64 = 0x08,
    I8 = 0x11,
    I16 = 0x12,
    I32 = 0x14,
    I64 = 0x18,
    /// A text with its NUL.
    Str = 0x21,
    Float = 0x24,
    Double = 0x28,
    /// A blob of the old format: one item of at most 1984 bytes.
    Blob = 0x41,
    /// A chunk of a blob.
    BlobData = 0x42,
    /// The index of a blob: its size and its chunks.
    BlobIndex = 0x48,
}

impl ItemType {
    /// The type with this byte.
    #[must_use]
    #[inline]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::U8,
            0x02 => Self::U16,
            0x04 => Self::U32,
            0x08 => Self::U64,
            0x11 => Self::I8,
            0x12 => Self::I16,
            0x14 => Self::I32,
            0x18 => Self::I64,
            0x21 => Self::Str,
            0x24 => Self::Float,
            0x28 => Self::Double,
            0x41 => Self::Blob,
            0x42 => Self::BlobData,
            0x48 => Self::BlobIndex,
            _ => return None,
        })
    }

    /// The byte of this type.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Whether the value is in the entries that follow: string, blob data, old blob.
    #[must_use]
    #[inline]
    pub const fn has_data(self) -> bool {
        matches!(self, Self::Str | Self::Blob | Self::BlobData)
    }

    /// Whether the value is a number, which is in the entry itself.
    #[must_use]
    #[inline]
    pub const fn is_number(self) -> bool {
        self.number_size().is_some()
    }

    /// Bytes of a number of this type. `None`: the type is not that of a number.
    #[must_use]
    #[inline]
    pub const fn number_size(self) -> Option<usize> {
        Some(match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::Float => 4,
            Self::U64 | Self::I64 | Self::Double => 8,
            Self::Str | Self::Blob | Self::BlobData | Self::BlobIndex => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_bytes() {
        for byte in 0..=255 {
            assert!(ItemType::from_byte(byte).is_none_or(|item_type| item_type.byte() == byte));
        }
    }
}
