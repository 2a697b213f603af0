//! The layout of an NVS partition, and the limits that follow from it.
//!
//! A partition is a sequence of 4096-byte pages. A page is one sector of the flash:
//!
//! ```text
//!      0 ┌──────────────────────────────────────────────┐
//!        │ header                              32 bytes │
//!     32 ├──────────────────────────────────────────────┤
//!        │ bitmap: 2 bits for each entry       32 bytes │
//!     64 ├──────────────────────────────────────────────┤
//!        │ entry 0                             32 bytes │
//!     96 ├──────────────────────────────────────────────┤
//!        │ entry 1                                      │
//!        ┆                                              ┆
//!   4064 ├──────────────────────────────────────────────┤
//!        │ entry 125                                    │
//!   4096 └──────────────────────────────────────────────┘
//! ```
//!
//! All numbers are little-endian. [`crate::page`] draws the header and the bitmap, [`crate::entry`] the entry.
//! Source: the "NVS Partition" chapter of the ESP-IDF programming guide and `components/nvs_flash/src` of ESP-IDF.

/// Bytes in a page: one sector of the flash, the unit of erasing.
pub const PAGE_SIZE: usize = 4096;
/// Bytes in an entry, the unit of writing and of encryption.
pub const ENTRY_SIZE: usize = 32;
/// Entries in a page.
pub const ENTRY_COUNT: usize = 126;
/// Bytes in a page's header, with which the page begins.
pub const HEADER_SIZE: usize = 32;
/// Where a page's bitmap of entry states begins, in bytes from the start of the page.
pub const BITMAP_OFFSET: usize = 32;
/// Bytes in the bitmap: 126 × 2 bits and 4 bits unused (set).
pub const BITMAP_SIZE: usize = 32;
/// Where a page's entry 0 begins, in bytes from the start of the page.
pub const ENTRIES_OFFSET: usize = 64;

/// Longest key or namespace name, in bytes, without its NUL.
pub const NAME_MAX: usize = 15;
/// Bytes of the key field in an entry: the name, padded with NUL.
pub const NAME_FIELD: usize = 16;
/// Longest value in one item, in bytes (a string with its NUL, one chunk of a blob): 125 entries.
pub const CHUNK_MAX: usize = (ENTRY_COUNT - 1) * ENTRY_SIZE;
/// Longest string, in bytes, with its NUL.
pub const STRING_MAX: usize = CHUNK_MAX;
/// Most chunks that one blob can have: chunk numbers 0x00..0x7F or 0x80..0xFE.
pub const BLOB_CHUNKS_MAX: usize = 127;
/// Longest blob, in bytes: 127 chunks.
pub const BLOB_MAX: usize = BLOB_CHUNKS_MAX * CHUNK_MAX;
/// Longest blob of the old format (version 1 of the page format), in bytes.
pub const V1_BLOB_MAX: usize = 1984;
/// Lowest index of a namespace. Index 0 holds the namespaces themselves.
pub const NAMESPACE_FIRST: u8 = 1;
/// Highest index of a namespace. Index 255 means "any" to the firmware.
pub const NAMESPACE_LAST: u8 = 254;
/// The namespace index under which the namespaces themselves are stored.
pub const NAMESPACE_INDEX: u8 = 0;
/// The namespace index that stands for "any" in the firmware's search.
pub const NAMESPACE_ANY: u8 = 255;
/// The chunk byte of everything that isn't blob data.
pub const CHUNK_ANY: u8 = 0xFF;
/// Number of a blob's first chunk when it is new. Each rewrite switches to the other one of the two start numbers.
pub const CHUNK_START_0: u8 = 0x00;
/// Number of a blob's first chunk after its first rewrite, its third, and so on.
pub const CHUNK_START_1: u8 = 0x80;
/// Smallest partition that the firmware can write to, in bytes: three pages, one of which stays free.
pub const READ_WRITE_MIN: usize = 3 * PAGE_SIZE;
/// Largest partition that this crate opens, in bytes.
pub const PARTITION_MAX: usize = 16 * 1024 * 1024;

const _: () = {
    assert!(HEADER_SIZE + BITMAP_SIZE + ENTRY_COUNT * ENTRY_SIZE == PAGE_SIZE);
    assert!(BITMAP_OFFSET == HEADER_SIZE && ENTRIES_OFFSET == BITMAP_OFFSET + BITMAP_SIZE);
    assert!(ENTRY_COUNT * 2 <= BITMAP_SIZE * 8);
    assert!(NAME_FIELD == NAME_MAX + 1);
    assert!(CHUNK_MAX == 4000 && BLOB_MAX == 508_000);
    assert!(PAGE_HEADER.end() == BITMAP_OFFSET && PAGE_BITMAP.end() == ENTRIES_OFFSET);
};

/// The bytes of a page.
pub(crate) type PageBytes = [u8; PAGE_SIZE];
/// The bytes of an entry.
pub(crate) type EntryBytes = [u8; ENTRY_SIZE];

/// A page's header; [`crate::page`] draws its fields.
pub(crate) const PAGE_HEADER: Field<PAGE_SIZE, HEADER_SIZE> = Field::at(0);
/// A page's bitmap.
pub(crate) const PAGE_BITMAP: Field<PAGE_SIZE, BITMAP_SIZE> = Field::at(BITMAP_OFFSET);

/// The place of a field of `SIZE` bytes in a structure of `WHOLE` bytes. As a constant, it compiles only if it fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<const WHOLE: usize, const SIZE: usize> {
    offset: usize,
}

impl<const WHOLE: usize, const SIZE: usize> Field<WHOLE, SIZE> {
    /// The field that begins this many bytes from the start of the structure.
    pub(crate) const fn at(offset: usize) -> Self {
        assert!(offset + SIZE <= WHOLE);
        Self { offset }
    }

    /// Where the field ends, in bytes from the start of the structure.
    pub(crate) const fn end(self) -> usize {
        self.offset + SIZE
    }

    /// The field's bytes.
    #[inline]
    pub(crate) const fn get(self, whole: &[u8; WHOLE]) -> [u8; SIZE] {
        *self.of(whole)
    }

    /// The field itself.
    #[inline]
    pub(crate) const fn of(self, whole: &[u8; WHOLE]) -> &[u8; SIZE] {
        let (_, rest) = whole.split_at(self.offset);
        match rest.first_chunk() {
            Some(field) => field,
            // Not reached: `at` has checked it.
            None => const { &[0; SIZE] },
        }
    }

    /// Writes the field's bytes.
    #[inline]
    pub(crate) const fn set(self, whole: &mut [u8; WHOLE], bytes: [u8; SIZE]) {
        let (_, rest) = whole.split_at_mut(self.offset);
        if let Some(field) = rest.first_chunk_mut() {
            *field = bytes;
        }
    }
}

/// The entries of a page.
#[inline]
pub(crate) const fn entries(page: &PageBytes) -> &[EntryBytes] {
    page.split_at(ENTRIES_OFFSET).1.as_chunks().0
}

/// The entries of a page, to be written.
#[inline]
pub(crate) const fn entries_mut(page: &mut PageBytes) -> &mut [EntryBytes] {
    page.split_at_mut(ENTRIES_OFFSET).1.as_chunks_mut().0
}

/// The version of the page format, byte 8 of a page's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// 0xFF: blobs of up to 1984 bytes as one item.
    V1,
    /// 0xFE: blobs in chunks, over several pages.
    V2,
}

impl Version {
    /// The byte in the header.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::V1 => 0xFF,
            Self::V2 => 0xFE,
        }
    }

    /// The version with this byte. `None`: a newer format, which neither this crate nor the firmware knows.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0xFF => Some(Self::V1),
            0xFE => Some(Self::V2),
            _ => None,
        }
    }
}

/// CRC-32 as NVS uses it: zlib's `crc32(data, 0xFFFFFFFF)`, which is not the usual CRC-32.
///
/// The polynomial is the reflected 0xEDB88320; the register starts at 0 and is inverted at the end.
///
/// ```
/// assert_eq!(fleetmint_nvs::layout::crc32(b"123456789"), 0xd202_d277);
/// assert_eq!(fleetmint_nvs::layout::crc32(b""), 0xffff_ffff);
/// ```
#[must_use]
#[inline]
pub fn crc32(data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(0xFFFF_FFFF);
    hasher.update(data);
    hasher.finalize()
}

/// Where a page begins, in bytes from the start of the partition.
#[must_use]
#[inline]
pub const fn page_offset(page: usize) -> usize {
    page * PAGE_SIZE
}

/// Where an entry begins, in bytes from the start of the partition. This is also the tweak of its encryption.
#[must_use]
#[inline]
pub const fn entry_offset(page: usize, entry: usize) -> usize {
    page * PAGE_SIZE + ENTRIES_OFFSET + entry * ENTRY_SIZE
}

/// Entries that the data of a value of `size` bytes takes, after the value's first entry.
#[must_use]
#[inline]
pub const fn data_entries(size: usize) -> usize {
    size.div_ceil(ENTRY_SIZE)
}

/// Entries that a blob of `size` bytes takes at least: one for its index, and for each chunk one and its data. It takes more
/// where the room that is left in a page makes the chunks smaller.
pub(crate) const fn blob_entries(size: usize) -> usize {
    let chunks = if size == 0 { 1 } else { size.div_ceil(CHUNK_MAX) };
    1 + chunks + data_entries(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_vectors() {
        assert_eq!(crc32(b"123456789"), 0xd202_d277);
        assert_eq!(crc32(b""), 0xffff_ffff);
        let key: [u8; 64] = core::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(crc32(&key), 0x9a7c_5245);
    }

    #[test]
    fn offsets() {
        assert_eq!(entry_offset(0, 0), 0x40);
        assert_eq!(entry_offset(1, 125), 2 * PAGE_SIZE - ENTRY_SIZE);
        assert_eq!(
            (data_entries(0), data_entries(1), data_entries(32), data_entries(33)),
            (0, 1, 1, 2)
        );
    }
}
