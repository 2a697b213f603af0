//! How much room is left, and how much is wasted.

use super::finding::{Finding, FindingKind};
use crate::crypt::Xts;
use crate::entry::{Entry, ItemType};
use crate::error::Error;
use crate::key::RawName;
use crate::layout::{CHUNK_MAX, ENTRY_COUNT, ENTRY_SIZE, blob_entries, data_entries};
use crate::page::{EntryState, PageState};
use crate::storage::{Flash, RawPage, SlotContent, Storage, ValueType, pages, slots};
use alloc::vec::Vec;

/// Reports a partition without room, and one with too little room to change its largest value: the new value is written
/// before the old one is erased.
pub(super) fn left<F: Flash>(storage: &mut Storage<F>, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let available = storage.stats().available_entries;
    if available == 0 {
        findings.push(Finding::of_partition(FindingKind::NoRoom));
        return Ok(());
    }
    let mut largest: Option<(usize, RawName, RawName)> = None;
    storage.visit(|listed| {
        let needed = match (listed.value_type, listed.size) {
            (_, None) if listed.value.is_err() => return,
            (_, None) => 1,
            (ValueType::Blob, Some(size)) => blob_entries(size),
            (_, Some(size)) => 1 + data_entries(size),
        };
        if largest.is_none_or(|(most, ..)| needed > most) && !listed.orphan && listed.unreachable.is_none() {
            largest = Some((needed, listed.namespace, listed.key));
        }
    })?;
    if let Some((needed, namespace, key)) = largest
        && needed > available
    {
        findings.push(Finding::of_low_room(namespace, key, needed, available));
    }
    Ok(())
}

/// Reports pages of a fresh image that were closed although the next item would have fit. Older generators do so.
///
/// In an image that the firmware has written to, a page may be closed for other reasons. So this only looks at images whose
/// pages are in order and without erased entries.
pub(super) fn closed_early(image: &[u8], cipher: Option<&Xts>, findings: &mut Vec<Finding>) {
    let used: Vec<RawPage> = pages(image)
        .take_while(|page| page.state.is_some_and(is_used))
        .collect();
    let fresh = used.iter().all(|page| {
        page.fault.is_none()
            && page.header.sequence as usize == page.number
            && page.bitmap.count(EntryState::Erased) + page.bitmap.count(EntryState::Illegal) == 0
    });
    if !fresh || pages(image).filter(|page| page.state.is_some_and(is_used)).count() != used.len() {
        return;
    }
    let mut heads = slots(image, cipher).filter(|slot| slot.entry == 0).skip(1);
    for page in &used {
        let next = heads.next().filter(|slot| slot.page < used.len());
        let free = ENTRY_COUNT - page.bitmap.count(EntryState::Written);
        if page.state == Some(PageState::Full)
            && let Some(SlotContent::Item { entry, fault: None }) = next.map(|slot| slot.content)
            && would_fit(&entry, free)
        {
            findings.push(Finding::of_page(
                page.number,
                FindingKind::ClosedEarly { entries: free },
            ));
        }
    }
}

const fn is_used(state: PageState) -> bool {
    !matches!(state, PageState::Uninitialized)
}

/// Whether the firmware would have put the item into the rest of the page. It divides blobs to fill a page.
fn would_fit(item: &Entry, free: usize) -> bool {
    // The firmware itself wastes this much.
    if free.saturating_sub(1) * ENTRY_SIZE < CHUNK_MAX / 10 {
        return false;
    }
    let begins_blob = item.item_type() == Some(ItemType::BlobData) && item.chunk & 0x7F == 0;
    begins_blob || usize::from(item.span) <= free
}
