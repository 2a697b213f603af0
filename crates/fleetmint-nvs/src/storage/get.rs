//! Reading values as the firmware's getters do, which erase a value whose data they find damaged.

use super::find::Found;
use super::flash::{Fail, Flash, Step};
use super::page::{Query, START_ANY};
use super::{RepairKind, Storage};
use crate::entry::{ItemType, Number};
use crate::error::EspError;
use crate::layout::{CHUNK_START_0, CHUNK_START_1, NAME_FIELD, crc32, entry_offset};
use alloc::vec::Vec;

impl<F: Flash> Storage<F> {
    /// `nvs_get_u8` and its like.
    pub(super) fn get_number(&mut self, ns_index: u8, item_type: ItemType, key: &[u8; NAME_FIELD]) -> Step<Number> {
        let found = self
            .find(&Query::of(ns_index, item_type.byte(), *key))?
            .ok_or(NOT_FOUND)?;
        Number::from_data(item_type, found.entry.data).ok_or(found.fail(EspError::TypeMismatch))
    }

    /// `nvs_get_str`: appends the string as stored, with its NUL.
    pub(super) fn get_str(&mut self, ns_index: u8, key: &[u8; NAME_FIELD], to: &mut Vec<u8>) -> Step<()> {
        let found = self
            .find(&Query::of(ns_index, ItemType::Str.byte(), *key))?
            .ok_or(NOT_FOUND)?;
        self.read_checked(&found, to)
    }

    /// `nvs_get_blob`: appends the blob, of either format.
    pub(super) fn get_blob(&mut self, ns_index: u8, key: &[u8; NAME_FIELD], to: &mut Vec<u8>) -> Step<()> {
        let begin = to.len();
        let index = self.find(&Query::of(ns_index, ItemType::BlobIndex.byte(), *key))?;
        if let Some(index) = &index {
            match self.read_chunks(ns_index, key, index, to) {
                Err(fail) if fail.code == EspError::NotFound => {}
                done => return done,
            }
        }
        to.truncate(begin);
        let found = self
            .find(&Query::of(ns_index, ItemType::Blob.byte(), *key))?
            .ok_or(NOT_FOUND)?;
        // The caller's buffer is of the size that the index gave.
        if index.is_some_and(|index| (index.entry.blob_size() as usize) < found.entry.data_size()) {
            return Err(found.fail(EspError::InvalidLength));
        }
        self.read_checked(&found, to)
    }

    fn read_chunks(&mut self, ns_index: u8, key: &[u8; NAME_FIELD], index: &Found, to: &mut Vec<u8>) -> Step<()> {
        let begin = to.len();
        let size = index.entry.blob_size() as usize;
        let mut cut = None;
        for number in 0..index.entry.chunk_count() {
            let chunk = index.entry.chunk_start().wrapping_add(number);
            let found = self.find(&Query::blob_data(ns_index, *key, chunk))?;
            // A chunk is missing, or longer than what is left of the blob.
            let found = match found {
                None => {
                    cut = Some(NOT_FOUND);
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
            self.note(index, RepairKind::MissingChunk);
            // As the firmware, which has an error to return in any case.
            let _ = self.erase_blob(ns_index, key, START_ANY, true);
        }
        if to.len() - begin == size {
            cut.map_or(Ok(()), Err)
        } else {
            Err(index.fail(EspError::Fail))
        }
    }

    /// Appends an item's data. Damaged, it is erased.
    pub(super) fn read_checked(&mut self, found: &Found, to: &mut Vec<u8>) -> Step<()> {
        if self.read_sound(found, to)? {
            return Ok(());
        }
        let (page, medium) = self.page_and_medium(found.page);
        page.repair_item(medium, found.index, RepairKind::DamagedValue)?;
        Err(found.fail(EspError::NotFound))
    }

    /// Appends an item's data, unless it is damaged.
    fn read_sound(&mut self, found: &Found, to: &mut Vec<u8>) -> Step<bool> {
        let begin = to.len();
        self.medium
            .read_data(found.page, found.index + 1, found.entry.data_size(), to)?;
        let sound = crc32(to.get(begin..).unwrap_or_default()) == found.entry.data_crc();
        if !sound {
            to.truncate(begin);
        }
        Ok(sound)
    }

    /// Appends the string or blob that an item of no namespace is, or begins. No getter finds it, so nothing is erased.
    pub(super) fn read_orphan(&mut self, found: &Found, to: &mut Vec<u8>) -> Step<()> {
        if found.entry.item_type() != Some(ItemType::BlobData) {
            let sound = self.read_sound(found, to)?;
            return sound.then_some(()).ok_or(found.fail(EspError::NotFound));
        }
        let (ns_index, key) = (found.entry.ns_index, *found.entry.name().field());
        let index = self.find(&Query::of(ns_index, ItemType::BlobIndex.byte(), key))?;
        let index = index.ok_or(NOT_FOUND)?;
        for number in 0..index.entry.chunk_count() {
            let chunk = index.entry.chunk_start().wrapping_add(number);
            let chunk = self.find(&Query::blob_data(ns_index, key, chunk))?.ok_or(NOT_FOUND)?;
            if !self.read_sound(&chunk, to)? {
                return Err(chunk.fail(EspError::NotFound));
            }
        }
        let whole = to.len() == index.entry.blob_size() as usize;
        whole.then_some(()).ok_or(index.fail(EspError::Fail))
    }

    /// Erases a blob of the new format: its index, then its chunks.
    pub(super) fn erase_blob(
        &mut self,
        ns_index: u8,
        key: &[u8; NAME_FIELD],
        chunk_start: u8,
        purge: bool,
    ) -> Step<()> {
        let query = Query {
            chunk_start,
            ..Query::of(ns_index, ItemType::BlobIndex.byte(), *key)
        };
        let index = self.find(&query)?.ok_or(NOT_FOUND)?;
        self.erase_found(&index, purge)?;
        if chunk_start == START_ANY {
            if let Some(second) = self.find(&query)? {
                self.erase_found(&second, purge)?;
            }
            return self.erase_all_chunks(ns_index, key, purge);
        }
        if chunk_start == CHUNK_START_0 || chunk_start == CHUNK_START_1 {
            let count = index.entry.chunk_count();
            for chunk in chunk_start..chunk_start.wrapping_add(count) {
                let found = self.find(&Query::blob_data(ns_index, *key, chunk))?.ok_or(NOT_FOUND)?;
                self.erase_found(&found, purge)?;
            }
        }
        Ok(())
    }

    fn erase_all_chunks(&mut self, ns_index: u8, key: &[u8; NAME_FIELD], purge: bool) -> Step<()> {
        let query = Query::of(ns_index, ItemType::BlobData.byte(), *key);
        for number in self.pages_with_chunks(ns_index, key)? {
            let mut from = 0;
            let (page, medium) = self.page_and_medium(number);
            while let Some((index, entry)) = page.find(medium, &query, from)? {
                page.erase_item(medium, index, purge)?;
                from = index + usize::from(entry.span);
            }
        }
        Ok(())
    }

    pub(super) fn erase_found(&mut self, found: &Found, purge: bool) -> Step<()> {
        let (page, medium) = self.page_and_medium(found.page);
        page.erase_item(medium, found.index, purge)
    }

    fn note(&mut self, found: &Found, kind: RepairKind) {
        let (ns_index, name) = (found.entry.ns_index, found.entry.name());
        self.medium.repairs.push(super::Repair {
            page: found.page,
            entry: Some(found.index),
            ns_index,
            name,
            kind,
        });
    }
}

pub(super) const NOT_FOUND: Fail = Fail {
    code: EspError::NotFound,
    offset: 0,
};

impl Found {
    pub(super) fn fail(&self, code: EspError) -> Fail {
        Fail {
            code,
            offset: entry_offset(self.page, self.index),
        }
    }
}
