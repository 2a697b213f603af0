//! The least that any reader does: a CRC call for each structure that has a CRC, and the values copied out.

use std::hint::black_box;

pub(crate) fn crc(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(0xFFFF_FFFF);
    hasher.update(bytes);
    hasher.finalize()
}

/// Where each page in use begins.
pub(crate) fn pages(image: &[u8]) -> impl Iterator<Item = usize> {
    (0..image.len()).step_by(4096).filter(|page| image[*page] != 0xFF)
}

/// Where the first entry of each written item is.
pub(crate) fn items(image: &[u8]) -> Vec<usize> {
    let mut items = Vec::new();
    for page in pages(image) {
        let mut entry = 0;
        while entry < 126 {
            let at = page + 64 + entry * 32;
            let state = image[page + 32 + entry / 4] >> (2 * (entry % 4)) & 3;
            if state == 2 {
                items.push(at);
            }
            entry += if state == 2 { usize::from(image[at + 2]) } else { 1 };
        }
    }
    items
}

/// Checks the header of each page, each item's entry and each string, and copies keys and strings out.
pub(crate) fn decode(image: &[u8], headers: &[usize], items: &[usize], out: &mut [u8]) {
    for page in headers {
        black_box(crc(&image[page + 4..page + 28]));
    }
    let mut at = 0;
    for item in items {
        black_box(crc(&image[item + 4..item + 32]));
        out[at..at + 16].copy_from_slice(&image[item + 8..item + 24]);
        at += 16;
        if image[item + 1] == 0x21 {
            let size = usize::from(u16::from_le_bytes([image[item + 24], image[item + 25]]));
            let value = &image[item + 32..item + 32 + size];
            black_box(crc(value));
            out[at..at + size].copy_from_slice(value);
            at += size;
        }
    }
    black_box(out);
}
