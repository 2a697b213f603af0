//! The 32-byte entry: everything that a page stores is made of entries.
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
//! The CRC is over bytes 0..4 and 8..32. A value that doesn't fit into the data field follows in the next entries, the last
//! of them padded with 0xFF. A namespace is an entry of type u8 in namespace 0: its key is the name, its value the index.

mod item_type;
mod number;

pub use item_type::ItemType;
pub use number::Number;

use crate::fast;
use crate::key::{Key, Namespace, RawName};
use crate::layout::{
    BLOB_MAX, CHUNK_ANY, CHUNK_MAX, ENTRY_COUNT, ENTRY_SIZE, Field, NAME_FIELD, NAMESPACE_INDEX, crc32, data_entries,
};
use core::fmt;

/// A field of an entry.
type EntryField<const SIZE: usize> = Field<ENTRY_SIZE, SIZE>;

pub(crate) const NS_INDEX: EntryField<1> = Field::at(0);
const TYPE: EntryField<1> = Field::at(1);
const SPAN: EntryField<1> = Field::at(2);
pub(crate) const CHUNK: EntryField<1> = Field::at(3);
const CRC: EntryField<4> = Field::at(4);
pub(crate) const KEY: EntryField<NAME_FIELD> = Field::at(8);
const DATA: EntryField<DATA_SIZE> = Field::at(24);
/// The first four fields.
const HEAD: EntryField<4> = Field::at(0);

/// Bytes of an entry's data field.
const DATA_SIZE: usize = 8;

/// A field of an entry's data field.
type DataField<const SIZE: usize> = Field<DATA_SIZE, SIZE>;

/// Of a string, blob data or an old blob: the size of the data that follows, and its checksum.
const VALUE_SIZE: DataField<2> = Field::at(0);
const VALUE_CRC: DataField<4> = Field::at(4);
/// Of a blob index: the size of all chunks, how many there are, and the number of the first.
const BLOB_SIZE: DataField<4> = Field::at(0);
const CHUNK_COUNT: DataField<1> = Field::at(4);
const CHUNK_START: DataField<1> = Field::at(5);
/// Of a namespace: its index.
const INDEX: DataField<1> = Field::at(0);

const _: () = {
    assert!(NS_INDEX.end() == 1 && TYPE.end() == 2 && SPAN.end() == 3 && CHUNK.end() == 4);
    assert!(HEAD.end() == 4 && CRC.end() == 8 && KEY.end() == 24 && DATA.end() == ENTRY_SIZE);
    assert!(VALUE_SIZE.end() == 2 && VALUE_CRC.end() == DATA_SIZE);
    assert!(BLOB_SIZE.end() == 4 && CHUNK_COUNT.end() == 5 && CHUNK_START.end() == 6);
};

/// An entry, decoded into its fields. They may have any content that a flash can have: [`Entry::fault`] checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The index of its namespace; 0 for an entry that is a namespace.
    pub ns_index: u8,
    /// The type byte, known or not; see [`Entry::item_type`].
    pub type_byte: u8,
    /// How many entries the item takes, this one included.
    pub span: u8,
    /// The number of a blob's chunk; 0xFF for everything else.
    pub chunk: u8,
    /// The stored checksum.
    pub crc: u32,
    /// The stored key field.
    pub key: [u8; NAME_FIELD],
    /// The stored data field.
    pub data: [u8; 8],
}

/// Why the firmware erases an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryFault {
    /// The checksum is not that of the bytes.
    Crc,
    /// The type is unknown.
    Type,
    /// The span is impossible for the type, the size or the place in the page.
    Span,
    /// Blob data with chunk number 0xFF, or a blob index with another.
    Chunk,
    /// More data than fits into the rest of the page or into a blob.
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
    /// The entry of a number.
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

    /// The entry of a namespace.
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
        let mut data = [0xFF; DATA_SIZE];
        BLOB_SIZE.set(&mut data, size.to_le_bytes());
        CHUNK_COUNT.set(&mut data, [chunks]);
        CHUNK_START.set(&mut data, [chunk_start]);
        Self::sealed(ns_index, ItemType::BlobIndex, 1, CHUNK_ANY, key.field(), data)
    }

    /// The first entry of a value of at most 4000 bytes. The caller checks the size.
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
        let mut data = [0xFF; DATA_SIZE];
        VALUE_SIZE.set(&mut data, (value.len() as u16).to_le_bytes());
        VALUE_CRC.set(&mut data, crc32(value).to_le_bytes());
        let span = (1 + data_entries(value.len())) as u8;
        Self::sealed(ns_index, item_type, span, chunk, key, data)
    }

    /// An entry with these fields and their checksum.
    #[inline]
    pub(crate) fn sealed(
        ns_index: u8,
        item_type: ItemType,
        span: u8,
        chunk: u8,
        key: &[u8; NAME_FIELD],
        data: [u8; 8],
    ) -> Self {
        let crc = fast::covered_crc(&[ns_index, item_type.byte(), span, chunk], key, &data);
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
        Self {
            ns_index: u8::from_le_bytes(NS_INDEX.get(bytes)),
            type_byte: u8::from_le_bytes(TYPE.get(bytes)),
            span: u8::from_le_bytes(SPAN.get(bytes)),
            chunk: u8::from_le_bytes(CHUNK.get(bytes)),
            crc: u32::from_le_bytes(CRC.get(bytes)),
            key: KEY.get(bytes),
            data: DATA.get(bytes),
        }
    }

    /// The 32 bytes of the entry, including its stored checksum.
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        HEAD.set(&mut bytes, [self.ns_index, self.type_byte, self.span, self.chunk]);
        CRC.set(&mut bytes, self.crc.to_le_bytes());
        KEY.set(&mut bytes, self.key);
        DATA.set(&mut bytes, self.data);
        bytes
    }

    /// Why the firmware would erase this entry as entry number `index` of a page (0 to 125). `None`: it is valid.
    ///
    /// The data that follows is not checked: the firmware does that only when a value is read.
    #[must_use]
    #[inline]
    pub fn fault(&self, index: usize) -> Option<EntryFault> {
        if self.crc == entry_crc(&self.to_bytes()) {
            self.field_fault(index)
        } else {
            Some(EntryFault::Crc)
        }
    }

    /// [`Entry::fault`] of an entry whose checksum is right.
    #[inline]
    pub(crate) fn field_fault(&self, index: usize) -> Option<EntryFault> {
        let Some(item_type) = self.item_type() else {
            return Some(EntryFault::Type);
        };
        match item_type {
            ItemType::Str | ItemType::Blob | ItemType::BlobData => {
                if item_type == ItemType::BlobData && self.chunk == CHUNK_ANY {
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

    /// The type, if it is known.
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
        u16::from_le_bytes(VALUE_SIZE.get(&self.data)) as usize
    }

    /// Checksum of the data that follows.
    #[must_use]
    #[inline]
    pub const fn data_crc(&self) -> u32 {
        u32::from_le_bytes(VALUE_CRC.get(&self.data))
    }

    /// Of a blob index: the size of the whole blob in bytes.
    #[must_use]
    #[inline]
    pub const fn blob_size(&self) -> u32 {
        u32::from_le_bytes(BLOB_SIZE.get(&self.data))
    }

    /// Of a blob index: how many chunks the blob has.
    #[must_use]
    #[inline]
    pub const fn chunk_count(&self) -> u8 {
        u8::from_le_bytes(CHUNK_COUNT.get(&self.data))
    }

    /// Of a blob index: the number of the first chunk.
    #[must_use]
    #[inline]
    pub const fn chunk_start(&self) -> u8 {
        u8::from_le_bytes(CHUNK_START.get(&self.data))
    }

    /// Of a namespace: its index.
    #[must_use]
    #[inline]
    pub(crate) const fn index(&self) -> u8 {
        u8::from_le_bytes(INDEX.get(&self.data))
    }
}

/// The checksum that belongs in an entry with these bytes.
#[must_use]
#[inline]
pub fn entry_crc(bytes: &[u8; ENTRY_SIZE]) -> u32 {
    fast::entry_crc(bytes)
}

/// Whether the stored checksum of an entry is that of its bytes.
#[must_use]
#[inline]
pub fn crc_fits(bytes: &[u8; ENTRY_SIZE]) -> bool {
    entry_crc(bytes) == u32::from_le_bytes(CRC.get(bytes))
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
}
