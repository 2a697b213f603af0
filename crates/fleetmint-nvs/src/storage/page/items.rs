//! Where the items of a page begin.

use crate::entry::{Entry, ItemType};
use crate::layout::NAMESPACE_INDEX;
use crate::storage::entry_set::EntrySet;

/// The entries of a page that begin an item, and what is known of those items without reading them.
///
/// Each named set is a part of [`Items::heads`]: an item is added to all that it belongs to, and removed from all.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::storage) struct Items {
    heads: EntrySet,
    hashed: EntrySet,
    namespaces: EntrySet,
    blob_parts: EntrySet,
}

impl Items {
    /// Items that are all in the hash list.
    pub(in crate::storage) fn new(heads: EntrySet, namespaces: EntrySet, blob_parts: EntrySet) -> Self {
        Self {
            heads,
            hashed: heads,
            namespaces: namespaces & heads,
            blob_parts: blob_parts & heads,
        }
    }

    /// The first entry of each item.
    #[inline]
    pub(in crate::storage) fn heads(&self) -> EntrySet {
        self.heads
    }

    /// The items in the firmware's hash list: all but those that it could not erase.
    #[inline]
    pub(in crate::storage) fn hashed(&self) -> EntrySet {
        self.hashed
    }

    /// The items of namespace 0: the namespaces.
    #[inline]
    pub(in crate::storage) fn namespaces(&self) -> EntrySet {
        self.namespaces
    }

    /// Blob indexes and blob data.
    #[inline]
    pub(in crate::storage) fn blob_parts(&self) -> EntrySet {
        self.blob_parts
    }

    /// Adds the item that begins here.
    #[inline]
    pub(super) fn add(&mut self, index: usize, entry: &Entry) {
        self.heads.insert(index);
        self.hashed.insert(index);
        if entry.ns_index == NAMESPACE_INDEX {
            self.namespaces.insert(index);
        }
        if matches!(entry.item_type(), Some(ItemType::BlobData | ItemType::BlobIndex)) {
            self.blob_parts.insert(index);
        }
    }

    /// The item leaves the hash list.
    #[inline]
    pub(super) fn remove_hash(&mut self, index: usize) {
        self.hashed.remove(index);
    }

    /// The item is not there any more.
    pub(super) fn remove(&mut self, index: usize) {
        self.heads.remove(index);
        self.hashed.remove(index);
        self.namespaces.remove(index);
        self.blob_parts.remove(index);
    }
}
