//! The short way to load a page: one that is in memory and as an orderly write leaves it.
//!
//! Most pages are. They are looked at in two plain loops (the items, their names), with nothing to repair in between; at
//! the first byte that isn't as it should be, the page is loaded the long way.

use super::flash::Entries;
use super::load::{Hash24, HashTable, below, from};
use super::page::{Bits, NO_ENTRY, Page, State};
use crate::entry::{Entry, ItemType, crc_fits};
use crate::layout::{CHUNK_ANY, ENTRY_SIZE, NAMESPACE_ANY, NAMESPACE_INDEX};
use crate::page::EntryState;

impl Page {
    /// Loads the page if there is nothing to repair. `false`: there may be, and nothing was done.
    pub(super) fn load_clean(&mut self, entries: &Entries, written: u128) -> bool {
        if self.bitmap.first(EntryState::Illegal).is_some() {
            return false;
        }
        let next_free = match self.state {
            State::Active => self.bitmap.first(EntryState::Empty).unwrap_or(NO_ENTRY),
            _ => NO_ENTRY,
        };
        let half_written = |entry: &[u8; ENTRY_SIZE]| !entry.starts_with(&[0xFF; 4]);
        if entries.get(next_free).is_some_and(half_written) || written & from(next_free) != 0 {
            return false;
        }
        let Some(Heads {
            all: heads,
            names,
            blobs,
        }) = heads(entries, written)
        else {
            return false;
        };
        if self.state == State::Active && !(names_differ(entries, heads) && last_is_alone(entries, heads)) {
            return false;
        }
        self.distinct = self.state == State::Active;
        self.next_free = next_free;
        (self.heads, self.hashed, self.name_heads, self.blob_heads) = (heads, heads, names, blobs);
        true
    }
}

/// Where items begin: all, those of namespaces, and those of parts of blobs.
#[derive(Default)]
struct Heads {
    all: u128,
    names: u128,
    blobs: u128,
}

/// Where items begin, if all their entries are written and they are sound.
fn heads(entries: &Entries, written: u128) -> Option<Heads> {
    let mut heads = Heads {
        all: written,
        ..Heads::default()
    };
    // Where the item ends that was looked at last.
    let mut end = 0;
    for index in Bits::of(written) {
        if index < end {
            continue;
        }
        let entry = entries.get(index)?;
        if !crc_fits(entry) {
            return None;
        }
        let [ns_index, type_byte, span, ..] = *entry;
        let is_number = ItemType::from_byte(type_byte).is_some_and(ItemType::is_number);
        if is_number && span == 1 && ns_index != NAMESPACE_INDEX {
            // Most items, and nothing more to look at.
            continue;
        }
        if Entry::from_bytes(entry).field_fault(index).is_some() {
            return None;
        }
        if ns_index == NAMESPACE_INDEX {
            heads.names |= 1 << index;
        }
        if type_byte == ItemType::BlobData.byte() || type_byte == ItemType::BlobIndex.byte() {
            heads.blobs |= 1 << index;
        }
        end = index + usize::from(span);
        let data = from(index + 1) & below(end);
        if data & !written != 0 {
            return None;
        }
        heads.all &= !data;
    }
    Some(heads)
}

/// Whether no two items are the same to the firmware's hash list.
fn names_differ(entries: &Entries, heads: u128) -> bool {
    let Some([ns_index, ..]) = entries.get(heads.trailing_zeros() as usize) else {
        return true;
    };
    let mut hash_24 = Hash24::of_namespace(*ns_index);
    let mut hashes = HashTable::new();
    Bits::of(heads).all(|index| {
        entries
            .get(index)
            .is_some_and(|entry| hashes.insert(hash_24.of(entry), index))
    })
}

/// Whether the firmware's last search, for an earlier copy of the page's last item, finds none.
fn last_is_alone(entries: &Entries, heads: u128) -> bool {
    let Some(last) = 127u32.checked_sub(heads.leading_zeros()) else {
        return true;
    };
    let Some(entry) = entries.get(last as usize) else {
        return false;
    };
    let entry = Entry::from_bytes(entry);
    entry.chunk == CHUNK_ANY && entry.ns_index != NAMESPACE_ANY && entry.key == *entry.name().field()
}
