//! Whether the pages of a partition are NVS pages.

use fleetmint_nvs::entry::crc_fits;
use fleetmint_nvs::layout::{ENTRIES_OFFSET, ENTRY_SIZE, PAGE_SIZE};
use fleetmint_nvs::page::{EntryState, PageState};
use fleetmint_nvs::storage::{self, RawPage};

use super::{Content, NotNvs, content};

/// Bits that may be 0 in an erased page: age and radiation flip a few.
const FLIPPED_BITS: u32 = 32;

/// Whether these bytes are an NVS partition: blank, or with at least one valid page header and without foreign content.
///
/// A single page without any sign of NVS may come from an interrupted erasure. It is accepted, and the firmware repairs it.
/// Two or more such pages in a row are foreign content.
///
/// # Errors
/// See [`NotNvs`].
pub fn check_nvs(partition: &[u8]) -> Result<(), NotNvs> {
    let mut first = None;
    let mut foreign = None;
    let mut strange = Vec::new();
    for (page, bytes) in storage::pages(partition).zip(partition.chunks_exact(PAGE_SIZE)) {
        if is_nvs(&page) {
            first = first.or(Some(page.offset));
        }
        if foreign.is_some() {
            continue;
        }
        match look(&page, bytes) {
            Look::Foreign(content) => foreign = Some((page.offset, content)),
            Look::Nvs => strange.clear(),
            Look::Erased => {}
            Look::Strange => strange.push(page.offset),
        }
        if let [begin, .., _] = strange.as_slice() {
            foreign = Some((*begin, content::identify(foreign_part(partition, *begin))));
        }
    }
    match (foreign, first) {
        (Some((offset, content)), Some(nvs)) if offset < nvs => Err(NotNvs::Before { offset, content, nvs }),
        (Some((offset, content)), Some(_)) => Err(NotNvs::Longer { offset, content }),
        (None, Some(_)) => Ok(()),
        _ if partition.iter().all(|byte| *byte == 0xFF) => Ok(()),
        _ => Err(NotNvs::NoPage {
            pages: partition.len() / PAGE_SIZE,
            content: content::identify(partition),
        }),
    }
}

/// What a page looks like.
enum Look {
    /// A page of NVS, damaged or not.
    Nvs,
    /// An erased page, except for a few bits.
    Erased,
    /// Other content, by its first bytes.
    Foreign(Content),
    /// A page without any sign of NVS.
    Strange,
}

fn look(page: &RawPage, bytes: &[u8]) -> Look {
    if is_nvs(page) {
        return Look::Nvs;
    }
    if let Some(content) = content::certain(bytes) {
        return Look::Foreign(content);
    }
    if bytes.iter().map(|byte| byte.count_zeros()).sum::<u32>() <= FLIPPED_BITS {
        return Look::Erased;
    }
    let has_state = page.state.is_some_and(|state| state != PageState::Uninitialized);
    match has_state || has_entries(page, bytes) {
        true => Look::Nvs,
        false => Look::Strange,
    }
}

/// Whether a page without a header has entries: at least one entry with a valid checksum, or a bitmap that agrees with
/// which entries are blank. The bitmap is for encrypted entries, whose checksum cannot be computed.
fn has_entries(page: &RawPage, bytes: &[u8]) -> bool {
    let (entries, _) = bytes
        .get(ENTRIES_OFFSET..)
        .unwrap_or_default()
        .as_chunks::<ENTRY_SIZE>();
    let is_blank = |entry: &[u8; ENTRY_SIZE]| *entry == [0xFF; ENTRY_SIZE];
    let mut written = 0_usize;
    let mut agrees = true;
    for (number, entry) in entries.iter().enumerate() {
        match page.bitmap.get(number) {
            EntryState::Written => {
                written += 1;
                agrees &= !is_blank(entry);
            }
            EntryState::Empty => agrees &= is_blank(entry),
            EntryState::Erased => {}
            EntryState::Illegal => agrees = false,
        }
        if crc_fits(entry) {
            return true;
        }
    }
    // The four bits after those of the last entry stay erased.
    let ends_erased = page.bitmap.to_bytes().last().is_some_and(|last| last >> 4 == 0xF);
    written > 0 && agrees && ends_erased
}

/// The bytes from here to the next page that is blank or NVS.
fn foreign_part(partition: &[u8], begin: usize) -> &[u8] {
    let rest = partition.get(begin..).unwrap_or_default();
    let pages = storage::pages(rest).zip(rest.chunks_exact(PAGE_SIZE));
    let strange = pages.take_while(|(page, bytes)| !matches!(look(page, bytes), Look::Nvs | Look::Erased));
    rest.get(..strange.count() * PAGE_SIZE).unwrap_or_default()
}

pub(super) fn has_nvs_page(sector: &[u8]) -> bool {
    storage::pages(sector).any(|page| is_nvs(&page))
}

/// Whether a page has a valid header: it is not blank, and its CRC matches.
pub(super) fn is_nvs(page: &RawPage) -> bool {
    page.state != Some(PageState::Uninitialized) && page.header.crc_fits()
}
