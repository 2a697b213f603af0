//! Whether the encryption key seems to be the right one.

use super::Xts;
use crate::entry::crc_fits;
use crate::error::Error;
use crate::layout::{BITMAP_SIZE, ENTRY_COUNT, ENTRY_SIZE, HEADER_SIZE, PAGE_SIZE, Version, entry_offset};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};
use core::convert::Infallible;

/// Checks whether this key (or none) seems to be the image's.
///
/// It is not if a page with a valid header has entries marked written, and no entry of the whole image passes its
/// checksum. [`Storage::open`](crate::storage::Storage::open) checks this before it repairs anything. The firmware does
/// not check it when it starts, and erases every entry.
///
/// # Errors
/// [`Error::WrongKey`].
///
/// ```
/// use fleetmint_nvs::storage;
/// let image = vec![0xFF; 4096];
/// assert_eq!(storage::check_key(&image, None), Ok(()));
/// ```
pub fn check_key(image: &[u8], cipher: Option<&Xts>) -> Result<(), Error> {
    let page = |number: usize| Ok::<_, Infallible>(image.get(number * PAGE_SIZE..).unwrap_or_default());
    let Ok(misfit) = key_misfit(image.len() / PAGE_SIZE, cipher, page);
    misfit.map_or(Ok(()), |misfit| Err(misfit.into()))
}

/// In which way a key is wrong: the fields of [`Error::WrongKey`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyMisfit {
    written: usize,
    encrypted: bool,
    plain: bool,
}

impl From<KeyMisfit> for Error {
    fn from(misfit: KeyMisfit) -> Self {
        let KeyMisfit {
            written,
            encrypted,
            plain,
        } = misfit;
        Self::WrongKey {
            written,
            encrypted,
            plain,
        }
    }
}

/// [`check_key`] of pages that are read one by one.
pub(crate) fn key_misfit<P: AsRef<[u8]>, E>(
    pages: usize,
    cipher: Option<&Xts>,
    mut page: impl FnMut(usize) -> Result<P, E>,
) -> Result<Option<KeyMisfit>, E> {
    let Some(written) = unreadable_entries(pages, cipher, &mut page)? else {
        return Ok(None);
    };
    Ok(Some(KeyMisfit {
        written,
        encrypted: cipher.is_some(),
        plain: cipher.is_some() && unreadable_entries(pages, None, &mut page)?.is_none(),
    }))
}

/// How many entries are marked written, if there are any and no entry of the image passes its checksum.
fn unreadable_entries<P: AsRef<[u8]>, E>(
    pages: usize,
    cipher: Option<&Xts>,
    page: &mut impl FnMut(usize) -> Result<P, E>,
) -> Result<Option<usize>, E> {
    let mut written = 0;
    // Entries that are marked written come first: in a sound image the first of them decides.
    for number in 0..pages {
        let page = page(number)?;
        let set = written_entries(page.as_ref());
        written += set.count_ones() as usize;
        if (0..ENTRY_COUNT).any(|index| set >> index & 1 == 1 && passes(page.as_ref(), number, index, cipher)) {
            return Ok(None);
        }
    }
    if written == 0 {
        return Ok(None);
    }
    for number in 0..pages {
        let page = page(number)?;
        if (0..ENTRY_COUNT).any(|index| passes(page.as_ref(), number, index, cipher)) {
            return Ok(None);
        }
    }
    Ok(Some(written))
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
