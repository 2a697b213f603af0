//! Setting values: `Storage::writeItem` and `Storage::createOrOpenNamespace`. The new item is written first, then the old one
//! is erased.

use super::flash::Flash;
use super::medium::{Fail, Step};
use super::page::State;
use super::query::{Query, StoredItem, TYPE_ANY};
use super::{Storage, plain_error};
use crate::entry::{Entry, ItemType, Number};
use crate::error::{Error, EspError};
use crate::fast::first_nul;
use crate::key::{Key, Namespace, RawName};
use crate::layout::{
    BLOB_CHUNKS_MAX, CHUNK_MAX, NAMESPACE_FIRST, NAMESPACE_LAST, STRING_MAX, blob_entries, crc32, data_entries,
};
use crate::page::PageState;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// An open namespace, like the firmware's handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NamespaceIndex(pub(super) u8);

impl NamespaceIndex {
    /// The index that the namespace's items have in the flash.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// An item that is to be written: its first entry and its data.
pub(super) struct NewItem<'a> {
    pub(super) head: Entry,
    pub(super) data: &'a [u8],
}

impl<F: Flash> Storage<F> {
    /// `nvs_open` for reading and writing: opens the namespace of this name, and creates it if it does not exist.
    ///
    /// A new one gets the lowest index that no namespace has, and with it the items that an earlier namespace of that index
    /// may have left.
    ///
    /// # Errors
    /// [`Error::TooManyNamespaces`], [`Error::NotEnoughSpace`], [`Error::NotAllowed`] read-only, [`Error::Flash`].
    pub fn open_namespace(&mut self, name: &Namespace) -> Result<NamespaceIndex, Error> {
        let raw = name.raw();
        if let Some((_, index)) = self.namespaces.iter().find(|(known, _)| *known == raw) {
            return Ok(NamespaceIndex(*index));
        }
        let mut taken = [false; 256];
        for (_, index) in &self.namespaces {
            if let Some(taken) = taken.get_mut(usize::from(*index)) {
                *taken = true;
            }
        }
        let free = (NAMESPACE_FIRST..=NAMESPACE_LAST).find(|index| taken.get(usize::from(*index)) == Some(&false));
        let index = free.ok_or(Error::TooManyNamespaces { namespace: raw })?;
        let head = Entry::namespace(name, index);
        // Unlike a value, a namespace is written with zeros over what it replaces.
        self.write(&NewItem { head, data: &[] }, true)
            .map_err(|fail| self.write_error(fail, raw, 1))?;
        self.namespaces.push((raw, index));
        Ok(NamespaceIndex(index))
    }

    /// `nvs_set_u8` and the setters of the other numbers. If the same bytes of the same type are stored, nothing is written.
    ///
    /// # Errors
    /// [`Error::NotANumber`] for NaN, [`Error::NotEnoughSpace`], [`Error::NotAllowed`] read-only, [`Error::Flash`],
    /// [`Error::Firmware`].
    pub fn set_number(&mut self, namespace: NamespaceIndex, key: &Key, number: Number) -> Result<(), Error> {
        if matches!(number, Number::Float(n) if n.is_nan()) || matches!(number, Number::Double(n) if n.is_nan()) {
            return Err(Error::NotANumber { key: key.raw() });
        }
        let head = Entry::number(namespace.0, key, number);
        self.write(&NewItem { head, data: &[] }, false)
            .map_err(|fail| self.write_error(fail, key.raw(), 1))
    }

    /// `nvs_set_str`: up to 3999 bytes, none of them NUL.
    ///
    /// # Errors
    /// [`Error::ValueHasNul`], [`Error::ValueTooLong`], [`Error::NotEnoughSpace`], [`Error::NotAllowed`] read-only,
    /// [`Error::Flash`], [`Error::Firmware`].
    pub fn set_str(&mut self, namespace: NamespaceIndex, key: &Key, text: impl AsRef<[u8]>) -> Result<(), Error> {
        let text = text.as_ref();
        if let Some(offset) = first_nul(text) {
            return Err(Error::ValueHasNul { key: key.raw(), offset });
        }
        let size = text.len() + 1;
        if size > STRING_MAX {
            return Err(Error::ValueTooLong {
                key: key.raw(),
                size,
                limit: STRING_MAX,
            });
        }
        let mut data = Zeroizing::new(Vec::with_capacity(size));
        data.extend_from_slice(text);
        data.push(0);
        let head = Entry::string(namespace.0, key, &data);
        let needed = 1 + data_entries(size);
        self.write(&NewItem { head, data: &data }, false)
            .map_err(|fail| self.write_error(fail, key.raw(), needed))
    }

    /// `nvs_set_blob`: up to 4000 bytes for each page but one, at most 508,000.
    ///
    /// # Errors
    /// [`Error::ValueTooLong`], [`Error::NotEnoughSpace`], [`Error::NotAllowed`] read-only, [`Error::Flash`],
    /// [`Error::Firmware`].
    pub fn set_blob(&mut self, namespace: NamespaceIndex, key: &Key, blob: &[u8]) -> Result<(), Error> {
        let limit = self.pages.len().saturating_sub(1).min(BLOB_CHUNKS_MAX) * CHUNK_MAX;
        if blob.len() > limit {
            return Err(Error::ValueTooLong {
                key: key.raw(),
                size: blob.len(),
                limit,
            });
        }
        // Chunks that were written before the failure may stay.
        let free = self.stats().available_entries;
        self.write_blob(namespace.0, key, blob).map_err(|fail| {
            match self.write_error(fail, key.raw(), blob_entries(blob.len())) {
                Error::NotEnoughSpace { key, needed, .. } => Error::NotEnoughSpace { key, needed, free },
                error => error,
            }
        })
    }

    /// `nvs_commit`: does nothing, as everything is in the flash already.
    ///
    /// # Errors
    /// None today. The firmware's call can fail, so this one may too in the future.
    pub fn commit(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// `writeItem` of an item that is not a blob: writes the item unless it is stored already, then erases the one that
    /// it replaces. With `purge`, zeros are written over that one.
    fn write(&mut self, item: &NewItem<'_>, purge: bool) -> Step<()> {
        let Entry {
            ns_index, type_byte, ..
        } = item.head;
        let key = *item.head.name().field();
        let same_type = self.find(&Query::of(ns_index, type_byte, key))?;
        if let Some(found) = &same_type
            && self.holds(found, item)?
        {
            return Ok(());
        }
        let old = match same_type {
            None => self.find(&Query::of(ns_index, TYPE_ANY, key))?,
            found => found,
        };
        let sequence = old.as_ref().map(|old| self.page(old.page).sequence);
        self.write_or_request_page(item)?;
        self.erase_old(ns_index, old, sequence, purge)
    }

    /// `Page::cmpItem`: whether an item of the same type holds exactly this.
    fn holds(&mut self, found: &StoredItem, item: &NewItem<'_>) -> Step<bool> {
        let old = &found.entry;
        if !item.head.item_type().is_some_and(ItemType::has_data) {
            let size = item.head.item_type().and_then(ItemType::number_size).unwrap_or(0);
            return Ok(old
                .data
                .iter()
                .zip(&item.head.data)
                .take(size)
                .all(|(old, new)| old == new));
        }
        // The firmware compares only as many bytes as are stored. The stored string's NUL distinguishes it from a
        // longer one.
        let Some(start) = item.data.get(..old.data_size()) else {
            return Ok(false);
        };
        // Most values differ, and the new checksum is known already.
        if start.len() == item.data.len() && old.data_crc() != item.head.data_crc() {
            return Ok(false);
        }
        self.data_is(found, start)
    }

    /// Whether an item's data is undamaged and exactly this.
    pub(super) fn data_is(&mut self, found: &StoredItem, data: &[u8]) -> Step<bool> {
        if crc32(data) != found.entry.data_crc() {
            return Ok(false);
        }
        let mut stored = Zeroizing::new(Vec::new());
        self.medium
            .read_data(found.page, found.index + 1, found.entry.data_size(), &mut stored)?;
        Ok(**stored == *data)
    }

    fn write_or_request_page(&mut self, item: &NewItem<'_>) -> Step<()> {
        if self.write_to_current_page(item)? {
            return Ok(());
        }
        self.close_current_page()?;
        self.request_new_page()?;
        if self.write_to_current_page(item)? {
            return Ok(());
        }
        let page = self.current_page()?;
        Err(self.page(page).fail(EspError::NotEnoughSpace))
    }

    /// Writes to the last page in use. `false`: it is full.
    pub(super) fn write_to_current_page(&mut self, item: &NewItem<'_>) -> Step<bool> {
        let number = self.current_page()?;
        let (page, medium) = self.page_and_medium(number);
        let Some(index) = page.write_item(medium, &item.head, item.data)? else {
            return Ok(false);
        };
        self.add_to_index(number, index, &item.head);
        Ok(true)
    }

    pub(super) fn close_current_page(&mut self) -> Step<()> {
        let number = self.current_page()?;
        let (page, medium) = self.page_and_medium(number);
        if page.state == State::Full {
            Ok(())
        } else {
            page.mark(medium, PageState::Full)
        }
    }

    pub(super) fn write_error(&self, fail: Fail, name: RawName, needed: usize) -> Error {
        match fail.code {
            EspError::NotEnoughSpace => Error::NotEnoughSpace {
                key: name,
                needed,
                free: self.stats().available_entries,
            },
            EspError::NotFound => Error::NotFound { name },
            _ => plain_error(fail),
        }
    }
}
