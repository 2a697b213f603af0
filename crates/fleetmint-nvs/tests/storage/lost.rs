//! Values that ESP-IDF's library itself loses at a start. The fuzz target `patch` uses this file as well.

use fleetmint_nvs::RawName;
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::entry::{Entry, ItemType};
use fleetmint_nvs::page::{EntryState, PageState};
use fleetmint_nvs::storage::{RawSlot, SlotContent, pages, slots};

/// Whether the library's start takes the old chunk of this blob for a duplicate of the new one, and so loses both: the
/// new chunk is the last item on the page that is written to, complete, and an older chunk is on the same page. Two
/// chunks of one version that a move of pages put on the same page are lost the same way, as long as nothing is behind
/// them.
#[must_use]
pub(crate) fn loses_blob(image: &[u8], cipher: Option<&Xts>, ns_index: u8, name: RawName) -> bool {
    let active = pages(image).filter(|page| page.fault.is_none() && page.state == Some(PageState::Active));
    let Some(active) = active.max_by_key(|page| page.header.sequence) else {
        return false;
    };
    let slots: Vec<_> = slots(image, cipher).filter(|slot| slot.page == active.number).collect();
    let end = slots
        .iter()
        .position(|slot| slot.state == EntryState::Empty)
        .unwrap_or(slots.len());
    let half_written = slots
        .get(end)
        .is_some_and(|slot| image[slot.offset..slot.offset + 4] != [0xFF; 4]);
    let chunk = |slot: &RawSlot| match slot.content {
        SlotContent::Item { entry, fault: None } if slot.state == EntryState::Written => {
            let is_chunk = entry.item_type() == Some(ItemType::BlobData);
            (is_chunk && entry.ns_index == ns_index && entry.name() == name).then_some(entry)
        }
        _ => None,
    };
    let chunks: Vec<(usize, Entry)> = slots
        .iter()
        .filter_map(|slot| Some((slot.entry, chunk(slot)?)))
        .collect();
    let [.., _, (at, last)] = &chunks[..] else { return false };
    !half_written && at + usize::from(last.span) == end
}
