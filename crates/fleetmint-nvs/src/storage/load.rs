//! What the firmware does at its start: load each page, put the pages in order, repair what a power cut left.
//!
//! Each step follows `Page::load`, `PageManager::load` and `Storage::init` of ESP-IDF, what they ignore included: in
//! read-only mode some repairs fail unnoticed, and the page then vanishes.

use super::flash::{Fail, Flash, Medium, Step};
use super::page::{Bits, NO_ENTRY, Page, Query, State};
use super::{RepairKind, Storage};
use crate::entry::{Entry, EntryFault, ItemType, crc_fits};
use crate::error::EspError;
use crate::key::RawName;
use crate::layout::{
    BITMAP_OFFSET, BITMAP_SIZE, CHUNK_ANY, ENTRY_COUNT, ENTRY_SIZE, HEADER_SIZE, NAME_FIELD, NAMESPACE_ANY,
    NAMESPACE_INDEX, Version, entry_offset, page_offset,
};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};
use alloc::vec::Vec;

impl Page {
    /// Loads a new page and repairs it by itself.
    fn load<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        let mut bytes = [0; HEADER_SIZE + BITMAP_SIZE];
        medium.read_raw(page_offset(self.number), &mut bytes)?;
        let ([header, bitmap], []) = bytes.as_chunks::<HEADER_SIZE>() else {
            return Ok(());
        };
        const { assert!(HEADER_SIZE == BITMAP_SIZE && BITMAP_OFFSET == HEADER_SIZE) };
        let [w0, w1, w2, w3, ..] = *header;
        if [w0, w1, w2, w3] == [0xFF; 4] {
            self.state = State::Unchecked;
            return Ok(());
        }
        let header = PageHeader::decode(header);
        self.state = State::Corrupt;
        if !header.crc_fits() {
            return Ok(());
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
            Some(PageState::Uninitialized) | None => return Ok(()),
        };
        self.bitmap = Bitmap::from_bytes(bitmap);
        let written = self.bitmap.set_of(EntryState::Written);
        self.used = written.count_ones() as usize;
        self.first_used = Bits::of(written).next().unwrap_or(NO_ENTRY);
        if medium
            .entries(self.number)
            .is_some_and(|entries| self.load_clean(entries, written))
        {
            return Ok(());
        }
        if self.state == State::Active {
            self.load_active(medium)
        } else {
            self.load_closed(medium, written)
        }
    }

    /// A page that is written to may end in the middle of something.
    fn load_active<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        self.next_free = self.bitmap.first(EntryState::Empty).unwrap_or(NO_ENTRY);
        // An entry may have been written without its place in the bitmap.
        while self.next_free < ENTRY_COUNT {
            let mut word = [0; 4];
            medium.read_raw(entry_offset(self.number, self.next_free), &mut word)?;
            if word == [0xFF; 4] {
                break;
            }
            self.clear_half_written(medium, self.next_free)?;
            self.next_free += 1;
        }

        let mut hash_24 = Hash24::of_namespace(NAMESPACE_INDEX);
        let mut hashes = HashTable::new();
        // The last entry looked at, and where it is unless it is known to be incomplete.
        let mut last = None;
        let mut last_index = None;
        let end = self.next_free.min(ENTRY_COUNT);
        // What a repair erases lies before the place that it is found at, or is skipped with it.
        let kept = !self.bitmap.set_of(EntryState::Erased) & below(end);
        let written = self.bitmap.set_of(EntryState::Written);
        let mut index = 0;
        while let Some(place) = Bits::of(kept & from(index)).next() {
            index = place + 1;
            if self.bitmap.get(place) == EntryState::Illegal {
                last_index = None;
                self.repair_item(medium, place, RepairKind::IllegalState)?;
                continue;
            }
            last_index = Some(place);
            let (entry, fault) = self.read_judged(medium, place)?;
            last = Some(entry);
            if let Some(fault) = fault {
                self.repair_item(medium, place, RepairKind::Damaged(fault))?;
                continue;
            }
            self.add_head(place, &entry);
            let hash = hash_24.of(medium.entry(self.number, place)?);
            let earlier = hashes.find(hash, self.hashed & !(1 << place));
            if has_data(&entry) {
                index = place + usize::from(entry.span);
                if from(place) & below(index) & !written != 0 {
                    last_index = None;
                    // The firmware ignores a failure here: read-only, the page becomes invalid without an error.
                    let _ = self.repair_item(medium, place, RepairKind::Incomplete);
                    continue;
                }
            }
            hashes.insert(hash, place);
            if let Some(earlier) = earlier {
                let _ = self.repair_item(medium, earlier, RepairKind::Duplicate);
            }
        }
        if index < end {
            last_index = None;
        }

        if let (Some(last), Some(last_index)) = (last, last_index)
            && !self.is_known_alone(&last, last_index)
        {
            let query = Query::of(last.ns_index, last.type_byte, *last.name().field());
            if let Some((found, _)) = self.find(medium, &query, 0)?
                && found < last_index
            {
                self.repair_item(medium, found, RepairKind::Duplicate)?;
            }
        }
        Ok(())
    }

    fn load_closed<F: Flash>(&mut self, medium: &mut Medium<F>, written: u128) -> Step<()> {
        let mut index = 0;
        while let Some(place) = Bits::of(written & from(index)).next() {
            index = place + 1;
            let (entry, fault) = self.read_judged(medium, place)?;
            if let Some(fault) = fault {
                self.repair_item(medium, place, RepairKind::Damaged(fault))?;
                continue;
            }
            self.add_head(place, &entry);
            index = place + usize::from(entry.span);
            if has_data(&entry) && from(place + 1) & below(index) & !written != 0 {
                let _ = self.repair_item(medium, place, RepairKind::Incomplete);
            }
        }
        Ok(())
    }

    /// Whether the search for an earlier item of this name can only end at this one: their hashes in the hash list differ.
    fn is_known_alone(&self, entry: &Entry, index: usize) -> bool {
        self.hashed >> index & 1 == 1
            && entry.chunk == CHUNK_ANY
            && entry.ns_index != NAMESPACE_ANY
            && entry.key == *entry.name().field()
    }

    /// An entry, and what is wrong with it.
    #[inline]
    fn read_judged<F: Flash>(&self, medium: &mut Medium<F>, place: usize) -> Step<(Entry, Option<EntryFault>)> {
        let bytes = medium.entry(self.number, place)?;
        let entry = Entry::from_bytes(bytes);
        let fault = if crc_fits(bytes) {
            entry.field_fault(place)
        } else {
            Some(EntryFault::Crc)
        };
        Ok((entry, fault))
    }
}

/// The entries from this one on, as a set.
#[inline]
pub(super) fn from(index: usize) -> u128 {
    u128::MAX.checked_shl(index as u32).unwrap_or(0)
}

/// The entries before this one, as a set.
#[inline]
pub(super) fn below(index: usize) -> u128 {
    !from(index)
}

fn has_data(entry: &Entry) -> bool {
    entry.item_type().is_some_and(ItemType::has_data)
}

/// The bits of a checksum that the firmware's hash list keeps.
const HASH_24: u32 = 0x00FF_FFFF;

/// What the firmware's hash list knows of an item: 24 bits of a checksum over namespace, key field and chunk.
pub(super) struct Hash24 {
    ns_index: u8,
    /// The checksum so far, with the namespace alone.
    begun: crc32fast::Hasher,
}

impl Hash24 {
    pub(super) fn of_entry(bytes: &[u8; ENTRY_SIZE]) -> u32 {
        let [ns_index, ..] = *bytes;
        Self::of_namespace(ns_index).of(bytes)
    }

    pub(super) fn of_namespace(ns_index: u8) -> Self {
        let mut begun = crc32fast::Hasher::new_with_initial(0xFFFF_FFFF);
        begun.update(&[ns_index]);
        Self { ns_index, begun }
    }

    pub(super) fn of(&mut self, bytes: &[u8; ENTRY_SIZE]) -> u32 {
        let [ns_index, _, _, chunk, ..] = *bytes;
        if ns_index != self.ns_index {
            *self = Self::of_namespace(ns_index);
        }
        // In place, as in `entry_crc`.
        let (_, key) = bytes.split_at(8);
        let (key, _) = key.split_at(NAME_FIELD);
        let mut hasher = self.begun.clone();
        hasher.update(key);
        hasher.update(&[chunk]);
        hasher.finalize() & HASH_24
    }
}

/// A page's hashes while it is loaded: open addressing over the 126 entries. Two names with one hash are the same to
/// the firmware, so they are here.
pub(super) struct HashTable {
    /// The hash, and above its 24 bits the entry + 1; 0 for none.
    slots: [u32; 256],
}

impl HashTable {
    pub(super) fn new() -> Self {
        Self { slots: [0; 256] }
    }

    /// The entry with this hash, if it is still among the live ones.
    #[inline]
    fn find(&mut self, hash: u32, live: u128) -> Option<usize> {
        let place = (*self.slot(hash)? >> 24).checked_sub(1)?;
        (live >> place & 1 == 1).then_some(place as usize)
    }

    /// Adds a hash. Whether it wasn't there yet.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, place: usize) -> bool {
        let Some(slot) = self.slot(hash) else { return false };
        let is_new = *slot == 0;
        *slot = (place as u32 + 1) << 24 | hash;
        is_new
    }

    /// Where a hash is, or belongs.
    #[inline]
    fn slot(&mut self, hash: u32) -> Option<&mut u32> {
        let mut number = usize::from(hash as u8);
        // Of 256 slots 126 are taken at most.
        loop {
            let slot = *self.slots.get(number)?;
            if slot == 0 || slot & HASH_24 == hash {
                return self.slots.get_mut(number);
            }
            number = (number + 1) % 256;
        }
    }
}

impl<F: Flash> Storage<F> {
    /// Loads all pages and repairs what one page alone doesn't show.
    pub(super) fn load_pages(&mut self, count: usize) -> Step<()> {
        self.pages = Vec::with_capacity(count);
        self.queue = Vec::with_capacity(count);
        for number in 0..count {
            self.pages.push(Page::new(number));
            let (page, medium) = self.page_and_medium(number);
            medium.spend(ENTRY_COUNT)?;
            page.load(medium)?;
            if page.is_used() {
                // Before the free ones, and before the used ones with a higher number. There are 4096 pages at most, so
                // what the insertions move is next to nothing.
                let sequence = page.sequence;
                let used = self.queue.get(..self.in_use).unwrap_or_default();
                let place = used.partition_point(|other| self.page(*other).sequence <= sequence);
                self.queue.insert(place, number);
                self.in_use += 1;
            } else {
                self.queue.push(number);
            }
        }
        let Some(last) = self.last_page() else {
            return self.activate_page();
        };
        self.next_sequence = self.page(last).sequence.wrapping_add(1);
        if self.medium.read_only() {
            return Ok(());
        }
        self.erase_duplicate_of_last_item(last)?;
        self.finish_interrupted_move()?;
        if self.in_use == self.queue.len() {
            return Err(Fail {
                code: EspError::NoFreePages,
                offset: 0,
            });
        }
        Ok(())
    }

    /// After a new value was written and before the old one was erased there are two: the older goes.
    fn erase_duplicate_of_last_item(&mut self, last: usize) -> Step<()> {
        let Some(head) = 127u32.checked_sub(self.page(last).heads_from(0).leading_zeros()) else {
            return Ok(());
        };
        let (page, medium) = self.page_and_medium(last);
        let item = page.read(medium, head as usize)?;
        let key = *item.name().field();
        let query = Query {
            chunk: item.chunk,
            ..Query::of(item.ns_index, item.type_byte, key)
        };
        if self.erase_first_before(last, &query)? || item.item_type() != Some(ItemType::BlobIndex) {
            return Ok(());
        }
        // A blob of the old format that was being replaced.
        let query = Query {
            type_byte: ItemType::Blob.byte(),
            ..query
        };
        self.erase_first_before(last, &query)?;
        Ok(())
    }

    fn erase_first_before(&mut self, last: usize, query: &Query) -> Step<bool> {
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            if number == last {
                break;
            }
            let (page, medium) = self.page_and_medium(number);
            if page.state == State::Freeing {
                continue;
            }
            if let Some((index, _)) = page.find(medium, query, 0)?
                && page.repair_item(medium, index, RepairKind::Duplicate).is_ok()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A page that was being moved is moved again; a half-filled copy is erased first.
    fn finish_interrupted_move(&mut self) -> Step<()> {
        let freeing = self
            .used_pages()
            .find(|number| self.page(*number).state == State::Freeing);
        let Some(freeing) = freeing else { return Ok(()) };
        if let Some(last) = self.last_page()
            && self.page(last).state == State::Active
        {
            self.note_page(last, RepairKind::HalfMoved);
            let (page, medium) = self.page_and_medium(last);
            page.erase(medium)?;
            self.free_page(last);
        }
        self.note_page(freeing, RepairKind::Moved);
        self.move_items(freeing)
    }

    /// The namespaces, by their entries.
    pub(super) fn load_namespaces(&mut self) -> Step<()> {
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let page = self.page(number);
            for index in Bits::of(page.name_heads & page.heads_from(0)) {
                let (page, medium) = self.page_and_medium(number);
                let entry = page.read(medium, index)?;
                // An entry of namespace 0 that isn't a u8 ends the search on its page.
                if entry.item_type() != Some(ItemType::U8) {
                    break;
                }
                let [ns_index, ..] = entry.data;
                self.add_namespace(entry.name(), ns_index);
            }
        }
        Ok(())
    }

    /// Removes blob indexes that don't fit their chunks, then chunks without an index.
    pub(super) fn repair_blobs(&mut self) -> Step<()> {
        if self.used_pages().all(|number| self.page(number).blob_heads == 0) {
            return Ok(());
        }
        let mut blobs = self.blob_indexes()?;
        blobs.sort_unstable_by_key(Blob::sort_key);
        self.count_chunks(&mut blobs)?;
        let (right, wrong): (Vec<_>, Vec<_>) = blobs.into_iter().partition(Blob::adds_up);
        for same in wrong.chunk_by(Blob::is_same) {
            for blob in same {
                if !self.erase_index(blob)? {
                    // Nor will the others be found.
                    break;
                }
            }
        }
        self.erase_orphan_chunks(&right)
    }

    /// Erases the first index of this name and start, be it another that has them too. Whether there was one.
    fn erase_index(&mut self, blob: &Blob) -> Step<bool> {
        let chunk_start = blob.chunk_start;
        let query = Query {
            chunk_start,
            ..Query::of(blob.ns_index, ItemType::BlobIndex.byte(), *blob.name.field())
        };
        while let Some(found) = self.find(&query)? {
            let (page, medium) = self.page_and_medium(found.page);
            let erased = page.repair_item(medium, found.index, RepairKind::BlobMismatch);
            if erased.is_ok() || page.is_used() {
                return Ok(true);
            }
            // Read-only, the firmware ignores that it fails; the page is invalid now, and the next one is tried.
        }
        Ok(false)
    }

    fn blob_indexes(&mut self) -> Step<Vec<Blob>> {
        let mut blobs = Vec::new();
        let query = Query {
            type_byte: ItemType::BlobIndex.byte(),
            ..Query::any()
        };
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let mut from = 0;
            let (page, medium) = self.page_and_medium(number);
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                blobs.push(Blob::new(&entry, blobs.len()));
                from = index + 1;
            }
        }
        Ok(blobs)
    }

    /// Adds each chunk to the first index in the flash that it may belong to.
    fn count_chunks(&mut self, blobs: &mut [Blob]) -> Step<()> {
        // Of indexes with the same start only the first can get any.
        let mut firsts: Vec<usize> = Vec::new();
        for (number, blob) in blobs.iter().enumerate() {
            let before = firsts.last().and_then(|before| blobs.get(*before));
            if !before.is_some_and(|before| before.is_same(blob)) {
                firsts.push(number);
            }
        }
        self.each_chunk(|entry| {
            let begin = firsts.partition_point(|number| blobs.get(*number).is_some_and(|blob| blob.is_before(entry)));
            let first = firsts.get(begin..).unwrap_or_default().iter().copied();
            let same_name = first.take_while(|number| blobs.get(*number).is_some_and(|blob| blob.has_name_of(entry)));
            let family = same_name.filter(|number| blobs.get(*number).is_some_and(|blob| blob.is_family_of(entry)));
            let first = family.min_by_key(|number| blobs.get(*number).map(|blob| blob.order));
            if let Some(blob) = first.and_then(|number| blobs.get_mut(number)) {
                blob.seen_size = blob.seen_size.wrapping_add(entry.data_size() as u32);
                blob.seen_chunks += 1;
            }
            true
        })
    }

    fn erase_orphan_chunks(&mut self, blobs: &[Blob]) -> Step<()> {
        // Of indexes with the same start the one with most chunks owns all that the others do.
        let most = |same: &[Blob]| same.iter().max_by_key(|blob| blob.chunks).copied();
        let blobs: Vec<Blob> = blobs.chunk_by(Blob::is_same).filter_map(most).collect();
        self.each_chunk(|entry| {
            let begin = blobs.partition_point(|blob| blob.is_before(entry));
            let same_name = blobs.get(begin..).unwrap_or_default().iter();
            same_name
                .take_while(|blob| blob.has_name_of(entry))
                .any(|blob| blob.owns(entry))
        })
    }

    /// Shows each chunk of a blob; one that isn't to be kept is erased.
    fn each_chunk(&mut self, mut keep: impl FnMut(&Entry) -> bool) -> Step<()> {
        let query = Query {
            type_byte: ItemType::BlobData.byte(),
            ..Query::any()
        };
        for position in 0..self.in_use {
            let Some(number) = self.used_page(position) else { break };
            let mut from = 0;
            let (page, medium) = self.page_and_medium(number);
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                from = index + usize::from(entry.span);
                if keep(&entry) {
                    continue;
                }
                // The firmware looks the chunk up again by its name, so of equal ones the first on the page goes; and it
                // ignores a failure.
                let chunk = Query::blob_data(entry.ns_index, *entry.name().field(), entry.chunk);
                if let Some((index, _)) = page.find(medium, &chunk, 0)? {
                    let _ = page.repair_item(medium, index, RepairKind::OrphanChunk);
                }
            }
        }
        Ok(())
    }
}

/// A blob index while its chunks are counted.
#[derive(Clone, Copy)]
struct Blob {
    ns_index: u8,
    name: RawName,
    /// Its number in the order of the flash.
    order: usize,
    chunk_start: u8,
    chunks: u8,
    size: u32,
    seen_size: u32,
    seen_chunks: usize,
}

impl Blob {
    fn new(entry: &Entry, order: usize) -> Self {
        Self {
            ns_index: entry.ns_index,
            name: entry.name(),
            order,
            chunk_start: entry.chunk_start(),
            chunks: entry.chunk_count(),
            size: entry.blob_size(),
            seen_size: 0,
            seen_chunks: 0,
        }
    }

    /// By name, then by start, then in the order of the flash.
    fn sort_key(&self) -> (u8, RawName, u8, usize) {
        (self.ns_index, self.name, self.chunk_start, self.order)
    }

    /// Whether both have the same name and start.
    fn is_same(&self, other: &Self) -> bool {
        (self.ns_index, self.name, self.chunk_start) == (other.ns_index, other.name, other.chunk_start)
    }

    fn is_before(&self, chunk: &Entry) -> bool {
        (self.ns_index, self.name) < (chunk.ns_index, chunk.name())
    }

    fn has_name_of(&self, chunk: &Entry) -> bool {
        (self.ns_index, self.name) == (chunk.ns_index, chunk.name())
    }

    /// Whether the chunk's number is of this index's half of the numbers.
    fn is_family_of(&self, chunk: &Entry) -> bool {
        let end = if self.chunk_start == 0 { 0x80 } else { CHUNK_ANY };
        (self.chunk_start..end).contains(&chunk.chunk)
    }

    fn owns(&self, chunk: &Entry) -> bool {
        let number = usize::from(chunk.chunk);
        let start = usize::from(self.chunk_start);
        (start..start + usize::from(self.chunks)).contains(&number)
    }

    fn adds_up(&self) -> bool {
        self.seen_size == self.size && self.seen_chunks == usize::from(self.chunks)
    }
}
