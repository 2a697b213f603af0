//! Erasing values: `Storage::eraseItem`, `Storage::eraseMultiPageBlob` and `Storage::eraseNamespace`.

use super::flash::Flash;
use super::medium::{Fail, Step};
use super::page::{Page, State};
use super::query::{Query, START_ANY, StoredItem, TYPE_ANY};
use super::set::NamespaceIndex;
use super::{Storage, plain_error};
use crate::entry::ItemType;
use crate::error::Error;
use crate::key::Key;
use crate::layout::{CHUNK_START_0, CHUNK_START_1, NAME_FIELD};

impl<F: Flash> Storage<F> {
    /// `nvs_erase_key`: erases the value whatever its type. Of several, it is the one that the firmware finds first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotAllowed`] read-only, [`Error::Flash`], [`Error::Firmware`].
    pub fn erase_key(&mut self, namespace: NamespaceIndex, key: &Key) -> Result<(), Error> {
        let query = Query::of(namespace.0, TYPE_ANY, *key.field());
        let erased = self.find(&query).and_then(|found| {
            let found = found.ok_or(Fail::NOT_FOUND)?;
            self.erase_value(namespace.0, &found)
        });
        erased.map_err(|fail| self.write_error(fail, key.raw(), 0))
    }

    /// `nvs_erase_all`: erases every item of the namespace. The namespace itself stays.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] read-only, [`Error::Flash`], [`Error::Firmware`].
    pub fn erase_all(&mut self, namespace: NamespaceIndex) -> Result<(), Error> {
        let query = Query {
            ns_index: namespace.0,
            ..Query::any()
        };
        for position in 0..self.in_use {
            let Some((page, medium)) = self.page_in_use(position) else {
                break;
            };
            // As in the firmware, each search begins at the start of the page.
            while let Some((index, _)) = page.find(medium, &query, 0).map_err(plain_error)? {
                page.erase_item(medium, index, false).map_err(plain_error)?;
            }
        }
        Ok(())
    }

    fn erase_value(&mut self, ns_index: u8, found: &StoredItem) -> Step<()> {
        if found.entry.item_type() == Some(ItemType::BlobIndex) {
            let key = *found.entry.name().field();
            return self.erase_blob(ns_index, &key, found.entry.chunk_start(), false);
        }
        self.erase_found(found, false)
    }

    /// Erases the item that was replaced. Its page may have been moved meanwhile: `sequence` is the number that it had.
    ///
    /// `ns_index` is the one that was written to. If that is 255, the old item may be of another namespace.
    pub(super) fn erase_old(
        &mut self,
        ns_index: u8,
        old: Option<StoredItem>,
        sequence: Option<u32>,
        purge: bool,
    ) -> Step<()> {
        let Some(mut old) = old else { return Ok(()) };
        let key: [u8; NAME_FIELD] = *old.entry.name().field();
        if old.entry.item_type() == Some(ItemType::BlobIndex) {
            return self.erase_blob(ns_index, &key, old.entry.chunk_start(), purge);
        }
        let stayed = |page: &Page| matches!(page.state, State::Active | State::Full) && Some(page.sequence) == sequence;
        if !stayed(self.page(old.page)) {
            old = self
                .find(&Query::of(ns_index, old.entry.type_byte, key))?
                .ok_or(Fail::NOT_FOUND)?;
        }
        self.erase_found(&old, purge)
    }

    /// `eraseMultiPageBlob`: the index, then the chunks.
    pub(super) fn erase_blob(
        &mut self,
        ns_index: u8,
        key: &[u8; NAME_FIELD],
        chunk_start: u8,
        purge: bool,
    ) -> Step<()> {
        let query = Query {
            chunk_start,
            ..Query::blob_index(ns_index, *key)
        };
        let index = self.find(&query)?.ok_or(Fail::NOT_FOUND)?;
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
                let found = self
                    .find(&Query::blob_data(ns_index, *key, chunk))?
                    .ok_or(Fail::NOT_FOUND)?;
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

    pub(super) fn erase_found(&mut self, found: &StoredItem, purge: bool) -> Step<()> {
        let (page, medium) = self.page_and_medium(found.page);
        page.erase_item(medium, found.index, purge)
    }
}
