//! A query, and whether an item matches it: the conditions of `Page::findItem`.

use super::medium::Fail;
use crate::entry::{self, Entry, ItemType};
use crate::error::EspError;
use crate::layout::{CHUNK_ANY, ENTRY_SIZE, NAME_FIELD, NAMESPACE_ANY, entry_offset};

/// The type byte that stands for "any" in a query.
pub(super) const TYPE_ANY: u8 = 0xFF;
/// The chunk start that stands for "any" in a query.
pub(super) const START_ANY: u8 = 0xFF;

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    pub(super) ns_index: u8,
    pub(super) type_byte: u8,
    /// The key, padded with NUL. `None`: any.
    pub(super) key: Option<[u8; NAME_FIELD]>,
    pub(super) chunk: u8,
    pub(super) chunk_start: u8,
}

/// Whether an item matches a query.
pub(super) enum Verdict {
    Skip,
    Match,
    /// It has the name but another type: the firmware looks no further on this page.
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

    /// Any item of this type.
    pub(super) const fn of_type(item_type: ItemType) -> Self {
        Self {
            type_byte: item_type.byte(),
            ..Self::any()
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

    pub(super) const fn blob_index(ns_index: u8, key: [u8; NAME_FIELD]) -> Self {
        Self::of(ns_index, ItemType::BlobIndex.byte(), key)
    }

    pub(super) const fn blob_data(ns_index: u8, key: [u8; NAME_FIELD], chunk: u8) -> Self {
        Self {
            chunk,
            ..Self::of(ns_index, ItemType::BlobData.byte(), key)
        }
    }

    /// The key, if the firmware uses its hash list for this query: then only an item with exactly this key (padding
    /// included), namespace and chunk can begin the search.
    pub(super) fn hashed_key(&self) -> Option<[u8; NAME_FIELD]> {
        let any_chunk = self.type_byte == ItemType::BlobData.byte() && self.chunk == CHUNK_ANY;
        if self.ns_index == NAMESPACE_ANY || any_chunk {
            None
        } else {
            self.key
        }
    }

    /// Whether an entry has exactly this key, in the query's namespace and chunk: what the hash list compares.
    #[inline]
    pub(super) fn has_hashed_name(&self, key: &[u8; NAME_FIELD], entry: &[u8; ENTRY_SIZE]) -> bool {
        let [ns_index, chunk] = [entry::NS_INDEX.get(entry), entry::CHUNK.get(entry)];
        entry::KEY.of(entry) == key && ns_index == [self.ns_index] && chunk == [self.chunk]
    }

    /// The firmware's reaction to an item that its search reads.
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

/// An item that was found: the number of its page, the number of its first entry there, and that entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredItem {
    pub(super) page: usize,
    pub(super) index: usize,
    pub(super) entry: Entry,
}

impl StoredItem {
    pub(super) const fn new(page: usize, index: usize, entry: Entry) -> Self {
        Self { page, index, entry }
    }

    /// A step that failed because of this item.
    pub(super) fn fail(&self, code: EspError) -> Fail {
        Fail {
            code,
            offset: entry_offset(self.page, self.index),
        }
    }
}
