//! Whether the encryption key seems to be the right one.

use crate::crypt::Xts;
use crate::entry::crc_fits;
use crate::error::Error;
use crate::layout::{BITMAP_SIZE, ENTRY_COUNT, ENTRY_SIZE, HEADER_SIZE, PAGE_SIZE, Version, entry_offset};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};

/// Says whether this image and this key (or none) seem to belong together.
///
/// A start of the firmware with a wrong or missing key is no error to it: it erases every entry. So before opening
/// an image read-write, ask here: an error if a page with a valid header has entries marked written, and no entry
/// of the whole image passes its checksum.
///
/// # Errors
/// [`Error::WrongKey`].
///
/// ```
/// use fleetmint_nvs::{storage, Error};
/// let mut image = vec![0xFF; 4096];
/// assert_eq!(storage::check_key(&image, None), Ok(()));
/// ```
pub fn check_key(image: &[u8], cipher: Option<&Xts>) -> Result<(), Error> {
    let mut written = 0;
    // What is marked written first: in a sound image the first of those settles it.
    for (number, page) in image.chunks_exact(PAGE_SIZE).enumerate() {
        let set = written_entries(page);
        written += set.count_ones() as usize;
        if (0..ENTRY_COUNT).any(|index| set >> index & 1 == 1 && passes(page, number, index, cipher)) {
            return Ok(());
        }
    }
    if written == 0 {
        return Ok(());
    }
    for (number, page) in image.chunks_exact(PAGE_SIZE).enumerate() {
        if (0..ENTRY_COUNT).any(|index| passes(page, number, index, cipher)) {
            return Ok(());
        }
    }
    Err(Error::WrongKey {
        written,
        encrypted: cipher.is_some(),
        plain: cipher.is_some() && check_key(image, None).is_ok(),
    })
}

/// The entries marked written, if the page's header is valid.
fn written_entries(page: &[u8]) -> u128 {
    let Some((header, rest)) = page.split_first_chunk::<HEADER_SIZE>() else {
        return 0;
    };
    let Some(bitmap) = rest.first_chunk::<BITMAP_SIZE>() else {
        return 0;
    };
    let header = PageHeader::decode(header);
    let state = PageState::from_word(header.state_word).filter(|state| *state != PageState::Uninitialized);
    if !header.crc_fits() || state.is_none() || Version::from_byte(header.version).is_none() {
        return 0;
    }
    Bitmap::from_bytes(bitmap).set_of(EntryState::Written)
}

fn passes(page: &[u8], number: usize, index: usize, cipher: Option<&Xts>) -> bool {
    let bytes = page
        .get(entry_offset(0, index)..)
        .and_then(|rest| rest.first_chunk::<ENTRY_SIZE>());
    let Some(mut bytes) = bytes.copied() else { return false };
    if let Some(cipher) = cipher {
        cipher.decrypt_entry(entry_offset(number, index) as u32, &mut bytes);
    }
    crc_fits(&bytes)
}
