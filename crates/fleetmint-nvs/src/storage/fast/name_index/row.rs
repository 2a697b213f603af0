//! Names, as the index sorts and compares them.

use crate::layout::{CHUNK_ANY, NAME_FIELD, NAMESPACE_ANY};
use crate::storage::query::{Query, START_ANY};

/// A key in a namespace, with the chunk and the chunk start that are looked for. Three words, as comparing those is quick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IndexedName {
    key: u64,
    end_of_key: u64,
    /// From the highest byte: namespace index, chunk, and the chunk start of a blob index that is looked for by it. The
    /// other bytes are 0.
    rest: u64,
}

impl IndexedName {
    pub(super) fn new(ns_index: u8, key: &[u8; NAME_FIELD], chunk: u8, chunk_start: u8) -> Self {
        let key = u128::from_be_bytes(*key);
        Self {
            key: (key >> 64) as u64,
            end_of_key: key as u64,
            rest: Self::rest(ns_index, chunk, chunk_start),
        }
    }

    const fn rest(ns_index: u8, chunk: u8, chunk_start: u8) -> u64 {
        u64::from_be_bytes([ns_index, chunk, chunk_start, 0, 0, 0, 0, 0])
    }

    /// The key in any namespace and with any chunk: the meaning of namespace index 255.
    pub(super) fn anywhere(key: &[u8; NAME_FIELD]) -> Self {
        Self::new(NAMESPACE_ANY, key, CHUNK_ANY, START_ANY)
    }

    fn is_anywhere(self) -> bool {
        self.rest.to_be_bytes().first() == Some(&NAMESPACE_ANY)
    }

    /// The name whose rows lead to all pages that can answer a search for this.
    pub(super) fn of_rows(self) -> Self {
        if self.is_anywhere() {
            let rest = Self::rest(NAMESPACE_ANY, CHUNK_ANY, START_ANY);
            Self { rest, ..self }
        } else {
            self
        }
    }
}

/// Identifies a query by what it searches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::storage) struct SearchedName {
    pub(super) name: IndexedName,
    pub(super) type_byte: u8,
}

impl SearchedName {
    /// `None`: the query is not for a name, and every page is asked.
    pub(in crate::storage) fn of(query: &Query) -> Option<Self> {
        let key = match query.ns_index {
            NAMESPACE_ANY => query.key,
            _ => query.hashed_key(),
        }?;
        Some(Self {
            name: IndexedName::new(query.ns_index, &key, query.chunk, query.chunk_start),
            type_byte: query.type_byte,
        })
    }

    /// Whether it is looked for in all namespaces.
    pub(in crate::storage) fn is_anywhere(&self) -> bool {
        self.name.is_anywhere()
    }

    /// Whether a blob index is looked for by its chunk start.
    pub(super) fn is_by_start(&self) -> bool {
        let [_, _, chunk_start, ..] = self.name.rest.to_be_bytes();
        chunk_start != START_ANY
    }
}

/// A name, and in the low bytes of its last word the number of an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row(IndexedName);

impl Row {
    #[inline]
    pub(super) const fn new(name: IndexedName, address: u32) -> Self {
        Self(IndexedName {
            rest: name.rest | address as u64,
            ..name
        })
    }

    #[inline]
    pub(super) const fn address(self) -> usize {
        self.0.rest as u32 as usize
    }

    #[inline]
    pub(super) const fn name(self) -> IndexedName {
        IndexedName {
            rest: self.0.rest & !(u32::MAX as u64),
            ..self.0
        }
    }
}
