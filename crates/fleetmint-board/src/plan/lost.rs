//! What is lost when a fresh partition replaces one that cannot be kept.

use std::collections::HashSet;
use std::fmt;

use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::layout::NAMESPACE_INDEX;
use fleetmint_nvs::page::EntryState;
use fleetmint_nvs::storage::{SlotContent, pages, slots};

/// What a partition holds, as far as its entries can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    pub namespaces: usize,
    pub keys: usize,
    /// Entries that are in use and cannot be read: encrypted, or damaged.
    pub unreadable_entries: usize,
}

impl Lost {
    /// Counts in the entries as they are, because the firmware's library does not open such a partition.
    pub(super) fn of(partition: &[u8], cipher: Option<&Xts>) -> Self {
        let (mut namespaces, mut keys) = (HashSet::new(), HashSet::new());
        let mut unreadable_entries = 0;
        // Without a header the bitmap means nothing.
        let with_header: HashSet<usize> = pages(partition)
            .filter(|page| page.header.crc_fits())
            .map(|page| page.number)
            .collect();
        for slot in slots(partition, cipher).filter(|slot| slot.state == EntryState::Written) {
            match slot.content {
                SlotContent::Item { entry, fault: None } if entry.ns_index == NAMESPACE_INDEX => {
                    namespaces.insert(entry.key);
                }
                SlotContent::Item { entry, fault: None } => {
                    keys.insert((entry.ns_index, entry.key));
                }
                SlotContent::Item { .. } if with_header.contains(&slot.page) => unreadable_entries += 1,
                SlotContent::Item { .. } | SlotContent::Data { .. } | SlotContent::Blank => {}
            }
        }
        Self {
            namespaces: namespaces.len(),
            keys: keys.len(),
            unreadable_entries,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespaces,
            keys,
            unreadable_entries,
        } = *self;
        match (namespaces, keys, unreadable_entries) {
            (0, 0, 0) => f.write_str("no values"),
            (0, 0, unreadable) => write!(f, "{unreadable} entries that cannot be read"),
            (_, _, 0) => write!(f, "{keys} keys in {namespaces} namespaces"),
            _ => write!(
                f,
                "{keys} keys in {namespaces} namespaces, and {unreadable_entries} entries that cannot be read"
            ),
        }
    }
}
