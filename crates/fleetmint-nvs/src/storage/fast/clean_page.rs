//! Loading a page that is in memory and as an orderly write leaves it.

use super::hash_set::HashSet24;
use crate::entry::{Entry, ItemType, crc_fits};
use crate::layout::{ENTRY_SIZE, NAMESPACE_INDEX};
use crate::storage::entry_set::EntrySet;
use crate::storage::flash::Flash;
use crate::storage::medium::{Entries, Medium};
use crate::storage::page::{Hash24, Items, Page, State, is_found_by_hash};

/// The content of a page with nothing to repair.
///
/// Most pages are like that. Their items are found in two simple loops (the entries, then the hashes), with no repair
/// in between. If anything is irregular, there is no `CleanPage`, and nothing was changed.
///
/// Plain path: `Page::load_entries`.
pub(in crate::storage) struct CleanPage {
    items: Items,
    hashes_differ: bool,
}

impl CleanPage {
    /// Looks at a page whose header was loaded, and whose bitmap marks these entries written.
    #[inline]
    pub(in crate::storage) fn of<F: Flash>(page: &Page, written: EntrySet, medium: &Medium<F>) -> Option<Self> {
        let entries = medium.entries(page.number).filter(|_| medium.may_use_shortcuts())?;
        let half_written = |entry: &[u8; ENTRY_SIZE]| !entry.starts_with(&[0xFF; 4]);
        let tail = page.next_free();
        if page.has_illegal_state()
            || entries.get(tail).is_some_and(half_written)
            || !(written & EntrySet::from(tail)).is_empty()
        {
            return None;
        }
        let items = whole_items(entries, written)?;
        let is_active = page.state == State::Active;
        if is_active && !(hashes_differ(entries, items.heads()) && last_has_no_duplicate(entries, items.heads())) {
            return None;
        }
        Some(Self {
            items,
            hashes_differ: is_active,
        })
    }

    pub(in crate::storage) fn load_into(self, page: &mut Page) {
        page.set_items(self.items, self.hashes_differ);
    }
}

/// The items, if all their entries are marked written and they are sound.
fn whole_items(entries: &Entries, written: EntrySet) -> Option<Items> {
    let mut data = EntrySet::EMPTY;
    let mut namespaces = EntrySet::EMPTY;
    let mut blob_parts = EntrySet::EMPTY;
    // Where the last item ends.
    let mut end = 0;
    for index in written {
        if index < end {
            continue;
        }
        let entry = entries.get(index)?;
        if !crc_fits(entry) {
            return None;
        }
        let [ns_index, type_byte, span, ..] = *entry;
        let is_number = ItemType::from_byte(type_byte).is_some_and(ItemType::is_number);
        if is_number && span == 1 && ns_index != NAMESPACE_INDEX {
            // Most items, and nothing more to look at.
            continue;
        }
        if Entry::from_bytes(entry).field_fault(index).is_some() {
            return None;
        }
        if ns_index == NAMESPACE_INDEX {
            namespaces.insert(index);
        }
        if type_byte == ItemType::BlobData.byte() || type_byte == ItemType::BlobIndex.byte() {
            blob_parts.insert(index);
        }
        end = index + usize::from(span);
        let data_of_item = EntrySet::range(index + 1, end);
        if !data_of_item.without(written).is_empty() {
            return None;
        }
        data = data | data_of_item;
    }
    Some(Items::new(written.without(data), namespaces, blob_parts))
}

/// Whether no two items are the same to the firmware's hash list.
fn hashes_differ(entries: &Entries, heads: EntrySet) -> bool {
    let Some([ns_index, ..]) = heads.first().and_then(|first| entries.get(first)) else {
        return true;
    };
    let mut hash_24 = Hash24::of_namespace(*ns_index);
    let mut hashes = HashSet24::new();
    heads
        .into_iter()
        .all(|index| entries.get(index).is_some_and(|entry| hashes.insert(hash_24.of(entry))))
}

/// Whether the firmware's last search, for an earlier copy of the page's last item, finds none: that item has a hash that
/// no other has.
fn last_has_no_duplicate(entries: &Entries, heads: EntrySet) -> bool {
    let Some(last) = heads.last() else { return true };
    entries
        .get(last)
        .is_some_and(|entry| is_found_by_hash(&Entry::from_bytes(entry)))
}
