//! The keys of an encrypted NVS partition, from the same flash.

use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::layout::ENTRY_COUNT;
use fleetmint_nvs::page::EntryState;
use fleetmint_nvs::storage::{self, check_key};

use super::pages::is_nvs;
use crate::partition_table::PartitionTable;

/// The keys in the partitions of type `nvs_keys` of a flash, for one of its NVS partitions.
#[derive(Debug)]
pub enum FlashKeys {
    /// No keys exist, or the NVS partition is not encrypted.
    None,
    /// The keys of the NVS partition. If it has no entry yet, nothing proves them.
    Fit {
        /// The name of the key partition.
        partition: String,
        /// The keys in it.
        keys: Keys,
    },
    /// Keys of something else.
    DoNotFit {
        /// The name of the key partition.
        partition: String,
    },
    /// The NVS partition seems encrypted, and the checksum of the keys does not match: flash encryption covers them.
    Unreadable {
        /// The name of the key partition.
        partition: String,
    },
}

/// Finds the keys of `nvs`, an NVS partition of this flash.
#[must_use]
pub fn find_keys(flash: &[u8], table: &PartitionTable, nvs: &[u8]) -> FlashKeys {
    let plain = check_key(nvs, None).is_ok();
    if plain && has_entries(nvs) {
        return FlashKeys::None;
    }
    let (mut other, mut unreadable) = (None, None);
    for partition in table.partitions().iter().filter(|partition| partition.is_nvs_keys()) {
        let bytes = partition.within(flash.len()).ok().and_then(|place| flash.get(place));
        let Some(bytes) = bytes.filter(|bytes| bytes.iter().any(|byte| *byte != 0xFF)) else {
            continue;
        };
        let name = &partition.name;
        match Keys::decode(bytes) {
            Ok(keys) if check_key(nvs, Some(&keys.xts())).is_ok() => {
                return FlashKeys::Fit {
                    partition: name.clone(),
                    keys,
                };
            }
            Ok(_) => other = other.or(Some(name)),
            Err(_) => unreadable = unreadable.or(Some(name)),
        }
    }
    match (other, unreadable) {
        (_, Some(name)) if !plain => FlashKeys::Unreadable {
            partition: name.clone(),
        },
        (Some(name), _) => FlashKeys::DoNotFit {
            partition: name.clone(),
        },
        _ => FlashKeys::None,
    }
}

fn has_entries(nvs: &[u8]) -> bool {
    storage::pages(nvs)
        .filter(is_nvs)
        .any(|page| (0..ENTRY_COUNT).any(|entry| page.bitmap.get(entry) == EntryState::Written))
}
