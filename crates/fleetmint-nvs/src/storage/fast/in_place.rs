//! Listing values where they are stored, without a search for each.

use super::name_filter::{NameFilter, name_hash};
use crate::entry::{Entry, Number};
use crate::error::EspError;
use crate::key::RawName;
use crate::layout::{CHUNK_ANY, ENTRY_COUNT, NAMESPACE_ANY, NAMESPACE_INDEX, crc32};
use crate::storage::Storage;
use crate::storage::flash::Flash;
use crate::storage::list::{Listed, ListedItem, Round, Value, value_or_error};
use crate::storage::medium::Step;
use crate::storage::query::StoredItem;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// More namespaces than this are listed by getters: their names are compared each with each.
const FEW_NAMESPACES: usize = 16;

/// A listing of items that only their own getter can find: each name exists once, and there are no blobs of several parts.
/// So each value is read where its item is, and what is in memory is not copied.
///
/// Plain path: `Storage::visit_by_getters`.
pub(in crate::storage) struct InPlaceListing {
    /// The namespace index that was looked up last, and its name.
    namespace: (u8, Option<RawName>),
    has_left_out: bool,
    /// A page that became invalid while it was read: read-only, where an item of one entry cannot be erased.
    lost_page: Option<usize>,
    /// The value that was read last, where it had to be copied.
    bytes: Zeroizing<Vec<u8>>,
}

impl InPlaceListing {
    /// `None` if a getter may find another item than the listed one.
    pub(in crate::storage) fn of<F: Flash>(storage: &mut Storage<F>) -> Step<Option<Self>> {
        let is_possible = storage.medium.may_use_shortcuts()
            && has_only_whole_items(storage)
            && namespaces_differ(&storage.namespaces)
            && names_differ(storage)?;
        Ok(is_possible.then(|| Self {
            namespace: (NAMESPACE_INDEX, None),
            has_left_out: false,
            lost_page: None,
            bytes: Zeroizing::default(),
        }))
    }

    pub(in crate::storage) fn visit<F: Flash>(
        mut self,
        storage: &mut Storage<F>,
        mut with: impl FnMut(Listed<&[u8]>),
    ) -> Step<()> {
        self.visit_round(storage, Round::Iterated, &mut with)?;
        if self.has_left_out {
            self.visit_round(storage, Round::LeftOut, &mut with)?;
        }
        Ok(())
    }

    fn visit_round<F: Flash>(
        &mut self,
        storage: &mut Storage<F>,
        round: Round,
        with: &mut impl FnMut(Listed<&[u8]>),
    ) -> Step<()> {
        for position in 0..storage.in_use {
            let Some(page) = storage.used_page(position) else { break };
            storage.medium.spend(ENTRY_COUNT)?;
            for index in storage.page(page).heads() {
                let entry = Entry::from_bytes(storage.medium.entry(page, index)?);
                let Some(item_type) = entry.item_type().filter(|_| entry.ns_index != NAMESPACE_INDEX) else {
                    continue;
                };
                if Round::of(item_type) != round {
                    self.has_left_out |= round == Round::Iterated;
                    continue;
                }
                let listed = ListedItem {
                    item: StoredItem { page, index, entry },
                    item_type,
                    key: RawName::of_clean(entry.key),
                    namespace: self.namespace(entry.ns_index, &storage.namespaces),
                    repeat: false,
                    iterated: round == Round::Iterated,
                };
                self.visit_item(storage, &listed, with)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn visit_item<F: Flash>(
        &mut self,
        storage: &mut Storage<F>,
        listed: &ListedItem,
        with: &mut impl FnMut(Listed<&[u8]>),
    ) -> Step<()> {
        let entry = &listed.item.entry;
        if self.lost_page == Some(listed.item.page) && listed.namespace.is_some() {
            with(listed.with(Err(EspError::NotFound), &[]));
        } else if let Some(number) = Number::from_data(listed.item_type, entry.data) {
            with(listed.with(Ok(Value::Number(number)), &[]));
        } else if let Some(data) = storage
            .medium
            .data(listed.item.page, listed.item.index + 1, entry.data_size())
            .filter(|data| crc32(data) == entry.data_crc())
        {
            with(listed.with(Ok(Value::of_bytes(listed.item_type, data)), data));
        } else {
            // By value: where its address is taken, an item is put together in memory, which costs each of them.
            let read = self.read(storage, listed.item, listed.namespace.is_some())?;
            let value = read.map(|()| Value::of_bytes(listed.item_type, &self.bytes));
            with(listed.with(value, &self.bytes));
        }
        Ok(())
    }

    /// Reads a value that is not in memory, or damaged.
    fn read<F: Flash>(
        &mut self,
        storage: &mut Storage<F>,
        item: StoredItem,
        has_namespace: bool,
    ) -> Step<Result<(), EspError>> {
        self.bytes.clear();
        let read = if has_namespace {
            storage.read_checked(&item, &mut self.bytes)
        } else {
            storage.read_orphan(&item, &mut self.bytes)
        };
        let read = value_or_error(read)?;
        if !storage.page(item.page).is_used() {
            self.lost_page = Some(item.page);
        }
        Ok(read)
    }

    #[inline]
    fn namespace(&mut self, ns_index: u8, namespaces: &[(RawName, u8)]) -> Option<RawName> {
        if self.namespace.0 != ns_index {
            let known = namespaces.iter().find(|(_, index)| *index == ns_index);
            self.namespace = (ns_index, known.map(|(name, _)| *name));
        }
        self.namespace.1
    }
}

/// Whether no page is scanned, and no item is a part of a blob or one that could not be erased.
fn has_only_whole_items<F: Flash>(storage: &Storage<F>) -> bool {
    storage.medium.journal.scanned_pages == 0
        && storage.used_pages().all(|number| {
            let items = storage.page(number).items();
            items.blob_parts().is_empty() && items.hashed() == items.heads()
        })
}

/// Whether each namespace has a name and an index of its own. A getter in namespace 255 searches all of them.
fn namespaces_differ(namespaces: &[(RawName, u8)]) -> bool {
    let mut rest = namespaces;
    while let [(name, index), others @ ..] = rest {
        let is_same = |(other, other_index): &(RawName, u8)| other == name || other_index == index;
        if *index == NAMESPACE_ANY || others.iter().any(is_same) {
            return false;
        }
        rest = others;
    }
    namespaces.len() <= FEW_NAMESPACES
}

/// Whether each item has a name of its own, padded as the firmware writes it.
fn names_differ<F: Flash>(storage: &mut Storage<F>) -> Step<bool> {
    // The start has found that for a single page that it wrote to.
    let is_known = storage.in_use == 1
        && storage
            .last_page()
            .is_some_and(|only| storage.page(only).hashes_differ());
    let mut seen = (!is_known).then(|| NameFilter::new(storage.count_items()));
    for position in 0..storage.in_use {
        let Some((page, medium)) = storage.page_in_use(position) else {
            break;
        };
        let heads = page.heads();
        medium.spend(heads.len())?;
        for index in heads {
            let entry = page.read(medium, index)?;
            if entry.key != *entry.name().field() || entry.chunk != CHUNK_ANY {
                return Ok(false);
            }
            let is_new = |seen: &mut NameFilter| seen.insert(name_hash(entry.ns_index, &entry.key));
            if !seen.as_mut().is_none_or(is_new) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
