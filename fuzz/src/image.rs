//! The format of the inputs of the image targets.
//!
//! ```text
//!   whole pages of 4096 bytes │ mode, if there is a byte left
//! ```
//!
//! So a plain image is a valid input. The lowest bit of the mode encrypts every entry that is not empty before the
//! storage sees the image: the fuzzer works on the plain bytes.

use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::layout::{
    BITMAP_OFFSET, BITMAP_SIZE, ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE, entry_offset,
};
use fleetmint_nvs::page::{Bitmap, EntryState};

/// The image and, if it is encrypted, its cipher; `None` for an invalid input.
#[must_use]
pub fn of(input: &[u8]) -> Option<(Vec<u8>, Option<Xts>)> {
    let pages = input.len() / PAGE_SIZE;
    let (image, mode) = input.split_at(pages * PAGE_SIZE);
    let mut image = image.to_vec();
    let encrypted = mode.first().is_some_and(|mode| mode & 1 == 1);
    if pages == 0 || mode.len() > 1 {
        return None;
    }
    let cipher = encrypted.then(|| Xts::new(&[0x11; 32], &[0x22; 32]));
    if let Some(cipher) = &cipher {
        encrypt(&mut image, cipher);
    }
    Some((image, cipher))
}

fn encrypt(image: &mut [u8], cipher: &Xts) {
    for (number, page) in image.chunks_exact_mut(PAGE_SIZE).enumerate() {
        let bitmap: &[u8; BITMAP_SIZE] = page[BITMAP_OFFSET..][..BITMAP_SIZE].try_into().expect("a whole page");
        let bitmap = Bitmap::from_bytes(bitmap);
        for entry in (0..ENTRY_COUNT).filter(|&entry| bitmap.get(entry) != EntryState::Empty) {
            let bytes = &mut page[ENTRIES_OFFSET + entry * ENTRY_SIZE..][..ENTRY_SIZE];
            let bytes: &mut [u8; ENTRY_SIZE] = bytes.try_into().expect("a whole entry");
            cipher.encrypt_entry(entry_offset(number, entry) as u32, bytes);
        }
    }
}
