//! What the firmware does at its start: load each page, put the pages in order, repair what a power cut left.
//!
//! Each step follows `Page::load`, `PageManager::load` and `Storage::init` of ESP-IDF, what they ignore included: in
//! read-only mode some repairs fail unnoticed, and the page then vanishes.

use super::flash::{Fail, Flash, Medium, Step};
use super::page::{Bits, NO_ENTRY, Page, Query, State};
use super::{RepairKind, Storage};
use crate::entry::{Entry, ItemType};
use crate::error::EspError;
use crate::key::RawName;
use crate::layout::{
    BITMAP_OFFSET, BITMAP_SIZE, CHUNK_ANY, ENTRY_COUNT, HEADER_SIZE, NAME_FIELD, NAMESPACE_INDEX, Version, crc32,
    entry_offset, page_offset,
};
use crate::page::{Bitmap, EntryState, PageHeader, PageState};
use alloc::vec::Vec;

impl Page {
    /// Loads one page and repairs it by itself.
    pub(super) fn load<F: Flash>(medium: &mut Medium<F>, number: usize) -> Step<Self> {
        let mut page = Self::new(number);
        let mut bytes = [0; HEADER_SIZE + BITMAP_SIZE];
        medium.read_raw(page_offset(number), &mut bytes)?;
        let ([header, bitmap], []) = bytes.as_chunks::<HEADER_SIZE>() else {
            return Ok(page);
        };
        const { assert!(HEADER_SIZE == BITMAP_SIZE && BITMAP_OFFSET == HEADER_SIZE) };
        let [w0, w1, w2, w3, ..] = *header;
        if [w0, w1, w2, w3] == [0xFF; 4] {
            page.state = State::Unchecked;
            return Ok(page);
        }
        let header = PageHeader::decode(header);
        page.state = State::Corrupt;
        if !header.crc_fits() {
            return Ok(page);
        }
        page.sequence = header.sequence;
        let Some(version) = Version::from_byte(header.version) else {
            return Err(page.fail(EspError::NewVersionFound));
        };
        page.version = version;
        page.state = match PageState::from_word(header.state_word) {
            Some(PageState::Active) => State::Active,
            Some(PageState::Full) => State::Full,
            Some(PageState::Freeing) => State::Freeing,
            Some(PageState::Uninitialized) | None => return Ok(page),
        };
        page.bitmap = Bitmap::from_bytes(bitmap);
        let written = page.bitmap.set_of(EntryState::Written);
        page.used = written.count_ones() as usize;
        page.first_used = Bits(written).next().unwrap_or(NO_ENTRY);
        if page.state == State::Active {
            page.load_active(medium)?;
        } else {
            page.load_closed(medium)?;
        }
        Ok(page)
    }

    /// A page that is written to may end in the middle of something.
    fn load_active<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        let empty = self.bitmap.set_of(EntryState::Empty);
        self.next_free = Bits(empty).next().unwrap_or(NO_ENTRY);
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

        let mut hashes = HashTable::new();
        // The last entry looked at, and where it is unless it is known to be incomplete.
        let mut last = None;
        let mut last_index = None;
        let end = self.next_free.min(ENTRY_COUNT);
        let mut index = 0;
        while index < end {
            let place = index;
            index += 1;
            match self.bitmap.get(place) {
                EntryState::Erased => {
                    last_index = None;
                    continue;
                }
                EntryState::Illegal => {
                    last_index = None;
                    self.repair_item(medium, place, RepairKind::IllegalState)?;
                    continue;
                }
                EntryState::Empty | EntryState::Written => {}
            }
            last_index = Some(place);
            let entry = self.read(medium, place)?;
            last = Some(entry);
            if let Some(fault) = entry.fault(place) {
                self.repair_item(medium, place, RepairKind::Damaged(fault))?;
                continue;
            }
            self.heads |= 1 << place;
            self.hashed |= 1 << place;
            let hash = hash_24(&entry);
            let earlier = hashes.find(hash, self.hashed & !(1 << place));
            if has_data(&entry) {
                let after = place + usize::from(entry.span);
                index = after;
                if (place..after).any(|i| self.bitmap.get(i) != EntryState::Written) {
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

        if let (Some(last), Some(last_index)) = (last, last_index) {
            let query = Query::of(last.ns_index, last.type_byte, *last.name().field());
            if let Some((found, _)) = self.find(medium, &query, 0)?
                && found < last_index
            {
                self.repair_item(medium, found, RepairKind::Duplicate)?;
            }
        }
        Ok(())
    }

    fn load_closed<F: Flash>(&mut self, medium: &mut Medium<F>) -> Step<()> {
        let mut index = self.first_used;
        while index < ENTRY_COUNT {
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
            self.heads |= 1 << place;
            self.hashed |= 1 << place;
            index = place + usize::from(entry.span);
            if has_data(&entry) && (place + 1..index).any(|i| self.bitmap.get(i) != EntryState::Written) {
                let _ = self.repair_item(medium, place, RepairKind::Incomplete);
            }
        }
        Ok(())
    }
}

fn has_data(entry: &Entry) -> bool {
    entry.item_type().is_some_and(ItemType::has_data)
}

/// What the firmware's hash list knows of an item: 24 bits of a checksum over namespace, key field and chunk.
fn hash_24(entry: &Entry) -> u32 {
    let mut covered = [0; NAME_FIELD + 2];
    let [first, key @ .., last] = &mut covered;
    (*first, *key, *last) = (entry.ns_index, entry.key, entry.chunk);
    crc32(&covered) & 0x00FF_FFFF
}

/// A page's hashes while it is loaded: open addressing over the 126 entries. Two names with one hash are the same to
/// the firmware, so they are here.
struct HashTable {
    /// Entry + 1 at each place, 0 for none.
    places: [u8; 256],
    hashes: [u32; 256],
}

impl HashTable {
    fn new() -> Self {
        Self {
            places: [0; 256],
            hashes: [0; 256],
        }
    }

    fn slots(hash: u32) -> impl Iterator<Item = usize> {
        (0..256).map(move |step| (hash as usize + step) % 256)
    }

    /// The entry with this hash, if it is still among the live ones.
    fn find(&self, hash: u32, live: u128) -> Option<usize> {
        for slot in Self::slots(hash) {
            let place = usize::from(*self.places.get(slot)?).checked_sub(1)?;
            if self.hashes.get(slot) == Some(&hash) {
                return (live >> place & 1 == 1).then_some(place);
            }
        }
        None
    }

    fn insert(&mut self, hash: u32, place: usize) {
        for slot in Self::slots(hash) {
            let (Some(to), Some(known)) = (self.places.get_mut(slot), self.hashes.get_mut(slot)) else {
                return;
            };
            if *to == 0 || *known == hash {
                (*to, *known) = (place as u8 + 1, hash);
                return;
            }
        }
    }
}

impl<F: Flash> Storage<F> {
    /// Loads all pages and repairs what one page alone doesn't show.
    pub(super) fn load_pages(&mut self, count: usize) -> Step<()> {
        self.pages.reserve_exact(count);
        for number in 0..count {
            let page = Page::load(&mut self.medium, number)?;
            if page.is_used() {
                self.order.push(number);
            } else {
                self.free.push_back(number);
            }
            self.pages.push(page);
        }
        let pages = &self.pages;
        // Pages with the same number keep their physical order.
        self.order
            .sort_by_key(|number| pages.get(*number).map(|page| page.sequence));
        let Some(last) = self.order.last().copied() else {
            return self.activate_page();
        };
        self.next_sequence = self.page(last).sequence.wrapping_add(1);
        if self.medium.read_only() {
            return Ok(());
        }
        self.erase_duplicate_of_last_item(last)?;
        self.finish_interrupted_move()?;
        if self.free.is_empty() {
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
        for number in self.order.clone() {
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

    /// A page that was being moved is moved anew; a half-filled copy is erased first.
    fn finish_interrupted_move(&mut self) -> Step<()> {
        let freeing = self
            .order
            .iter()
            .copied()
            .find(|number| self.page(*number).state == State::Freeing);
        let Some(freeing) = freeing else { return Ok(()) };
        if let Some(last) = self.order.last().copied()
            && self.page(last).state == State::Active
        {
            self.note_page(last, RepairKind::HalfMoved);
            let (page, medium) = self.page_and_medium(last);
            page.erase(medium)?;
            self.order.pop();
            self.free.push_back(last);
        }
        self.note_page(freeing, RepairKind::Moved);
        self.move_items(freeing)
    }

    /// The namespaces, by their entries.
    pub(super) fn load_namespaces(&mut self) -> Step<()> {
        let query = Query {
            ns_index: NAMESPACE_INDEX,
            type_byte: ItemType::U8.byte(),
            ..Query::any()
        };
        for number in self.order.clone() {
            let mut from = 0;
            let (page, medium) = self.page_and_medium(number);
            let mut found = Vec::new();
            // An entry of namespace 0 that isn't a u8 ends the search on its page.
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                let [ns_index, ..] = entry.data;
                found.push((entry.name(), ns_index));
                from = index + 1;
            }
            for (name, ns_index) in found {
                self.add_namespace(name, ns_index);
            }
        }
        Ok(())
    }

    /// Removes blob indexes that don't fit their chunks, then chunks without an index.
    pub(super) fn repair_blobs(&mut self) -> Step<()> {
        let mut blobs = self.blob_indexes()?;
        if blobs.is_empty() && !self.has_blob_data()? {
            return Ok(());
        }
        // By name, in the order of the flash among equal names: the first that fits a chunk gets it.
        blobs.sort_by_key(|blob| (blob.ns_index, blob.name, blob.order));
        self.count_chunks(&mut blobs)?;
        let (mut right, mut wrong): (Vec<_>, Vec<_>) = blobs.into_iter().partition(Blob::adds_up);
        wrong.sort_by_key(|blob| blob.order);
        for blob in wrong {
            let key = *blob.name.field();
            let chunk_start = blob.chunk_start;
            let query = Query {
                chunk_start,
                ..Query::of(blob.ns_index, ItemType::BlobIndex.byte(), key)
            };
            // The firmware ignores what fails here, and in eraseOrphanDataBlobs.
            for number in self.order.clone() {
                let (page, medium) = self.page_and_medium(number);
                if let Some((index, _)) = page.find(medium, &query, 0)?
                    && page.repair_item(medium, index, RepairKind::BlobMismatch).is_ok()
                {
                    break;
                }
            }
        }
        right.sort_by_key(|blob| (blob.ns_index, blob.name, blob.order));
        self.erase_orphan_chunks(&right)
    }

    fn blob_indexes(&mut self) -> Step<Vec<Blob>> {
        let mut blobs = Vec::new();
        let query = Query {
            type_byte: ItemType::BlobIndex.byte(),
            ..Query::any()
        };
        for number in self.order.clone() {
            let mut from = 0;
            let (page, medium) = self.page_and_medium(number);
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                blobs.push(Blob::new(&entry, blobs.len()));
                from = index + 1;
            }
        }
        Ok(blobs)
    }

    fn has_blob_data(&mut self) -> Step<bool> {
        let query = Query {
            type_byte: ItemType::BlobData.byte(),
            ..Query::any()
        };
        for number in self.order.clone() {
            let (page, medium) = self.page_and_medium(number);
            if page.find(medium, &query, 0)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn count_chunks(&mut self, blobs: &mut [Blob]) -> Step<()> {
        let query = Query {
            type_byte: ItemType::BlobData.byte(),
            ..Query::any()
        };
        for number in self.order.clone() {
            let mut from = 0;
            let (page, medium) = self.page_and_medium(number);
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                from = index + usize::from(entry.span);
                let begin = blobs.partition_point(|blob| blob.is_before(&entry));
                let same_name = blobs.get_mut(begin..).unwrap_or_default().iter_mut();
                let blob = same_name
                    .take_while(|blob| blob.has_name_of(&entry))
                    .find(|blob| blob.is_family_of(&entry));
                if let Some(blob) = blob {
                    blob.seen_size = blob.seen_size.wrapping_add(entry.data_size() as u32);
                    blob.seen_chunks += 1;
                }
            }
        }
        Ok(())
    }

    fn erase_orphan_chunks(&mut self, blobs: &[Blob]) -> Step<()> {
        let query = Query {
            type_byte: ItemType::BlobData.byte(),
            ..Query::any()
        };
        for number in self.order.clone() {
            let mut from = 0;
            let (page, medium) = self.page_and_medium(number);
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                from = index + usize::from(entry.span);
                let begin = blobs.partition_point(|blob| blob.is_before(&entry));
                let same_name = blobs.get(begin..).unwrap_or_default().iter();
                if same_name
                    .take_while(|blob| blob.has_name_of(&entry))
                    .any(|blob| blob.owns(&entry))
                {
                    continue;
                }
                // The firmware looks the chunk up again by its name, so of equal ones the first on the page goes.
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
