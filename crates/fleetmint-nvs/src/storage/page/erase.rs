//! Marking entries in the bitmap, erasing items, and the life of a page: `Page::alterEntryState`,
//! `Page::eraseEntryAndSpan`, `Page::markFull`, `Page::markFreeing`, `Page::erase`.

use super::{Page, State};
use crate::error::EspError;
use crate::layout::{BITMAP_OFFSET, ENTRY_SIZE, entry_offset, page_offset};
use crate::page::{Bitmap, EntryState, PageState};
use crate::storage::entry_set::EntrySet;
use crate::storage::flash::Flash;
use crate::storage::medium::{Medium, Step};
use crate::storage::{Repair, RepairKind};

impl Page {
    /// `alterEntryState`
    pub(super) fn alter<F: Flash>(&mut self, medium: &mut Medium<F>, index: usize, state: EntryState) -> Step<()> {
        self.bitmap.set(index, state);
        let written = self.write_bitmap_word(medium, Bitmap::word_number(index));
        if written.is_err() {
            self.state = State::Invalid;
        }
        written
    }

    /// `alterEntryRangeState`: the last word of the bitmap first. A failure leaves the words before it as they were, in
    /// memory too, and the page valid.
    pub(super) fn alter_range<F: Flash>(
        &mut self,
        medium: &mut Medium<F>,
        begin: usize,
        end: usize,
        state: EntryState,
    ) -> Step<()> {
        for index in (begin..end).rev() {
            self.bitmap.set(index, state);
            let word = Bitmap::word_number(index);
            if index == begin || Bitmap::word_number(index - 1) != word {
                self.write_bitmap_word(medium, word)?;
            }
        }
        Ok(())
    }

    fn write_bitmap_word<F: Flash>(&mut self, medium: &mut Medium<F>, word: usize) -> Step<()> {
        let offset = page_offset(self.number) + BITMAP_OFFSET + word * 4;
        medium.write_raw(offset, &self.bitmap.word_bytes(word))
    }

    /// Writes zeros over entries.
    fn purge<F: Flash>(&mut self, medium: &mut Medium<F>, begin: usize, end: usize) -> Step<()> {
        for index in begin..end {
            let purged = medium.write_raw(entry_offset(self.number, index), &[0; ENTRY_SIZE]);
            if purged.is_err() {
                self.state = State::Invalid;
                return purged;
            }
        }
        Ok(())
    }

    /// `eraseEntryAndSpan`: marks an item erased. With `purge` it also writes zeros over it, as the firmware's repairs do.
    pub(in crate::storage) fn erase_item<F: Flash>(
        &mut self,
        medium: &mut Medium<F>,
        index: usize,
        purge: bool,
    ) -> Step<()> {
        let span = if self.bitmap.get(index) == EntryState::Written {
            self.erase_written_item(medium, index)?
        } else {
            self.alter(medium, index, EntryState::Erased)?;
            1
        };
        let end = index + span;
        if purge {
            self.purge(medium, index, end)?;
        }
        if self.first_used == Some(index) {
            let later = EntrySet::range(end, self.next_free);
            self.first_used = (self.written() & later).first();
        }
        self.next_free = self.next_free.max(end);
        Ok(())
    }

    /// Marks erased what is marked written. Gives the entries that the item took.
    fn erase_written_item<F: Flash>(&mut self, medium: &mut Medium<F>, index: usize) -> Step<usize> {
        let entry = self.read(medium, index)?;
        let is_known = self.items.heads().contains(index) && !self.is_scanned();
        let span = if is_known || entry.fault(index).is_none() {
            usize::from(entry.span).max(1)
        } else {
            1
        };
        self.items.remove_hash(index);
        medium.journal.item_erased(self.number, entry);
        if let Some(list) = &mut self.scanned {
            list.erase(index);
        }
        let end = index + span;
        let written = (self.written() & EntrySet::range(index, end)).len();
        let altered = if span == 1 {
            self.alter(medium, index, EntryState::Erased)
        } else {
            self.alter_range(medium, index, end, EntryState::Erased)
        };
        self.used = self.used.saturating_sub(written);
        if self.bitmap.get(index) != EntryState::Written {
            self.items.remove(index);
        }
        altered.map(|()| span)
    }

    /// [`Page::erase_item`] as a repair: with zeros, and recorded.
    pub(in crate::storage) fn repair_item<F: Flash>(
        &mut self,
        medium: &mut Medium<F>,
        index: usize,
        kind: RepairKind,
    ) -> Step<()> {
        self.record_repair(medium, index, kind)?;
        self.erase_item(medium, index, true)
    }

    /// Marks an entry erased that holds something but is not marked written.
    pub(super) fn repair_half_written<F: Flash>(&mut self, medium: &mut Medium<F>, index: usize) -> Step<()> {
        self.record_repair(medium, index, RepairKind::HalfWritten)?;
        if self.bitmap.get(index) == EntryState::Written {
            self.used = self.used.saturating_sub(1);
        }
        self.alter(medium, index, EntryState::Erased)?;
        self.purge(medium, index, index + 1)
    }

    /// Records a repair before it is made.
    fn record_repair<F: Flash>(&self, medium: &mut Medium<F>, index: usize, kind: RepairKind) -> Step<()> {
        medium.check_key()?;
        let entry = self.read(medium, index)?;
        medium.journal.repairs.push(Repair {
            page: self.number,
            entry: Some(index),
            ns_index: entry.ns_index,
            name: entry.name(),
            kind,
        });
        Ok(())
    }

    /// `erase`: the whole page. It keeps the version that it had.
    pub(in crate::storage) fn erase<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        let erased = medium.erase_page(self.number);
        if erased.is_err() {
            self.state = State::Invalid;
            return erased;
        }
        *self = Self {
            state: State::Uninitialized,
            sequence: self.sequence,
            version: self.version,
            erases: self.erases.wrapping_add(1),
            ..Self::new(self.number)
        };
        Ok(())
    }

    /// `markFull` and `markFreeing`.
    pub(in crate::storage) fn mark<F: Flash>(&mut self, medium: &mut Medium<F>, state: PageState) -> Step<()> {
        let may = match state {
            PageState::Full => self.state == State::Active,
            _ => matches!(self.state, State::Active | State::Full),
        };
        if !may {
            return Err(self.fail(EspError::InvalidState));
        }
        let written = medium.write_raw(page_offset(self.number), &state.word().to_le_bytes());
        self.state = match (written.is_ok(), state) {
            (true, PageState::Full) => State::Full,
            (true, _) => State::Freeing,
            (false, _) => State::Invalid,
        };
        written
    }
}
