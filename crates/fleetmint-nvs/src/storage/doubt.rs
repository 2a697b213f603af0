//! Pages in doubt: where a write went over something that was there, or what was moved wasn't whole.
//!
//! ```text
//!   bitmap    written │ written │ empty │ written │ empty …     a bit of it was flipped
//!   flash     item    │ item    │ blank │ blank   │ blank …     ▲ the next item is written here, and over that
//! ```
//!
//! Elsewhere the model knows where items begin, as the firmware has checked each of them when it loaded or wrote it.
//! The firmware itself looks at every entry again in every search, and erases what doesn't fit its checksum. On a page
//! in doubt that makes a difference, so there the search is the firmware's own, step by step.

use super::RepairKind;
use super::flash::{Flash, Medium, Step};
use super::load::Hash24;
use super::page::{Bits, Page, Query, Verdict};
use crate::entry::{Entry, ItemType};
use crate::layout::{ENTRY_COUNT, ENTRY_SIZE, NAME_FIELD, PAGE_SIZE, entry_offset, page_offset};
use crate::page::EntryState;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The firmware's list of a page's items: hash and first entry, in the order of writing.
///
/// It holds what should have been written, not what can be read.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    nodes: Vec<(u32, usize)>,
}

impl Doubt {
    pub(super) fn add(&mut self, place: usize, entry: &Entry) {
        self.nodes.push((Hash24::of_entry(&entry.to_bytes()), place));
    }

    pub(super) fn erase(&mut self, place: usize) {
        if let Some(position) = self.nodes.iter().position(|(_, other)| *other == place) {
            self.nodes.remove(position);
        }
    }

    fn find(&self, from: usize, hash: u32) -> Option<usize> {
        let mut nodes = self.nodes.iter();
        nodes
            .find(|(other, place)| *place >= from && *other == hash)
            .map(|(_, place)| *place)
    }
}

impl Page {
    /// Before the first write to a page that was loaded: what lies where the next items will be written?
    pub(super) fn look_ahead<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        if self.looked_ahead {
            return Ok(());
        }
        self.looked_ahead = true;
        let rest = u128::MAX << self.next_free & !(u128::MAX << ENTRY_COUNT);
        let begin = entry_offset(0, self.next_free);
        let is_blank = |bytes: &[u8]| bytes.iter().fold(0xFF, |all, byte| all & byte) == 0xFF;
        let blank = if let Some(page) = medium.page(self.number) {
            page.get(begin..).is_none_or(is_blank)
        } else {
            let mut bytes = [0; PAGE_SIZE];
            let bytes = bytes.get_mut(begin..).unwrap_or_default();
            medium.read_raw(page_offset(self.number) + begin, bytes)?;
            is_blank(bytes)
        };
        if blank && self.bitmap.set_of(EntryState::Empty) & rest == rest {
            return Ok(());
        }
        self.begin_doubt(medium)
    }

    /// From here on the page is in doubt. What it holds so far is sound.
    pub(super) fn begin_doubt<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        if self.doubt.is_some() {
            return Ok(());
        }
        let mut nodes = Vec::new();
        for place in Bits::of(self.hashed) {
            nodes.push((Hash24::of_entry(medium.entry(self.number, place)?), place));
        }
        self.doubt = Some(Box::new(Doubt { nodes }));
        medium.doubts += 1;
        Ok(())
    }

    /// [`Page::find`] on a page in doubt.
    pub(super) fn find_in_doubt<F: Flash>(
        &mut self,
        medium: &mut Medium<F>,
        query: &Query,
        from: usize,
    ) -> Step<Option<(usize, Entry)>> {
        if !self.is_searchable() || from >= ENTRY_COUNT {
            return Ok(None);
        }
        let mut index = from.max(self.first_used);
        if let Some(key) = query.hashed_key() {
            let hash = query.hash_24(&key);
            let Some(place) = self.doubt.as_ref().and_then(|doubt| doubt.find(index, hash)) else {
                return Ok(None);
            };
            index = place;
        }
        let end = self.next_free.min(ENTRY_COUNT);
        while index < end {
            let place = index;
            index += 1;
            if self.bitmap.get(place) != EntryState::Written {
                continue;
            }
            let entry = self.read(medium, place)?;
            if let Some(fault) = entry.fault(place) {
                self.repair_item(medium, place, RepairKind::Damaged(fault))?;
                continue;
            }
            if entry.item_type().is_some_and(ItemType::has_data) {
                index = place + usize::from(entry.span);
            }
            match query.verdict(&entry) {
                Verdict::Skip => {}
                Verdict::Match => return Ok(Some((place, entry))),
                Verdict::Mismatch => return Ok(None),
            }
        }
        Ok(None)
    }
}

impl Query {
    fn hash_24(&self, key: &[u8; NAME_FIELD]) -> u32 {
        let mut bytes = [0; ENTRY_SIZE];
        let [ns_index, _, _, chunk, _, _, _, _, rest @ ..] = &mut bytes;
        (*ns_index, *chunk) = (self.ns_index, self.chunk);
        for (to, from) in rest.iter_mut().zip(key) {
            *to = *from;
        }
        Hash24::of_entry(&bytes)
    }
}
