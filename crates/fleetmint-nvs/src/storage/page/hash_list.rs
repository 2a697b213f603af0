//! The firmware's list of a page's items by hash: `nvs_item_hash_list.cpp`.

use crate::layout::{ENTRY_SIZE, NAME_FIELD};
use alloc::vec::Vec;

/// The bits of a checksum that the firmware's hash list has room for.
const HASH_24: u32 = 0x00FF_FFFF;

/// Computes the hash of items: 24 bits of a checksum over namespace, key field and chunk. Two names with the same hash
/// are one name to the firmware.
pub(in crate::storage) struct Hash24 {
    ns_index: u8,
    /// The checksum of the namespace alone. Most items of a page are of one namespace.
    begun: crc32fast::Hasher,
}

impl Hash24 {
    pub(in crate::storage) fn of_entry(bytes: &[u8; ENTRY_SIZE]) -> u32 {
        let [ns_index, ..] = *bytes;
        Self::of_namespace(ns_index).of(bytes)
    }

    pub(in crate::storage) fn of_namespace(ns_index: u8) -> Self {
        let mut begun = crc32fast::Hasher::new_with_initial(0xFFFF_FFFF);
        begun.update(&[ns_index]);
        Self { ns_index, begun }
    }

    pub(in crate::storage) fn of(&mut self, bytes: &[u8; ENTRY_SIZE]) -> u32 {
        let [ns_index, _, _, chunk, ..] = *bytes;
        if ns_index != self.ns_index {
            *self = Self::of_namespace(ns_index);
        }
        // The key is not copied, as in `entry_crc`.
        let (_, key) = bytes.split_at(8);
        let (key, _) = key.split_at(NAME_FIELD);
        let mut hasher = self.begun.clone();
        hasher.update(key);
        hasher.update(&[chunk]);
        hasher.finalize() & HASH_24
    }
}

/// Hash and first entry of each item, in the order of writing.
///
/// It holds what should have been written, which need not be what can be read.
#[derive(Clone, Debug, Default)]
pub(in crate::storage) struct HashList {
    nodes: Vec<(u32, usize)>,
}

impl HashList {
    pub(in crate::storage) fn insert(&mut self, hash: u32, index: usize) {
        self.nodes.push((hash, index));
    }

    /// Removes the item that begins at this entry.
    pub(super) fn erase(&mut self, index: usize) {
        if let Some(position) = self.nodes.iter().position(|(_, other)| *other == index) {
            self.nodes.remove(position);
        }
    }

    /// The first item of the list that has this hash and does not begin before `from`.
    pub(in crate::storage) fn find(&self, from: usize, hash: u32) -> Option<usize> {
        let mut nodes = self.nodes.iter();
        nodes
            .find(|(other, index)| *index >= from && *other == hash)
            .map(|(_, index)| *index)
    }
}
