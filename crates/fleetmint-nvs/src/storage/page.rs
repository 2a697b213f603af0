//! A page as the firmware holds it in memory, and what can be done to it alone.

use super::doubt::Doubt;
use super::find::Erased;
use super::flash::{Fail, Flash, Medium, Step};
use super::{Repair, RepairKind};
use crate::entry::{Entry, ItemType};
use crate::error::EspError;
use crate::layout::{
    BITMAP_OFFSET, CHUNK_ANY, CHUNK_MAX, ENTRY_COUNT, ENTRY_SIZE, NAME_FIELD, NAMESPACE_ANY, NAMESPACE_INDEX,
    PAGE_SIZE, Version, data_entries, entry_offset, page_offset,
};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};
use alloc::boxed::Box;

/// The type byte that stands for "any" in a search.
pub(super) const TYPE_ANY: u8 = 0xFF;
/// The chunk start that stands for "any" in a search.
pub(super) const START_ANY: u8 = 0xFF;
/// No entry, where the firmware has 0xFFFFFFFF.
pub(super) const NO_ENTRY: usize = usize::MAX;

/// What the firmware takes a page for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Uninitialized,
    /// The state word is erased, what follows it wasn't looked at yet: blank or corrupt.
    Unchecked,
    Active,
    Full,
    Freeing,
    /// Not a page. It counts as free and is erased before it is used.
    Corrupt,
    /// A flash operation failed: the firmware won't touch it again.
    Invalid,
}

/// A page in memory.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) state: State,
    pub(super) sequence: u32,
    pub(super) version: Version,
    pub(super) bitmap: Bitmap,
    /// Entries that begin an item: bit n is entry n.
    pub(super) heads: u128,
    /// Those of them that the firmware's hash list knows.
    pub(super) hashed: u128,
    /// Those of them that are or were namespaces, and those that are or were parts of blobs.
    pub(super) name_heads: u128,
    pub(super) blob_heads: u128,
    /// The firmware's hash list has a different hash for each item.
    pub(super) distinct: bool,
    pub(super) first_used: usize,
    pub(super) next_free: usize,
    /// Entries marked written.
    pub(super) used: usize,
    /// Grows with each erase, so that places found earlier can be distinguished from later ones.
    pub(super) life: u32,
    /// What comes after the items is known to be blank, or the page is in doubt.
    pub(super) looked_ahead: bool,
    /// What was written isn't what can be read, or isn't whole: nothing above may be relied on to find items.
    pub(super) doubt: Option<Box<Doubt>>,
}

/// What to look for. Names are padded with NUL; `None` is any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    pub(super) ns_index: u8,
    pub(super) type_byte: u8,
    pub(super) key: Option<[u8; NAME_FIELD]>,
    pub(super) chunk: u8,
    pub(super) chunk_start: u8,
}

/// What an item is to a query.
pub(super) enum Verdict {
    Skip,
    Match,
    /// It has the name but another type, and the firmware looks no further on this page.
    Mismatch,
}

impl Query {
    pub(super) const fn any() -> Self {
        Self {
            ns_index: NAMESPACE_ANY,
            type_byte: TYPE_ANY,
            key: None,
            chunk: CHUNK_ANY,
            chunk_start: START_ANY,
        }
    }

    pub(super) const fn of(ns_index: u8, type_byte: u8, key: [u8; NAME_FIELD]) -> Self {
        Self {
            ns_index,
            type_byte,
            key: Some(key),
            chunk: CHUNK_ANY,
            chunk_start: START_ANY,
        }
    }

    pub(super) const fn blob_data(ns_index: u8, key: [u8; NAME_FIELD], chunk: u8) -> Self {
        Self {
            chunk,
            ..Self::of(ns_index, ItemType::BlobData.byte(), key)
        }
    }

    /// The key, if the firmware would use its hash list: then only items of exactly this key, padding and all, and
    /// this chunk can begin the search.
    pub(super) fn hashed_key(&self) -> Option<[u8; NAME_FIELD]> {
        let by_scan =
            self.ns_index == NAMESPACE_ANY || self.type_byte == ItemType::BlobData.byte() && self.chunk == CHUNK_ANY;
        if by_scan { None } else { self.key }
    }

    /// Whether an entry has exactly this key, in this namespace and chunk: it can begin a search by the hash list.
    #[inline]
    fn starts_at(&self, key: &[u8; NAME_FIELD], entry: &[u8; ENTRY_SIZE]) -> bool {
        let [ns_index, _, _, chunk, _, _, _, _, rest @ ..] = entry;
        rest.starts_with(key) && *ns_index == self.ns_index && *chunk == self.chunk
    }

    #[inline]
    pub(super) fn verdict(&self, entry: &Entry) -> Verdict {
        const BLOB: u8 = ItemType::Blob.byte();
        const BLOB_DATA: u8 = ItemType::BlobData.byte();
        const BLOB_INDEX: u8 = ItemType::BlobIndex.byte();
        if self.ns_index != NAMESPACE_ANY && entry.ns_index != self.ns_index {
            return Verdict::Skip;
        }
        if self.key.is_some_and(|key| *entry.name().field() != key) {
            return Verdict::Skip;
        }
        match self.type_byte {
            BLOB_DATA if self.chunk != CHUNK_ANY && entry.chunk != self.chunk => return Verdict::Skip,
            BLOB_DATA if self.chunk == CHUNK_ANY && entry.type_byte != BLOB_DATA => return Verdict::Skip,
            BLOB if self.chunk == CHUNK_ANY && entry.type_byte == BLOB_INDEX => return Verdict::Mismatch,
            BLOB if self.chunk == CHUNK_ANY && entry.type_byte == BLOB_DATA => return Verdict::Skip,
            BLOB_INDEX if entry.chunk != CHUNK_ANY => return Verdict::Skip,
            BLOB_INDEX if self.chunk_start != START_ANY && entry.chunk_start() != self.chunk_start => {
                return Verdict::Skip;
            }
            _ => {}
        }
        if self.type_byte == TYPE_ANY || self.type_byte == entry.type_byte {
            return Verdict::Match;
        }
        let by_type_alone = self.key.is_none() && self.ns_index == NAMESPACE_ANY && self.chunk == CHUNK_ANY;
        if by_type_alone {
            Verdict::Skip
        } else {
            Verdict::Mismatch
        }
    }
}

impl Page {
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            state: State::Invalid,
            sequence: u32::MAX,
            version: Version::V2,
            bitmap: Bitmap::EMPTY,
            heads: 0,
            hashed: 0,
            distinct: false,
            name_heads: 0,
            blob_heads: 0,
            first_used: NO_ENTRY,
            next_free: NO_ENTRY,
            used: 0,
            life: 0,
            looked_ahead: false,
            doubt: None,
        }
    }

    /// Whether the page is in the list of pages rather than free.
    pub(super) fn is_used(&self) -> bool {
        matches!(self.state, State::Active | State::Full | State::Freeing)
    }

    pub(super) fn is_searchable(&self) -> bool {
        self.is_used()
    }

    /// Settles whether a page with an erased state word is blank.
    pub(super) fn settle<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        if self.state != State::Unchecked {
            return Ok(());
        }
        self.state = State::Uninitialized;
        for block in 0..8 {
            let mut bytes = [0; PAGE_SIZE / 8];
            medium.read_raw(page_offset(self.number) + block * bytes.len(), &mut bytes)?;
            // Folded as a whole, which the compiler turns into wide instructions.
            if bytes.iter().fold(0xFF, |all, byte| all & byte) != 0xFF {
                self.state = State::Corrupt;
                break;
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn read<F: Flash>(&self, medium: &mut Medium<F>, index: usize) -> Step<Entry> {
        Ok(Entry::from_bytes(medium.entry(self.number, index)?))
    }

    /// The item heads from this entry on, as a set.
    pub(super) fn heads_from(&self, from: usize) -> u128 {
        let end = self.next_free.min(ENTRY_COUNT);
        let from = from.max(self.first_used);
        if !self.is_searchable() || from >= end {
            return 0;
        }
        self.heads & (u128::MAX << from) & !(u128::MAX << end)
    }

    /// The first item that the query matches from this entry on.
    pub(super) fn find<F: Flash>(
        &mut self,
        medium: &mut Medium<F>,
        query: &Query,
        from: usize,
    ) -> Step<Option<(usize, Entry)>> {
        if self.doubt.is_some() {
            return self.find_in_doubt(medium, query, from);
        }
        let mut heads = self.heads_from(from);
        let mut steps = 1;
        if let Some(key) = query.hashed_key() {
            let hashed = heads & self.hashed;
            let start = self.find_start(medium, query, &key, hashed)?;
            steps += (hashed & !(u128::MAX << start.unwrap_or(ENTRY_COUNT))).count_ones() as usize;
            let Some(index) = start else {
                medium.spend(steps)?;
                return Ok(None);
            };
            heads &= u128::MAX << index;
        }
        let mut found = None;
        for index in Bits::of(heads) {
            steps += 1;
            let entry = self.read(medium, index)?;
            match query.verdict(&entry) {
                Verdict::Skip => continue,
                Verdict::Match => found = Some((index, entry)),
                Verdict::Mismatch => {}
            }
            break;
        }
        medium.spend(steps)?;
        Ok(found)
    }

    /// The first of these items that can begin a search by the hash list.
    fn find_start<F: Flash>(
        &self,
        medium: &mut Medium<F>,
        query: &Query,
        key: &[u8; NAME_FIELD],
        heads: u128,
    ) -> Step<Option<usize>> {
        if let Some(entries) = medium.entries(self.number) {
            let is_start = |index| entries.get(index).is_some_and(|entry| query.starts_at(key, entry));
            return Ok(Bits::find_in(heads, is_start));
        }
        for index in Bits::of(heads) {
            if query.starts_at(key, medium.entry(self.number, index)?) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn alter<F: Flash>(&mut self, medium: &mut Medium<F>, index: usize, state: EntryState) -> Step<()> {
        self.bitmap.set(index, state);
        let written = self.write_bitmap_word(medium, Bitmap::word_number(index));
        if written.is_err() {
            self.state = State::Invalid;
        }
        written
    }

    /// Alters a range of entries, the last word of the bitmap first. A failure leaves the words before as they were,
    /// in memory too, and the page valid: that is the firmware's way.
    fn alter_range<F: Flash>(
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

    /// Marks an item erased; `purge` also writes zeros over it, as the firmware's repairs do.
    pub(super) fn erase_item<F: Flash>(&mut self, medium: &mut Medium<F>, index: usize, purge: bool) -> Step<()> {
        let mut span = 1;
        if self.bitmap.get(index) == EntryState::Written {
            let entry = self.read(medium, index)?;
            let known = self.heads >> index & 1 == 1 && self.doubt.is_none();
            let sound = known || entry.fault(index).is_none();
            if sound {
                span = usize::from(entry.span).max(1);
            }
            self.hashed &= !(1 << index);
            if let Some(erased) = &mut medium.erased {
                erased.push(Erased {
                    page: self.number,
                    entry,
                });
            }
            if let Some(doubt) = &mut self.doubt {
                doubt.erase(index);
            }
            let written = (index..index + span)
                .filter(|i| self.bitmap.get(*i) == EntryState::Written)
                .count();
            let altered = if span == 1 {
                self.alter(medium, index, EntryState::Erased)
            } else {
                self.alter_range(medium, index, index + span, EntryState::Erased)
            };
            self.used -= written.min(self.used);
            if self.bitmap.get(index) != EntryState::Written {
                self.heads &= !(1 << index);
            }
            altered?;
        } else {
            self.alter(medium, index, EntryState::Erased)?;
        }
        if purge {
            self.purge(medium, index, index + span)?;
        }
        if index == self.first_used {
            let end = self.next_free.min(ENTRY_COUNT);
            let later = (index + span..end).find(|i| self.bitmap.get(*i) == EntryState::Written);
            self.first_used = later.unwrap_or(NO_ENTRY);
        }
        if index + span > self.next_free {
            self.next_free = index + span;
        }
        Ok(())
    }

    /// [`Page::erase_item`] as a repair: with zeros, and in the list of repairs.
    pub(super) fn repair_item<F: Flash>(&mut self, medium: &mut Medium<F>, index: usize, kind: RepairKind) -> Step<()> {
        self.note(medium, index, kind)?;
        self.erase_item(medium, index, true)
    }

    /// Tells the list of repairs of one, before it is made.
    pub(super) fn note<F: Flash>(&self, medium: &mut Medium<F>, index: usize, kind: RepairKind) -> Step<()> {
        medium.settle_key()?;
        let entry = self.read(medium, index)?;
        medium.repairs.push(Repair {
            page: self.number,
            entry: Some(index),
            ns_index: entry.ns_index,
            name: entry.name(),
            kind,
        });
        Ok(())
    }

    /// Marks a place that holds something without being marked written.
    pub(super) fn clear_half_written<F: Flash>(&mut self, medium: &mut Medium<F>, index: usize) -> Step<()> {
        self.note(medium, index, RepairKind::HalfWritten)?;
        if self.bitmap.get(index) == EntryState::Written {
            self.used -= 1.min(self.used);
        }
        self.alter(medium, index, EntryState::Erased)?;
        self.purge(medium, index, index + 1)
    }

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
        self.looked_ahead = true;
        Ok(())
    }

    /// Knows an item that is whole.
    #[inline]
    pub(super) fn add_head(&mut self, place: usize, entry: &Entry) {
        if let Some(doubt) = &mut self.doubt {
            doubt.add(place, entry);
        }
        let head = 1 << place;
        self.heads |= head;
        self.hashed |= head;
        if entry.ns_index == NAMESPACE_INDEX {
            self.name_heads |= head;
        }
        if matches!(entry.item_type(), Some(ItemType::BlobData | ItemType::BlobIndex)) {
            self.blob_heads |= head;
        }
    }

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
        if self.first_used == NO_ENTRY {
            self.first_used = index;
        }
        self.used += 1;
        self.next_free += 1;
        Ok(())
    }

    fn write_data<F: Flash>(&mut self, medium: &mut Medium<F>, bytes: &[u8]) -> Step<()> {
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

    /// Writes an item. `Ok(None)`: the page is full. Else the entry where the item begins.
    pub(super) fn write_item<F: Flash>(
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
        if index.saturating_add(1 + data_entries(data.len())) > ENTRY_COUNT {
            return Ok(None);
        }
        self.look_ahead(medium)?;
        self.write_entry(medium, &head.to_bytes())?;
        self.add_head(index, head);
        self.distinct = false;
        let (whole, tail) = data.split_at(data.len() - data.len() % ENTRY_SIZE);
        if !whole.is_empty() {
            self.write_data(medium, whole)?;
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

    /// Copies what is live to another page, entry by entry. Nothing live: nothing is written, not even a header.
    ///
    /// As the firmware, it copies what is marked written after the place for the next item too, unseen.
    pub(super) fn copy_items<F: Flash>(&self, medium: &mut Medium<F>, to: &mut Self) -> Step<()> {
        if self.first_used == NO_ENTRY {
            return Ok(());
        }
        if to.state == State::Uninitialized {
            to.initialize(medium)?;
        }
        let mut index = self.first_used;
        while index < ENTRY_COUNT {
            if self.bitmap.get(index) != EntryState::Written {
                if index == self.first_used {
                    return Err(self.fail(EspError::Fail));
                }
                index += 1;
                continue;
            }
            let head = self.read(medium, index)?;
            if self.doubt.is_some() || self.heads >> index & 1 == 0 {
                to.begin_doubt(medium)?;
            }
            let place = to.next_free;
            to.write_entry(medium, &head.to_bytes())?;
            to.add_head(place, &head);
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

    /// Erases the whole page. It keeps the version that it had.
    pub(super) fn erase<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        let erased = medium.erase_page(self.number);
        if erased.is_err() {
            self.state = State::Invalid;
            return erased;
        }
        *self = Self {
            state: State::Uninitialized,
            sequence: self.sequence,
            version: self.version,
            life: self.life.wrapping_add(1),
            ..Self::new(self.number)
        };
        Ok(())
    }

    pub(super) fn mark<F: Flash>(&mut self, medium: &mut Medium<F>, state: PageState) -> Step<()> {
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

    /// Bytes of blob data that still fit, beside the entry that describes them.
    pub(super) fn tailroom(&self) -> usize {
        match self.state {
            State::Uninitialized => CHUNK_MAX,
            State::Full => 0,
            _ => ENTRY_COUNT.saturating_sub(self.next_free).saturating_sub(1) * ENTRY_SIZE,
        }
    }

    pub(super) fn fail(&self, code: EspError) -> Fail {
        Fail {
            code,
            offset: page_offset(self.number),
        }
    }
}

/// The numbers of the bits that are set in a set of entries, lowest first.
///
/// By halves, so that a step is a few instructions of the processor.
#[derive(Clone, Copy)]
pub(super) struct Bits {
    half: u64,
    /// The number of the half's first bit.
    first: usize,
    high: u64,
}

impl Bits {
    #[inline]
    pub(super) const fn of(set: u128) -> Self {
        Self {
            half: set as u64,
            first: 0,
            high: (set >> 64) as u64,
        }
    }

    /// The first of the set that `is_it` holds for.
    #[inline]
    pub(super) fn find_in(set: u128, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        for (mut half, first) in [(set as u64, 0), ((set >> 64) as u64, 64)] {
            while half != 0 {
                let bit = first + half.trailing_zeros() as usize;
                if is_it(bit) {
                    return Some(bit);
                }
                half &= half - 1;
            }
        }
        None
    }
}

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.half == 0 {
            if self.high == 0 {
                return None;
            }
            *self = Self {
                half: self.high,
                first: 64,
                high: 0,
            };
        }
        let bit = self.first + self.half.trailing_zeros() as usize;
        self.half &= self.half - 1;
        Some(bit)
    }
}
