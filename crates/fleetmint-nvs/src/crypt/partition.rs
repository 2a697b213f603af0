//! Encrypting and decrypting the image of a partition.

use super::key_check::check_key;
use super::keys::Keys;
use crate::error::Error;
use crate::image::check_size;
use crate::layout::{ENTRY_SIZE, EntryBytes, PAGE_BITMAP, entries_mut, entry_offset};
use crate::page::{Bitmap, EntryState};

/// Encrypts the plain image of a whole partition in place: every entry that the bitmap marks as written, and what is left of
/// erased ones. Blank entries (all 0xFF) and wiped ones (all zero) stay as they are, as in an image that the firmware wrote.
///
/// Encrypting the plain image of Espressif's generator gives its encrypted image, byte for byte.
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

/// Decrypts the image of a whole partition in place. Blank entries (all 0xFF) stay as they are.
///
/// # Errors
/// [`Error::PartitionSize`]: the length isn't a multiple of 4096 from 4096 to 16 MiB. [`Error::WrongKey`]: by the rule of
/// [`check_key`], these are not the keys of the image. The image is then unchanged.
pub fn decrypt(image: &mut [u8], keys: &Keys) -> Result<(), Error> {
    check_size(image.len())?;
    let xts = keys.xts();
    check_key(image, Some(&xts))?;
    // No data encrypts to all 0xFF by chance. A written entry that is all 0xFF comes from a write that was cut short.
    each_run(
        image,
        |written, entry| is_coded(written, false, entry),
        |offset, run| xts.decrypt_entries(offset, run),
    )
}

/// Whether an entry goes through the cipher: a written one, unless it is blank and `blank` is false; of the others, those
/// that are neither blank nor wiped.
fn is_coded(written: bool, blank: bool, entry: &EntryBytes) -> bool {
    if written {
        blank || *entry != [0xFF; ENTRY_SIZE]
    } else {
        *entry != [0xFF; ENTRY_SIZE] && *entry != [0; ENTRY_SIZE]
    }
}

/// Calls `run` for every run of entries that `wanted` picks, with the offset of the run in the partition. `wanted` gets
/// whether an entry is written, and its bytes.
fn each_run(
    image: &mut [u8],
    wanted: impl Fn(bool, &EntryBytes) -> bool,
    mut run: impl FnMut(u32, &mut [EntryBytes]),
) -> Result<(), Error> {
    check_size(image.len())?;
    let (pages, _) = image.as_chunks_mut();
    for (number, page) in pages.iter_mut().enumerate() {
        let written = Bitmap::from_bytes(PAGE_BITMAP.of(page)).set_of(EntryState::Written);
        let mut start = 0;
        while let Some(rest @ [_, ..]) = entries_mut(page).get_mut(start..) {
            let is_wanted = |(at, entry): &(usize, &EntryBytes)| wanted(written >> at & 1 == 1, entry);
            let len = (start..).zip(rest.iter()).take_while(is_wanted).count();
            if let Some((entries @ [_, ..], _)) = rest.split_at_mut_checked(len) {
                run(entry_offset(number, start) as u32, entries);
            }
            // The entry after the run is not wanted.
            start += len + 1;
        }
    }
    Ok(())
}
