//! Writes the CRCs that fit the rest: of each page's header, of each written entry, of each value.

use fleetmint_nvs::entry::{Entry, entry_crc};
use fleetmint_nvs::layout::{
    BITMAP_OFFSET, BITMAP_SIZE, ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE, HEADER_SIZE, PAGE_SIZE, crc32,
};
use fleetmint_nvs::page::{Bitmap, EntryState};

/// The offset of the CRC in a page's header, and the bytes that it covers.
const HEADER_CRC: usize = 28;
const HEADER_COVERED: core::ops::Range<usize> = 4..28;
/// The offset of the CRC in an entry, and of the CRC of a value that follows it.
const ENTRY_CRC: usize = 4;
const DATA_CRC: usize = 28;

/// Seals every page of `image`; bytes after the last whole page stay.
pub fn image(image: &mut [u8]) {
    for page in image.chunks_exact_mut(PAGE_SIZE) {
        header(page);
        entries(page);
    }
}

/// Seals the header of `page`, unless the page is blank.
pub fn header(page: &mut [u8]) {
    if page[..HEADER_SIZE].iter().all(|&byte| byte == 0xFF) {
        return;
    }
    let crc = crc32(&page[HEADER_COVERED]);
    page[HEADER_CRC..HEADER_CRC + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Seals the entries that are written according to the bitmap of `page`, and the values after them.
pub fn entries(page: &mut [u8]) {
    let bitmap: &[u8; BITMAP_SIZE] = page[BITMAP_OFFSET..][..BITMAP_SIZE].try_into().expect("a whole page");
    let bitmap = Bitmap::from_bytes(bitmap);
    let mut number = 0;
    while number < ENTRY_COUNT {
        let slots = if bitmap.get(number) == EntryState::Written {
            entry(page, number)
        } else {
            1
        };
        number += slots;
    }
}

/// Seals one entry and its value; returns how many slots it takes.
fn entry(page: &mut [u8], number: usize) -> usize {
    let offset = ENTRIES_OFFSET + number * ENTRY_SIZE;
    let mut bytes: [u8; ENTRY_SIZE] = page[offset..][..ENTRY_SIZE].try_into().expect("a whole page");
    let decoded = Entry::from_bytes(&bytes);
    let has_data = decoded.item_type().is_some_and(|item_type| item_type.has_data());
    if has_data {
        let data = page[offset + ENTRY_SIZE..].get(..decoded.data_size());
        if let Some(data) = data {
            bytes[DATA_CRC..].copy_from_slice(&crc32(data).to_le_bytes());
        }
    }
    let crc = entry_crc(&bytes);
    bytes[ENTRY_CRC..ENTRY_CRC + 4].copy_from_slice(&crc.to_le_bytes());
    page[offset..][..ENTRY_SIZE].copy_from_slice(&bytes);
    if has_data { usize::from(bytes[2]).max(1) } else { 1 }
}
