//! Loading a page, and repairing faults that the page itself shows: `Page::load` and `Page::mLoadEntryTable`.

use super::{Hash24, HashList, Items, Page, State};
use crate::entry::{Entry, EntryFault, ItemType, crc_fits};
use crate::error::EspError;
use crate::layout::{
    BITMAP_OFFSET, BITMAP_SIZE, CHUNK_ANY, ENTRY_COUNT, HEADER_SIZE, NAMESPACE_ANY, NAMESPACE_INDEX, PAGE_SIZE,
    Version, entry_offset, page_offset,
};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};
use crate::storage::RepairKind;
use crate::storage::entry_set::EntrySet;
use crate::storage::flash::Flash;
use crate::storage::medium::{Medium, Step};
use crate::storage::query::Query;

impl Page {
    /// `load`: the header, and the bitmap. Gives the entries that are marked written, if the page has a valid header and
    /// its entries are to be loaded.
    pub(in crate::storage) fn load_header<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<Option<EntrySet>> {
        let mut bytes = [0; HEADER_SIZE + BITMAP_SIZE];
        medium.read_raw(page_offset(self.number), &mut bytes)?;
        let ([header, bitmap], []) = bytes.as_chunks::<HEADER_SIZE>() else {
            return Ok(None);
        };
        const { assert!(HEADER_SIZE == BITMAP_SIZE && BITMAP_OFFSET == HEADER_SIZE) };
        let [w0, w1, w2, w3, ..] = *header;
        if [w0, w1, w2, w3] == [0xFF; 4] {
            self.state = State::Unchecked;
            return Ok(None);
        }
        let header = PageHeader::decode(header);
        self.state = State::Corrupt;
        if !header.crc_fits() {
            return Ok(None);
        }
        self.sequence = header.sequence;
        let Some(version) = Version::from_byte(header.version) else {
            return Err(self.fail(EspError::NewVersionFound));
        };
        self.version = version;
        self.state = match PageState::from_word(header.state_word) {
            Some(PageState::Active) => State::Active,
            Some(PageState::Full) => State::Full,
            Some(PageState::Freeing) => State::Freeing,
            Some(PageState::Uninitialized) | None => return Ok(None),
        };
        self.bitmap = Bitmap::from_bytes(bitmap);
        let written = self.written();
        self.used = written.len();
        self.first_used = written.first();
        self.next_free = match self.state {
            State::Active => self.bitmap.first(EntryState::Empty).unwrap_or(ENTRY_COUNT),
            _ => ENTRY_COUNT,
        };
        Ok(Some(written))
    }

    /// The entries that the bitmap marks written.
    #[inline]
    pub(super) fn written(&self) -> EntrySet {
        EntrySet::in_state(&self.bitmap, EntryState::Written)
    }

    /// Whether the bitmap has a state that no orderly write leaves.
    #[inline]
    pub(in crate::storage) fn has_illegal_state(&self) -> bool {
        self.bitmap.first(EntryState::Illegal).is_some()
    }

    #[inline]
    pub(in crate::storage) fn next_free(&self) -> usize {
        self.next_free
    }

    /// Takes over what was found without [`Page::load_entries`].
    pub(in crate::storage) fn set_items(&mut self, items: Items, hashes_differ: bool) {
        self.items = items;
        self.hashes_differ = hashes_differ;
    }

    /// `mLoadEntryTable`: finds the items, and repairs what is damaged.
    pub(in crate::storage) fn load_entries<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        if self.state == State::Active {
            self.erase_half_written(medium)?;
            self.load_active(medium)
        } else {
            self.load_closed(medium)
        }
    }

    /// Entries may have been written, and the power cut before the bitmap was.
    fn erase_half_written<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        while self.next_free < ENTRY_COUNT {
            let mut word = [0; 4];
            medium.read_raw(entry_offset(self.number, self.next_free), &mut word)?;
            if word == [0xFF; 4] {
                break;
            }
            self.repair_half_written(medium, self.next_free)?;
            self.next_free += 1;
        }
        Ok(())
    }

    /// The items of a page that may end in the middle of one.
    fn load_active<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        let mut hash_24 = Hash24::of_namespace(NAMESPACE_INDEX);
        let mut hashes = HashList::default();
        // The last entry that was read, and its number unless the firmware knows that the item is not whole.
        let mut last = None;
        let mut last_index = None;
        let end = self.next_free;
        // Of what a repair erases nothing is ahead: it comes before the entry that the repair is at, or is skipped.
        let present = EntrySet::range(0, end).without(EntrySet::in_state(&self.bitmap, EntryState::Erased));
        let written = self.written();
        let mut next = 0;
        while let Some(index) = (present & EntrySet::from(next)).first() {
            next = index + 1;
            if self.bitmap.get(index) == EntryState::Illegal {
                last_index = None;
                self.repair_item(medium, index, RepairKind::IllegalState)?;
                continue;
            }
            last_index = Some(index);
            let (entry, fault) = self.read_checked(medium, index)?;
            last = Some(entry);
            if let Some(fault) = fault {
                self.repair_item(medium, index, RepairKind::Damaged(fault))?;
                continue;
            }
            self.items.add(index, &entry);
            let hash = hash_24.of(medium.entry(self.number, index)?);
            let duplicate = hashes.find(0, hash);
            if has_data(&entry) {
                next = index + usize::from(entry.span);
                if !EntrySet::range(index, next).without(written).is_empty() {
                    last_index = None;
                    // The firmware ignores a failure here: read-only, the page becomes invalid without an error.
                    let _ = self.repair_item(medium, index, RepairKind::Incomplete);
                    continue;
                }
            }
            hashes.insert(hash, index);
            if let Some(duplicate) = duplicate {
                hashes.erase(duplicate);
                let _ = self.repair_item(medium, duplicate, RepairKind::Duplicate);
            }
        }
        if next < end {
            last_index = None;
        }
        match (last, last_index) {
            (Some(last), Some(index)) => self.erase_duplicate_of(medium, &last, index),
            _ => Ok(()),
        }
    }

    /// After the last item was written, an earlier one of the same name may not have been erased yet.
    fn erase_duplicate_of<F: Flash>(&mut self, medium: &mut Medium<F>, last: &Entry, index: usize) -> Step<()> {
        if self.items.hashed().contains(index) && is_found_by_hash(last) && medium.may_use_shortcuts() {
            // Their hashes differ, so the search can only end at the last item itself.
            return Ok(());
        }
        let query = Query::of(last.ns_index, last.type_byte, *last.name().field());
        match self.find(medium, &query, 0)? {
            Some((found, _)) if found < index => self.repair_item(medium, found, RepairKind::Duplicate),
            _ => Ok(()),
        }
    }

    /// The items of a page that was closed, or is being moved.
    fn load_closed<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        let written = self.written();
        let mut next = 0;
        while let Some(index) = (written & EntrySet::from(next)).first() {
            next = index + 1;
            let (entry, fault) = self.read_checked(medium, index)?;
            if let Some(fault) = fault {
                self.repair_item(medium, index, RepairKind::Damaged(fault))?;
                continue;
            }
            self.items.add(index, &entry);
            next = index + usize::from(entry.span);
            if has_data(&entry) && !EntrySet::range(index, next).without(written).is_empty() {
                let _ = self.repair_item(medium, index, RepairKind::Incomplete);
            }
        }
        Ok(())
    }

    /// An entry, and what is wrong with it.
    #[inline]
    fn read_checked<F: Flash>(&self, medium: &mut Medium<F>, index: usize) -> Step<(Entry, Option<EntryFault>)> {
        let bytes = medium.entry(self.number, index)?;
        let entry = Entry::from_bytes(bytes);
        let fault = if crc_fits(bytes) {
            entry.field_fault(index)
        } else {
            Some(EntryFault::Crc)
        };
        Ok((entry, fault))
    }

    /// Decides whether a page with an erased state word is blank.
    pub(in crate::storage) fn check_blank<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        if self.state != State::Unchecked {
            return Ok(());
        }
        self.state = State::Uninitialized;
        for block in 0..8 {
            let mut bytes = [0; PAGE_SIZE / 8];
            medium.read_raw(page_offset(self.number) + block * bytes.len(), &mut bytes)?;
            if !is_blank(&bytes) {
                self.state = State::Corrupt;
                break;
            }
        }
        Ok(())
    }
}

/// Whether all bytes are 0xFF. Folded as a whole, which the compiler turns into wide instructions.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().fold(0xFF, |all, byte| all & byte) == 0xFF
}

fn has_data(entry: &Entry) -> bool {
    entry.item_type().is_some_and(ItemType::has_data)
}

/// Whether the firmware's search for an earlier item of this name, which asks for chunk 0xFF, uses the hash that the item
/// itself has in the hash list.
pub(in crate::storage) fn is_found_by_hash(entry: &Entry) -> bool {
    entry.chunk == CHUNK_ANY && entry.ns_index != NAMESPACE_ANY && entry.key == *entry.name().field()
}
