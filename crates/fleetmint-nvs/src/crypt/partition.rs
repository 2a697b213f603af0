//! Encrypting and decrypting the image of a partition.

use super::keys::Keys;
use crate::error::Error;
use crate::image::check_size;
use crate::layout::{BITMAP_OFFSET, BITMAP_SIZE, ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE};
use crate::page::{Bitmap, EntryState};
use crate::storage::check_key;

/// Encrypts a plain image in place, from the start of its partition: every entry that the bitmap marks written, and
/// what is left of erased ones. Blank entries (all 0xFF) and wiped ones (all zero) stay as they are, as the firmware
/// writes them.
///
/// The image that Espressif's generator encrypts is this one's plain image encrypted, byte for byte.
///
/// # Errors
/// [`Error::PartitionSize`]: the length isn't a multiple of 4096 from 4096 to 16 MiB.
pub fn encrypt(image: &mut [u8], keys: &Keys) -> Result<(), Error> {
    let xts = keys.xts();
    each_run(
        image,
        |written, entry| is_coded(written, written, entry),
        |offset, run| xts.encrypt_entries(offset, run),
    )
}

/// Decrypts an image in place, from the start of its partition. Each entry is taken at its own place, blank ones
/// (all 0xFF) before it or not.
///
/// # Errors
/// [`Error::PartitionSize`]: the length isn't a multiple of 4096 from 4096 to 16 MiB. [`Error::WrongKey`]: by the rule of
/// [`check_key`], this isn't the image's key. The image is as it was then.
pub fn decrypt(image: &mut [u8], keys: &Keys) -> Result<(), Error> {
    check_size(image.len())?;
    let xts = keys.xts();
    check_key(image, Some(&xts))?;
    // Data that happens to encrypt to all 0xFF doesn't occur; a written entry of 0xFF is a torn write.
    each_run(
        image,
        |written, entry| is_coded(written, false, entry),
        |offset, run| xts.decrypt_entries(offset, run),
    )
}

/// Whether an entry goes through the cipher. Of written ones all do, save blank ones where `blank` says so.
fn is_coded(written: bool, blank: bool, entry: &[u8; ENTRY_SIZE]) -> bool {
    if written {
        blank || *entry != [0xFF; ENTRY_SIZE]
    } else {
        *entry != [0xFF; ENTRY_SIZE] && *entry != [0; ENTRY_SIZE]
    }
}

fn bitmap(page: &[u8; PAGE_SIZE]) -> Bitmap {
    let (_, rest) = page.split_at(BITMAP_OFFSET);
    Bitmap::from_bytes(rest.first_chunk::<BITMAP_SIZE>().unwrap_or(&[0xFF; BITMAP_SIZE]))
}

/// Hands over the entries that `wanted` picks, as long rows as possible, each with the offset of its first.
fn each_run(
    image: &mut [u8],
    wanted: impl Fn(bool, &[u8; ENTRY_SIZE]) -> bool,
    mut run: impl FnMut(u32, &mut [[u8; ENTRY_SIZE]]),
) -> Result<(), Error> {
    check_size(image.len())?;
    let (pages, _) = image.as_chunks_mut::<PAGE_SIZE>();
    let mut page_start = 0;
    for page in pages {
        let bitmap = bitmap(page);
        let (entries, _) = page.split_at_mut(ENTRIES_OFFSET).1.as_chunks_mut::<ENTRY_SIZE>();
        let mut start = 0;
        while start < ENTRY_COUNT {
            let row = entries
                .split_at_mut_checked(start)
                .map_or(&mut [][..], |(_, rest)| rest);
            let len = row
                .iter()
                .enumerate()
                .take_while(|(i, entry)| wanted(bitmap.get(start + i) == EntryState::Written, entry))
                .count();
            if let Some((row, _)) = row.split_at_mut_checked(len).filter(|_| len > 0) {
                run(page_start + (ENTRIES_OFFSET + start * ENTRY_SIZE) as u32, row);
            }
            start += len + 1;
        }
        page_start += PAGE_SIZE as u32;
    }
    Ok(())
}
