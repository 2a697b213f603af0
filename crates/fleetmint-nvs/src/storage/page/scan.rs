//! Pages that searches scan entry by entry, as the firmware does on all of them.
//!
//! ```text
//!   bitmap    written │ written │ empty │ written │ empty …     one bit of it was flipped
//!   flash     item    │ item    │ blank │ blank   │ blank …     ▲ the next item is written here, and over what follows
//! ```
//!
//! Elsewhere the model relies on a page's [`Items`](super::Items): it has checked each when it loaded or wrote it. The
//! firmware reads every entry again in every search, and erases those with a wrong checksum. That makes a difference where
//! an item was written over something else, or where what was moved was not a whole item.

use super::load::is_blank;
use super::{Hash24, HashList, Page};
use crate::entry::{self, Entry, ItemType};
use crate::layout::{ENTRY_COUNT, ENTRY_SIZE, NAME_FIELD, PAGE_SIZE, entry_offset, page_offset};
use crate::page::EntryState;
use crate::storage::RepairKind;
use crate::storage::entry_set::EntrySet;
use crate::storage::flash::Flash;
use crate::storage::medium::{Medium, Step};
use crate::storage::query::{Query, Verdict};
use alloc::boxed::Box;

impl Page {
    /// Before the first write to a page that was loaded: if the entries that the next items go to are not blank, the page
    /// is scanned from here on.
    pub(super) fn check_tail<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        if self.tail_is_checked {
            return Ok(());
        }
        self.tail_is_checked = true;
        let tail = EntrySet::from(self.next_free);
        let begin = entry_offset(0, self.next_free);
        let blank = if let Some(page) = medium.page(self.number) {
            page.get(begin..).is_none_or(is_blank)
        } else {
            let mut bytes = [0; PAGE_SIZE];
            let bytes = bytes.get_mut(begin..).unwrap_or_default();
            medium.read_raw(page_offset(self.number) + begin, bytes)?;
            is_blank(bytes)
        };
        if blank
            && tail
                .without(EntrySet::in_state(&self.bitmap, EntryState::Empty))
                .is_empty()
        {
            return Ok(());
        }
        self.begin_scans(medium)
    }

    /// A storage without shortcuts scans all its pages.
    #[inline]
    pub(in crate::storage) fn scan_if_plain<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        if medium.may_use_shortcuts() {
            Ok(())
        } else {
            self.begin_scans(medium)
        }
    }

    /// From here on the page is scanned in each search. Its items so far can be relied on.
    pub(in crate::storage) fn begin_scans<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        if self.is_scanned() {
            return Ok(());
        }
        let mut list = HashList::default();
        for index in self.items.hashed() {
            list.insert(Hash24::of_entry(medium.entry(self.number, index)?), index);
        }
        self.scanned = Some(Box::new(list));
        medium.journal.scanned_pages += 1;
        Ok(())
    }

    /// [`Page::find`] as the firmware does it: entry by entry, with a look at each checksum.
    pub(super) fn find_by_scan<F: Flash>(
        &mut self,
        medium: &mut Medium<F>,
        query: &Query,
        from: usize,
    ) -> Step<Option<(usize, Entry)>> {
        let Some(first) = self.first_used.filter(|_| self.is_used() && from < ENTRY_COUNT) else {
            return Ok(None);
        };
        let mut next = from.max(first);
        if let Some(key) = query.hashed_key() {
            let hash = query_hash(query, &key);
            let Some(index) = self.scanned.as_ref().and_then(|list| list.find(next, hash)) else {
                return Ok(None);
            };
            next = index;
        }
        let end = self.next_free;
        while next < end {
            let index = next;
            next += 1;
            if self.bitmap.get(index) != EntryState::Written {
                continue;
            }
            let entry = self.read(medium, index)?;
            if let Some(fault) = entry.fault(index) {
                self.repair_item(medium, index, RepairKind::Damaged(fault))?;
                continue;
            }
            if entry.item_type().is_some_and(ItemType::has_data) {
                next = index + usize::from(entry.span);
            }
            match query.verdict(&entry) {
                Verdict::Skip => {}
                Verdict::Match => return Ok(Some((index, entry))),
                Verdict::Mismatch => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// The hash of the item that is looked for.
fn query_hash(query: &Query, key: &[u8; NAME_FIELD]) -> u32 {
    let mut bytes = [0; ENTRY_SIZE];
    entry::NS_INDEX.set(&mut bytes, [query.ns_index]);
    entry::CHUNK.set(&mut bytes, [query.chunk]);
    entry::KEY.set(&mut bytes, *key);
    Hash24::of_entry(&bytes)
}
