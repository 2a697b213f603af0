//! The 32-byte entry, the unit of everything that a page stores.
//!
//! ```text
//!   0    1     2     3      4         8                                    24               32
//!   ┌────┬─────┬─────┬──────┬─────────┬────────────────────────────────────┬────────────────┐
//!   │ ns │ type│ span│ chunk│ CRC-32  │ key, padded with NUL               │ data           │
//!   └────┴─────┴─────┴──────┴─────────┴────────────────────────────────────┴────────────────┘
//!                                              data by type:
//!     a number                         the number, then 0xFF            ┌───────────────┬───┐
//!                                                                       └───────────────┴───┘
//!                                                                       24    26     28      32
//!     string, blob data, old blob      size, 0xFFFF, CRC-32 of the data ┌─────┬──────┬──────┐
//!                                      that follows in span − 1 entries └─────┴──────┴──────┘
//!                                                                       24         28  29   30
//!     blob index                       size of all chunks, how many,    ┌──────────┬───┬───┬┐
//!                                      the first one's number, 0xFFFF   └──────────┴───┴───┴┘
//! ```
//!
//! The CRC is over bytes 0..4 and 8..32. A value longer than 8 bytes lies in the entries after its own, the last
//! of them padded with 0xFF. A namespace is an entry of type u8 in namespace 0, its key the name, its value the index.

use crate::key::{Key, Namespace, RawName};
use crate::layout::{
    BLOB_MAX, CHUNK_ANY, CHUNK_MAX, ENTRY_COUNT, ENTRY_SIZE, NAME_FIELD, NAMESPACE_INDEX, crc32, data_entries,
};
use core::fmt;

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
    /// What ties the chunks of a blob together.
    BlobIndex = 0x48,
}

impl ItemType {
    /// The type that this byte names.
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

    /// The byte that names this type.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Whether the value lies in the entries that follow: string, blob data, old blob.
    #[must_use]
    #[inline]
    pub const fn has_data(self) -> bool {
        matches!(self, Self::Str | Self::Blob | Self::BlobData)
    }

    /// Whether the value is a number, which the entry itself holds.
    #[must_use]
    #[inline]
    pub const fn is_number(self) -> bool {
        self.number_size().is_some()
    }

    /// Bytes of a number of this type. `None`: not a number.
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
    /// The type of the entry that holds it.
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
        // Shifted in from above, so that what the number doesn't fill stays set.
        let (value, bits) = match self {
            Self::U8(n) => (n as u64, 8),
            Self::I8(n) => (n.cast_unsigned() as u64, 8),
            Self::U16(n) => (n as u64, 16),
            Self::I16(n) => (n.cast_unsigned() as u64, 16),
            Self::U32(n) => (n as u64, 32),
            Self::I32(n) => (n.cast_unsigned() as u64, 32),
            Self::Float(n) => (n.to_bits() as u64, 32),
            Self::U64(n) => return n.to_le_bytes(),
            Self::I64(n) => return n.to_le_bytes(),
            Self::Double(n) => return n.to_bits().to_le_bytes(),
        };
        (value | (u64::MAX << bits)).to_le_bytes()
    }

    /// The number of this type in a data field. `None`: the type isn't a number's.
    #[must_use]
    // Always, so that the number is written where it is to be: a copy of one just written waits for it.
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

/// The number as every output of this program and crate has it: an integer in decimal; a float or double as the shortest
/// text that reads back as the same bits, with a point or an exponent; `inf`, `-inf`, `nan`.
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

/// An entry, decoded field by field. It may hold anything that flash may hold: [`Entry::fault`] judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The index of its namespace; 0 for an entry that is a namespace.
    pub ns_index: u8,
    /// The type byte, known or not; see [`Entry::item_type`].
    pub type_byte: u8,
    /// How many entries the item takes, this one included.
    pub span: u8,
    /// The number of a blob's chunk, 0xFF for all else.
    pub chunk: u8,
    /// The checksum as stored.
    pub crc: u32,
    /// The key field, as stored.
    pub key: [u8; NAME_FIELD],
    /// The data field, as stored.
    pub data: [u8; 8],
}

/// What makes the firmware throw an entry away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryFault {
    /// The checksum doesn't fit the bytes.
    Crc,
    /// No known type.
    Type,
    /// The span doesn't fit the type, the size or the place in the page.
    Span,
    /// Blob data with chunk number 0xFF, or a blob index with another.
    Chunk,
    /// More data than the rest of the page or a blob can hold.
    Size,
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crc => "its checksum doesn't fit",
            Self::Type => "its type is unknown",
            Self::Span => "its span is impossible",
            Self::Chunk => "its chunk number is impossible",
            Self::Size => "its size is impossible",
        })
    }
}

impl Entry {
    /// A number.
    #[must_use]
    pub fn number(ns_index: u8, key: &Key, number: Number) -> Self {
        Self::sealed(
            ns_index,
            number.item_type(),
            1,
            CHUNK_ANY,
            key.field(),
            number.to_data(),
        )
    }

    /// A namespace with its index.
    #[must_use]
    pub fn namespace(name: &Namespace, index: u8) -> Self {
        let data = Number::U8(index).to_data();
        Self::sealed(NAMESPACE_INDEX, ItemType::U8, 1, CHUNK_ANY, name.field(), data)
    }

    /// The first entry of a string. `data` is the text with its NUL, at most 4000 bytes.
    #[must_use]
    pub fn string(ns_index: u8, key: &Key, data: &[u8]) -> Self {
        Self::with_data(ns_index, ItemType::Str, CHUNK_ANY, key.field(), data)
    }

    /// The first entry of one chunk of a blob: at most 4000 bytes.
    #[must_use]
    pub fn blob_data(ns_index: u8, key: &Key, chunk: u8, data: &[u8]) -> Self {
        Self::with_data(ns_index, ItemType::BlobData, chunk, key.field(), data)
    }

    /// The first entry of a blob of the old format: at most 1984 bytes.
    #[must_use]
    pub fn old_blob(ns_index: u8, key: &Key, data: &[u8]) -> Self {
        Self::with_data(ns_index, ItemType::Blob, CHUNK_ANY, key.field(), data)
    }

    /// The index of a blob: its size in bytes, how many chunks it has and the first one's number.
    #[must_use]
    pub fn blob_index(ns_index: u8, key: &Key, size: u32, chunks: u8, chunk_start: u8) -> Self {
        let [s0, s1, s2, s3] = size.to_le_bytes();
        let data = [s0, s1, s2, s3, chunks, chunk_start, 0xFF, 0xFF];
        Self::sealed(ns_index, ItemType::BlobIndex, 1, CHUNK_ANY, key.field(), data)
    }

    /// An entry whose value of at most 4000 bytes follows it. Longer values are cut in the size field: check first.
    #[must_use]
    #[inline]
    pub(crate) fn with_data(
        ns_index: u8,
        item_type: ItemType,
        chunk: u8,
        key: &[u8; NAME_FIELD],
        value: &[u8],
    ) -> Self {
        debug_assert!(value.len() <= CHUNK_MAX);
        let [s0, s1, ..] = value.len().to_le_bytes();
        let [span, ..] = (1 + data_entries(value.len())).to_le_bytes();
        let [c0, c1, c2, c3] = crc32(value).to_le_bytes();
        Self::sealed(
            ns_index,
            item_type,
            span,
            chunk,
            key,
            [s0, s1, 0xFF, 0xFF, c0, c1, c2, c3],
        )
    }

    #[inline]
    pub(crate) fn sealed(
        ns_index: u8,
        item_type: ItemType,
        span: u8,
        chunk: u8,
        key: &[u8; NAME_FIELD],
        data: [u8; 8],
    ) -> Self {
        // The checksum's 28 bytes are put together from words: narrow stores that a wider load follows at once would stall.
        let head = u32::from_le_bytes([ns_index, item_type.byte(), span, chunk]);
        let mut covered = [0; ENTRY_SIZE - 4];
        let (head_bytes, rest) = covered.split_at_mut(4);
        let (key_bytes, data_bytes) = rest.split_at_mut(NAME_FIELD);
        head_bytes.copy_from_slice(&head.to_le_bytes());
        key_bytes.copy_from_slice(key);
        data_bytes.copy_from_slice(&data);
        let crc = crc32(&covered);
        Self {
            ns_index,
            type_byte: item_type.byte(),
            span,
            chunk,
            crc,
            key: *key,
            data,
        }
    }

    /// The entry in these 32 bytes.
    #[must_use]
    #[inline]
    pub fn from_bytes(bytes: &[u8; ENTRY_SIZE]) -> Self {
        let mut key = [0; NAME_FIELD];
        let mut data = [0; 8];
        let (head, rest) = bytes.split_at(8);
        let (key_bytes, data_bytes) = rest.split_at(NAME_FIELD);
        key.copy_from_slice(key_bytes);
        data.copy_from_slice(data_bytes);
        let [ns_index, type_byte, span, chunk, c0, c1, c2, c3] = *head.first_chunk().unwrap_or(&[0; 8]);
        let crc = u32::from_le_bytes([c0, c1, c2, c3]);
        Self {
            ns_index,
            type_byte,
            span,
            chunk,
            crc,
            key,
            data,
        }
    }

    /// The 32 bytes of the entry, its stored checksum among them.
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> [u8; ENTRY_SIZE] {
        let Self {
            ns_index,
            type_byte,
            span,
            chunk,
            crc,
            key,
            data,
        } = self;
        let [c0, c1, c2, c3] = crc.to_le_bytes();
        let mut bytes = [0; ENTRY_SIZE];
        let (head, rest) = bytes.split_at_mut(8);
        let (key_bytes, data_bytes) = rest.split_at_mut(NAME_FIELD);
        head.copy_from_slice(&[*ns_index, *type_byte, *span, *chunk, c0, c1, c2, c3]);
        key_bytes.copy_from_slice(key);
        data_bytes.copy_from_slice(data);
        bytes
    }

    /// Why the firmware would throw this entry away as entry number `index` of a page (0 to 125). `None`: it is sound.
    ///
    /// The data that follows isn't looked at: the firmware checks it only when a value is read.
    #[must_use]
    #[inline]
    pub fn fault(&self, index: usize) -> Option<EntryFault> {
        if self.crc == entry_crc(&self.to_bytes()) {
            self.field_fault(index)
        } else {
            Some(EntryFault::Crc)
        }
    }

    /// [`Entry::fault`] for an entry whose checksum is known to fit.
    #[inline]
    pub(crate) fn field_fault(&self, index: usize) -> Option<EntryFault> {
        let Some(item_type) = self.item_type() else {
            return Some(EntryFault::Type);
        };
        match item_type {
            ItemType::Str | ItemType::Blob | ItemType::BlobData => {
                if self.type_byte == ItemType::BlobData.byte() && self.chunk == CHUNK_ANY {
                    return Some(EntryFault::Chunk);
                }
                let left = ENTRY_COUNT.saturating_sub(index);
                if self.data_size() > left.saturating_sub(1) * ENTRY_SIZE {
                    return Some(EntryFault::Size);
                }
                let span = usize::from(self.span);
                (span > left || span != 1 + data_entries(self.data_size())).then_some(EntryFault::Span)
            }
            ItemType::BlobIndex if self.span == 1 && self.chunk != CHUNK_ANY => Some(EntryFault::Chunk),
            ItemType::BlobIndex if self.span == 1 && self.blob_size() as usize > BLOB_MAX => Some(EntryFault::Size),
            _ => (self.span != 1).then_some(EntryFault::Span),
        }
    }

    /// The type, if it is a known one.
    #[must_use]
    #[inline]
    pub const fn item_type(&self) -> Option<ItemType> {
        ItemType::from_byte(self.type_byte)
    }

    /// The key, or the name of the namespace.
    #[must_use]
    #[inline]
    pub fn name(&self) -> RawName {
        RawName::from_field(&self.key)
    }

    /// Size in bytes of the data that follows: of a string (with its NUL), a chunk or an old blob.
    #[must_use]
    #[inline]
    pub const fn data_size(&self) -> usize {
        let [s0, s1, ..] = self.data;
        u16::from_le_bytes([s0, s1]) as usize
    }

    /// Checksum of the data that follows.
    #[must_use]
    #[inline]
    pub const fn data_crc(&self) -> u32 {
        let [.., c0, c1, c2, c3] = self.data;
        u32::from_le_bytes([c0, c1, c2, c3])
    }

    /// Of a blob index: the size of the whole blob in bytes.
    #[must_use]
    #[inline]
    pub const fn blob_size(&self) -> u32 {
        let [s0, s1, s2, s3, ..] = self.data;
        u32::from_le_bytes([s0, s1, s2, s3])
    }

    /// Of a blob index: how many chunks the blob has.
    #[must_use]
    #[inline]
    pub const fn chunk_count(&self) -> u8 {
        let [_, _, _, _, count, ..] = self.data;
        count
    }

    /// Of a blob index: the number of the first chunk.
    #[must_use]
    #[inline]
    pub const fn chunk_start(&self) -> u8 {
        let [_, _, _, _, _, start, ..] = self.data;
        start
    }
}

/// The checksum that belongs at bytes 4..8 of an entry.
#[must_use]
#[inline]
pub fn entry_crc(bytes: &[u8; ENTRY_SIZE]) -> u32 {
    // In one go over bytes 4..32: a CRC begins by adding its register to the first four bytes, and this register turns the
    // stored checksum there into bytes 0..4. From the register 0 that would have been no change to bytes 0..4.
    let ([head, stored, ..], []) = bytes.as_chunks::<4>() else {
        return 0;
    };
    let (_, covered) = bytes.split_at(4);
    let mut hasher = crc32fast::Hasher::new_with_initial(!(u32::from_le_bytes(*head) ^ u32::from_le_bytes(*stored)));
    hasher.update(covered);
    hasher.finalize()
}

/// Whether the stored checksum fits the bytes.
#[must_use]
#[inline]
pub fn crc_fits(bytes: &[u8; ENTRY_SIZE]) -> bool {
    let [_, _, _, _, c0, c1, c2, c3, ..] = *bytes;
    entry_crc(bytes) == u32::from_le_bytes([c0, c1, c2, c3])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_namespace_prov_as_index_1() {
        let want = bytes("000101ff7b059dc870726f7600000000000000000000000001ffffffffffffff");
        let entry = Entry::namespace(&Namespace::new("prov").unwrap(), 1);
        assert_eq!(entry.to_bytes(), want);
        assert!(crc_fits(&want));
        assert_eq!(Entry::from_bytes(&want), entry);
        assert_eq!(entry.name().as_bytes(), b"prov");
    }

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

    #[test]
    fn a_value_s_size_span_and_checksum() {
        let key = Key::new("k").unwrap();
        let entry = Entry::string(3, &key, b"hello\0");
        assert_eq!(
            (entry.span, entry.data_size(), entry.data_crc()),
            (2, 6, crc32(b"hello\0"))
        );
        let entry = Entry::blob_data(3, &key, 0x81, &[7; 4000]);
        assert_eq!((entry.span, entry.data_size(), entry.chunk), (126, 4000, 0x81));
        let empty = Entry::blob_data(3, &key, 0, &[]);
        assert_eq!((empty.span, empty.data_crc()), (1, 0xFFFF_FFFF));
        let index = Entry::blob_index(3, &key, 70_000, 18, 0x80);
        assert_eq!(
            (index.blob_size(), index.chunk_count(), index.chunk_start()),
            (70_000, 18, 0x80)
        );
        assert_eq!(index.chunk, CHUNK_ANY);
    }

    #[test]
    fn type_bytes() {
        for byte in 0..=255 {
            assert!(ItemType::from_byte(byte).is_none_or(|item_type| item_type.byte() == byte));
        }
    }
}
