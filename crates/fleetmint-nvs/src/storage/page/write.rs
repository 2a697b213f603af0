//! Writing items, and copying them to another page: `Page::writeItem` and `Page::copyItems`.

use super::{Hash24, Page, State};
use crate::entry::Entry;
use crate::error::EspError;
use crate::layout::{CHUNK_MAX, ENTRY_COUNT, ENTRY_SIZE, data_entries, page_offset};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};
use crate::storage::flash::Flash;
use crate::storage::medium::{Medium, Step};

impl Page {
    /// `writeItem`. `Ok(None)`: the page is full. Else the entry where the item begins.
    pub(in crate::storage) fn write_item<F: Flash>(
        &mut self,
        medium: &mut Medium<F>,
        head: &Entry,
        data: &[u8],
    ) -> Step<Option<usize>> {
        match self.state {
            State::Invalid | State::Corrupt | State::Unchecked => return Err(self.fail(EspError::InvalidState)),
            State::Uninitialized => self.initialize(medium)?,
            State::Full => return Ok(None),
            State::Active | State::Freeing => {}
        }
        if data.len() > CHUNK_MAX {
            return Err(self.fail(EspError::ValueTooLong));
        }
        let index = self.next_free;
        if index + 1 + data_entries(data.len()) > ENTRY_COUNT {
            return Ok(None);
        }
        self.check_tail(medium)?;
        self.write_entry(medium, &head.to_bytes())?;
        self.add_item(index, head);
        let (whole, tail) = data.split_at(data.len() - data.len() % ENTRY_SIZE);
        if !whole.is_empty() {
            self.write_entries(medium, whole)?;
        }
        if !tail.is_empty() {
            let mut bytes = [0xFF; ENTRY_SIZE];
            for (to, from) in bytes.iter_mut().zip(tail) {
                *to = *from;
            }
            self.write_entry(medium, &bytes)?;
        }
        Ok(Some(index))
    }

    /// `initialize`: writes the header of a blank page.
    fn initialize<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        self.state = State::Active;
        let header = PageHeader::encode(PageState::Active, self.sequence, self.version);
        let written = medium.write_raw(page_offset(self.number), &header);
        if written.is_err() {
            self.state = State::Invalid;
            return written;
        }
        self.next_free = 0;
        self.bitmap = Bitmap::EMPTY;
        self.tail_is_checked = true;
        self.scan_if_plain(medium)
    }

    fn add_item(&mut self, index: usize, entry: &Entry) {
        if let Some(list) = &mut self.scanned {
            list.insert(Hash24::of_entry(&entry.to_bytes()), index);
        }
        self.items.add(index, entry);
        self.hashes_differ = false;
    }

    /// `writeEntry`: one entry, and its state in the bitmap.
    fn write_entry<F: Flash>(&mut self, medium: &mut Medium<F>, bytes: &[u8; ENTRY_SIZE]) -> Step<()> {
        let index = self.next_free;
        if index >= ENTRY_COUNT {
            return Err(self.fail(EspError::Fail));
        }
        let written = medium.write_entries(self.number, index, bytes);
        if written.is_err() {
            self.state = State::Invalid;
            return written;
        }
        self.alter(medium, index, EntryState::Written)?;
        self.first_used.get_or_insert(index);
        self.used += 1;
        self.next_free += 1;
        Ok(())
    }

    /// `writeEntryData`: several entries of data in one call.
    fn write_entries<F: Flash>(&mut self, medium: &mut Medium<F>, bytes: &[u8]) -> Step<()> {
        let index = self.next_free;
        let count = bytes.len() / ENTRY_SIZE;
        let written = medium.write_entries(self.number, index, bytes);
        if written.is_err() {
            self.state = State::Invalid;
            return written;
        }
        self.alter_range(medium, index, index + count, EntryState::Written)?;
        self.used += count;
        self.next_free += count;
        Ok(())
    }

    /// `copyItems`: copies what is marked written to another page, entry by entry. If there is nothing, nothing is written,
    /// not even a header.
    ///
    /// As the firmware, it also copies what is marked written after the place for the next item.
    pub(in crate::storage) fn copy_items<F: Flash>(&self, medium: &mut Medium<F>, to: &mut Self) -> Step<()> {
        let Some(first) = self.first_used else { return Ok(()) };
        if to.state == State::Uninitialized {
            to.initialize(medium)?;
        }
        let mut index = first;
        while index < ENTRY_COUNT {
            if self.bitmap.get(index) != EntryState::Written {
                if index == first {
                    return Err(self.fail(EspError::Fail));
                }
                index += 1;
                continue;
            }
            let head = self.read(medium, index)?;
            if self.is_scanned() || !self.items.heads().contains(index) {
                to.begin_scans(medium)?;
            }
            let copy = to.next_free;
            to.write_entry(medium, &head.to_bytes())?;
            to.add_item(copy, &head);
            // With a span of 0 this goes on until the other page is full.
            let end = index + usize::from(head.span);
            if end > ENTRY_COUNT {
                return Err(self.fail(EspError::Fail));
            }
            for data in index + 1..end {
                let bytes = *medium.entry(self.number, data)?;
                to.write_entry(medium, &bytes)?;
            }
            index = end;
        }
        Ok(())
    }

    /// `getVarDataTailroom`: bytes of blob data that still fit, beside the entry that describes them.
    pub(in crate::storage) fn tailroom(&self) -> usize {
        match self.state {
            State::Uninitialized => CHUNK_MAX,
            State::Full => 0,
            _ => ENTRY_COUNT.saturating_sub(self.next_free + 1) * ENTRY_SIZE,
        }
    }
}
