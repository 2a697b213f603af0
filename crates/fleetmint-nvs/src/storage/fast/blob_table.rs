//! Blob indexes, sorted by name: which one a chunk belongs to.

use crate::entry::Entry;
use crate::key::RawName;
use crate::layout::{CHUNK_ANY, CHUNK_START_0, CHUNK_START_1};
use crate::sorted::sort_by;
use crate::storage::query::Query;
use alloc::vec::Vec;

/// All blob indexes of a partition, while their chunks are counted.
///
/// Plain path: the firmware's `TBlobIndexList`, in the order of the flash, which is searched from the start for each chunk.
pub(in crate::storage) struct BlobTable {
    /// By name, then by chunk start, then in the order of the flash.
    indexes: Vec<BlobIndex>,
    /// Of those with the same name and start the first: only that one gets chunks.
    firsts: Vec<usize>,
}

/// The indexes whose chunks add up: a chunk that belongs to none of them is an orphan.
///
/// Plain path: as for [`BlobTable`].
pub(in crate::storage) struct BlobOwners {
    /// By name, one for each start: the one with the most chunks owns all that the others do.
    owners: Vec<BlobIndex>,
}

/// Indexes of the same name and start whose chunks do not add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) struct Mismatched {
    ns_index: u8,
    name: RawName,
    chunk_start: u8,
    pub(in crate::storage) count: usize,
}

impl Mismatched {
    /// Finds the first of them in the flash.
    pub(in crate::storage) fn query(&self) -> Query {
        Query {
            chunk_start: self.chunk_start,
            ..Query::blob_index(self.ns_index, *self.name.field())
        }
    }
}

impl BlobTable {
    /// The table of these index entries, in the order of the flash.
    pub(in crate::storage) fn new(indexes: &[Entry]) -> Self {
        let mut indexes: Vec<BlobIndex> = (0..).zip(indexes).map(BlobIndex::new).collect();
        sort_by(&mut indexes, |a, b| a.sort_key().cmp(&b.sort_key()));
        let mut firsts: Vec<usize> = Vec::new();
        for (number, index) in indexes.iter().enumerate() {
            let before = firsts.last().and_then(|before| indexes.get(*before));
            if !before.is_some_and(|before| before.is_same(index)) {
                firsts.push(number);
            }
        }
        Self { indexes, firsts }
    }

    /// Adds a chunk to the first index in the flash that it may belong to.
    pub(in crate::storage) fn count(&mut self, chunk: &Entry) {
        let Self { indexes, firsts } = self;
        let begin = firsts.partition_point(|number| indexes.get(*number).is_some_and(|index| index.is_before(chunk)));
        let same_name = firsts.get(begin..).unwrap_or_default().iter().copied();
        let same_name =
            same_name.take_while(|number| indexes.get(*number).is_some_and(|index| index.has_name_of(chunk)));
        let fitting = same_name.filter(|number| indexes.get(*number).is_some_and(|index| index.has_half_of(chunk)));
        let first = fitting.min_by_key(|number| indexes.get(*number).map(|index| index.order));
        if let Some(index) = first.and_then(|number| indexes.get_mut(number)) {
            index.seen_size = index.seen_size.wrapping_add(chunk.data_size() as u32);
            index.seen_chunks += 1;
        }
    }

    /// Once all chunks are counted: the indexes that add up, and the others, sorted by name and start.
    pub(in crate::storage) fn judge(self) -> (BlobOwners, Vec<Mismatched>) {
        let (complete, mismatched): (Vec<_>, Vec<_>) = self.indexes.into_iter().partition(BlobIndex::adds_up);
        let most_chunks = |same: &[BlobIndex]| same.iter().max_by_key(|index| index.chunks).copied();
        let owners = complete.chunk_by(BlobIndex::is_same).filter_map(most_chunks).collect();
        let mismatched = mismatched.chunk_by(BlobIndex::is_same).filter_map(|same| {
            same.first().map(|index| Mismatched {
                ns_index: index.ns_index,
                name: index.name,
                chunk_start: index.chunk_start,
                count: same.len(),
            })
        });
        (BlobOwners { owners }, mismatched.collect())
    }
}

impl BlobOwners {
    /// Whether the chunk belongs to an index.
    pub(in crate::storage) fn owns(&self, chunk: &Entry) -> bool {
        let begin = self.owners.partition_point(|index| index.is_before(chunk));
        let same_name = self.owners.get(begin..).unwrap_or_default().iter();
        same_name
            .take_while(|index| index.has_name_of(chunk))
            .any(|index| index.owns(chunk))
    }
}

#[derive(Clone, Copy)]
struct BlobIndex {
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

impl BlobIndex {
    fn new((order, entry): (usize, &Entry)) -> Self {
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

    fn sort_key(&self) -> (u8, RawName, u8, usize) {
        (self.ns_index, self.name, self.chunk_start, self.order)
    }

    /// Whether both have the same name and start.
    fn is_same(&self, other: &Self) -> bool {
        (self.ns_index, self.name, self.chunk_start) == (other.ns_index, other.name, other.chunk_start)
    }

    fn is_before(&self, chunk: &Entry) -> bool {
        (self.ns_index, self.name) < (chunk.ns_index, chunk.name())
    }

    fn has_name_of(&self, chunk: &Entry) -> bool {
        (self.ns_index, self.name) == (chunk.ns_index, chunk.name())
    }

    /// Whether the chunk's number is of this index's half of the numbers.
    fn has_half_of(&self, chunk: &Entry) -> bool {
        let end = if self.chunk_start == CHUNK_START_0 {
            CHUNK_START_1
        } else {
            CHUNK_ANY
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use proptest::prelude::*;

    /// The firmware's list.
    struct List(Vec<BlobIndex>);

    impl List {
        fn count(&mut self, chunk: &Entry) {
            let first = self
                .0
                .iter_mut()
                .find(|index| index.has_name_of(chunk) && index.has_half_of(chunk));
            if let Some(index) = first {
                index.seen_size = index.seen_size.wrapping_add(chunk.data_size() as u32);
                index.seen_chunks += 1;
            }
        }

        fn owns(&self, chunk: &Entry) -> bool {
            self.0
                .iter()
                .any(|index| index.adds_up() && index.has_name_of(chunk) && index.owns(chunk))
        }
    }

    fn name() -> impl Strategy<Value = (u8, Key)> {
        (1..3u8, prop_oneof![Just("a"), Just("b")]).prop_map(|(ns, key)| (ns, Key::new(key).unwrap()))
    }

    fn index() -> impl Strategy<Value = Entry> {
        let start = prop_oneof![3 => Just(0u8), 3 => Just(0x80u8), 1 => any::<u8>()];
        (name(), 0..4u32, 0..4u8, start)
            .prop_map(|((ns, key), size, chunks, start)| Entry::blob_index(ns, &key, size, chunks, start))
    }

    fn chunk() -> impl Strategy<Value = Entry> {
        let number = prop_oneof![4 => 0..3u8, 4 => 0x80..0x83u8, 1 => 0..0xFFu8];
        (name(), number, 0..3usize)
            .prop_map(|((ns, key), number, size)| Entry::blob_data(ns, &key, number, &alloc::vec![7; size]))
    }

    proptest! {
        #[test]
        fn the_table_answers_as_the_list(
            indexes in prop::collection::vec(index(), 0..8),
            chunks in prop::collection::vec(chunk(), 0..12),
        ) {
            let mut list = List((0..).zip(&indexes).map(BlobIndex::new).collect());
            let mut table = BlobTable::new(&indexes);
            for chunk in &chunks {
                list.count(chunk);
                table.count(chunk);
            }
            let (owners, mismatched) = table.judge();
            for chunk in &chunks {
                prop_assert_eq!(owners.owns(chunk), list.owns(chunk));
            }
            let mut wrong: Vec<_> = list.0.iter().filter(|index| !index.adds_up()).map(|index| {
                (index.ns_index, index.name, index.chunk_start)
            }).collect();
            wrong.sort_unstable();
            let by_table: Vec<_> = mismatched.iter().flat_map(|same| {
                core::iter::repeat_n((same.ns_index, same.name, same.chunk_start), same.count)
            }).collect();
            prop_assert_eq!(by_table, wrong);
        }
    }
}
