//! Reading values: `Storage::readItem` and `Storage::readMultiPageBlob`. They erase a value whose data is damaged.

use super::flash::Flash;
use super::medium::{Fail, Step};
use super::query::{Query, START_ANY, StoredItem};
use super::{RepairKind, Storage};
use crate::entry::{ItemType, Number};
use crate::error::EspError;
use crate::layout::{CHUNK_MAX, ENTRY_SIZE, NAME_FIELD, crc32};
use crate::wiped::make_room;
use alloc::vec::Vec;

impl<F: Flash> Storage<F> {
    /// `nvs_get_u8` and the getters of the other numbers.
    pub(super) fn get_number(&mut self, ns_index: u8, item_type: ItemType, key: &[u8; NAME_FIELD]) -> Step<Number> {
        let found = self
            .find(&Query::of(ns_index, item_type.byte(), *key))?
            .ok_or(Fail::NOT_FOUND)?;
        Number::from_data(item_type, found.entry.data).ok_or(found.fail(EspError::TypeMismatch))
    }

    /// `nvs_get_str`: appends the string as stored, with its NUL.
    pub(super) fn get_str(&mut self, ns_index: u8, key: &[u8; NAME_FIELD], to: &mut Vec<u8>) -> Step<()> {
        let found = self
            .find(&Query::of(ns_index, ItemType::Str.byte(), *key))?
            .ok_or(Fail::NOT_FOUND)?;
        self.read_checked(&found, to)
    }

    /// `nvs_get_blob`: appends the blob, whichever its format.
    pub(super) fn get_blob(&mut self, ns_index: u8, key: &[u8; NAME_FIELD], to: &mut Vec<u8>) -> Step<()> {
        let begin = to.len();
        let index = self.find(&Query::blob_index(ns_index, *key))?;
        if let Some(index) = &index {
            match self.read_chunks(ns_index, key, index, to) {
                Err(fail) if fail.code == EspError::NotFound => {}
                done => return done,
            }
        }
        to.truncate(begin);
        let found = self
            .find(&Query::of(ns_index, ItemType::Blob.byte(), *key))?
            .ok_or(Fail::NOT_FOUND)?;
        // The caller's buffer has the size that the index gave.
        if index.is_some_and(|index| (index.entry.blob_size() as usize) < found.entry.data_size()) {
            return Err(found.fail(EspError::InvalidLength));
        }
        self.read_checked(&found, to)
    }

    /// `readMultiPageBlob`
    fn read_chunks(&mut self, ns_index: u8, key: &[u8; NAME_FIELD], index: &StoredItem, to: &mut Vec<u8>) -> Step<()> {
        let begin = to.len();
        let size = index.entry.blob_size() as usize;
        let chunks_size = CHUNK_MAX * usize::from(index.entry.chunk_count());
        // A damaged index may give any size. The data of an encrypted chunk is read with the rest of its last entry.
        make_room(to, size.min(chunks_size).min(self.medium.capacity()) + ENTRY_SIZE);
        let mut cut = None;
        for number in 0..index.entry.chunk_count() {
            let chunk = index.entry.chunk_start().wrapping_add(number);
            let found = self.find(&Query::blob_data(ns_index, *key, chunk))?;
            // A chunk is missing, or longer than what is left of the blob.
            let found = match found {
                None => {
                    cut = Some(Fail::NOT_FOUND);
                    break;
                }
                Some(found) if found.entry.data_size() > size - (to.len() - begin) => {
                    cut = Some(found.fail(EspError::InvalidLength));
                    break;
                }
                Some(found) => found,
            };
            self.read_checked(&found, to)?;
            if found.entry.chunk != chunk || chunk < index.entry.chunk_start() {
                return Err(found.fail(EspError::Fail));
            }
        }
        if cut.is_some() {
            self.record_missing_chunk(index);
            // The firmware ignores a failure here: it returns an error in any case.
            let _ = self.erase_blob(ns_index, key, START_ANY, true);
        }
        if to.len() - begin == size {
            cut.map_or(Ok(()), Err)
        } else {
            Err(index.fail(EspError::Fail))
        }
    }

    /// `Page::readItem`: appends an item's data, or erases the item if its data is damaged.
    pub(super) fn read_checked(&mut self, found: &StoredItem, to: &mut Vec<u8>) -> Step<()> {
        if self.read_sound(found, to)? {
            return Ok(());
        }
        let (page, medium) = self.page_and_medium(found.page);
        page.repair_item(medium, found.index, RepairKind::DamagedValue)?;
        Err(found.fail(EspError::NotFound))
    }

    /// Appends an item's data, unless it is damaged.
    fn read_sound(&mut self, found: &StoredItem, to: &mut Vec<u8>) -> Step<bool> {
        let begin = to.len();
        self.medium
            .read_data(found.page, found.index + 1, found.entry.data_size(), to)?;
        let sound = crc32(to.get(begin..).unwrap_or_default()) == found.entry.data_crc();
        if !sound {
            to.truncate(begin);
        }
        Ok(sound)
    }

    /// Appends the string or blob of an item whose namespace does not exist. No getter finds it, so nothing is erased.
    pub(super) fn read_orphan(&mut self, found: &StoredItem, to: &mut Vec<u8>) -> Step<()> {
        if found.entry.item_type() != Some(ItemType::BlobData) {
            let sound = self.read_sound(found, to)?;
            return sound.then_some(()).ok_or(found.fail(EspError::NotFound));
        }
        let (ns_index, key) = (found.entry.ns_index, *found.entry.name().field());
        let index = self.find(&Query::blob_index(ns_index, key))?;
        let index = index.ok_or(Fail::NOT_FOUND)?;
        for number in 0..index.entry.chunk_count() {
            let chunk = index.entry.chunk_start().wrapping_add(number);
            let chunk = self
                .find(&Query::blob_data(ns_index, key, chunk))?
                .ok_or(Fail::NOT_FOUND)?;
            if !self.read_sound(&chunk, to)? {
                return Err(chunk.fail(EspError::NotFound));
            }
        }
        let whole = to.len() == index.entry.blob_size() as usize;
        whole.then_some(()).ok_or(index.fail(EspError::Fail))
    }

    fn record_missing_chunk(&mut self, index: &StoredItem) {
        self.medium.journal.repairs.push(super::Repair {
            page: index.page,
            entry: Some(index.index),
            ns_index: index.entry.ns_index,
            name: index.entry.name(),
            kind: RepairKind::MissingChunk,
        });
    }
}
