//! Numbers, which an entry holds in its data field.

use super::item_type::ItemType;
use crate::fast;
use core::fmt;

/// A number that one entry holds.
///
/// ```
/// use fleetmint_nvs::entry::Number;
/// assert_eq!(Number::I16(-2).to_data(), [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are Rust's own")]
pub enum Number {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    Float(f32),
    Double(f64),
}

impl Number {
    /// The type of its entry.
    #[must_use]
    pub const fn item_type(self) -> ItemType {
        match self {
            Self::U8(_) => ItemType::U8,
            Self::I8(_) => ItemType::I8,
            Self::U16(_) => ItemType::U16,
            Self::I16(_) => ItemType::I16,
            Self::U32(_) => ItemType::U32,
            Self::I32(_) => ItemType::I32,
            Self::U64(_) => ItemType::U64,
            Self::I64(_) => ItemType::I64,
            Self::Float(_) => ItemType::Float,
            Self::Double(_) => ItemType::Double,
        }
    }

    /// The data field: the number little-endian, then 0xFF.
    #[must_use]
    pub const fn to_data(self) -> [u8; 8] {
        match self {
            Self::U8(n) => fast::padded(n as u64, u8::BITS),
            Self::I8(n) => fast::padded(n.cast_unsigned() as u64, u8::BITS),
            Self::U16(n) => fast::padded(n as u64, u16::BITS),
            Self::I16(n) => fast::padded(n.cast_unsigned() as u64, u16::BITS),
            Self::U32(n) => fast::padded(n as u64, u32::BITS),
            Self::I32(n) => fast::padded(n.cast_unsigned() as u64, u32::BITS),
            Self::Float(n) => fast::padded(n.to_bits() as u64, u32::BITS),
            Self::U64(n) => n.to_le_bytes(),
            Self::I64(n) => n.to_le_bytes(),
            Self::Double(n) => n.to_bits().to_le_bytes(),
        }
    }

    /// The number in a data field. `None`: the type is not that of a number.
    #[must_use]
    // Always inlined: the number is then written to its final place at once. Copying a value that was just written stalls.
    #[inline(always)]
    pub const fn from_data(item_type: ItemType, data: [u8; 8]) -> Option<Self> {
        let [b0, b1, b2, b3, ..] = data;
        Some(match item_type {
            ItemType::U8 => Self::U8(b0),
            ItemType::I8 => Self::I8(b0.cast_signed()),
            ItemType::U16 => Self::U16(u16::from_le_bytes([b0, b1])),
            ItemType::I16 => Self::I16(i16::from_le_bytes([b0, b1])),
            ItemType::U32 => Self::U32(u32::from_le_bytes([b0, b1, b2, b3])),
            ItemType::I32 => Self::I32(i32::from_le_bytes([b0, b1, b2, b3])),
            ItemType::Float => Self::Float(f32::from_bits(u32::from_le_bytes([b0, b1, b2, b3]))),
            ItemType::U64 => Self::U64(u64::from_le_bytes(data)),
            ItemType::I64 => Self::I64(i64::from_le_bytes(data)),
            ItemType::Double => Self::Double(f64::from_bits(u64::from_le_bytes(data))),
            ItemType::Str | ItemType::Blob | ItemType::BlobData | ItemType::BlobIndex => return None,
        })
    }
}

/// The number as text, the same in every output: an integer in decimal; a float or double as the shortest text that reads
/// back as the same bits, with a point or an exponent; `inf`, `-inf`, `nan`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U8(n) => n.fmt(f),
            Self::I8(n) => n.fmt(f),
            Self::U16(n) => n.fmt(f),
            Self::I16(n) => n.fmt(f),
            Self::U32(n) => n.fmt(f),
            Self::I32(n) => n.fmt(f),
            Self::U64(n) => n.fmt(f),
            Self::I64(n) => n.fmt(f),
            Self::Float(n) if n.is_nan() => f.write_str("nan"),
            Self::Double(n) if n.is_nan() => f.write_str("nan"),
            Self::Float(n) => write!(f, "{n:?}"),
            Self::Double(n) => write!(f, "{n:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_their_data_field() {
        for number in [
            Number::U8(200),
            Number::I8(-100),
            Number::U16(60000),
            Number::I16(-30000),
            Number::U32(u32::MAX - 1),
            Number::I32(i32::MIN),
            Number::U64(u64::MAX / 3),
            Number::I64(i64::MIN),
            Number::Float(-0.0),
            Number::Double(1e300),
        ] {
            assert_eq!(Number::from_data(number.item_type(), number.to_data()), Some(number));
            let size = number.item_type().number_size().unwrap();
            assert!(number.to_data()[size..].iter().all(|byte| *byte == 0xFF));
        }
    }
}
