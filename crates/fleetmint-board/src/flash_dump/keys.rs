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
    let partitions = table.partitions().iter().filter(|partition| partition.is_nvs_keys());
    let read = partitions.filter_map(|partition| {
        let place = partition.within(flash.len()).ok()?;
        Some((partition.name.as_str(), flash.get(place)?))
    });
    keys_among(read, nvs)
}

/// Finds the keys of `nvs`, an NVS partition, in key partitions of the same flash, each with its name and its bytes.
#[must_use]
pub fn keys_among<'a>(key_partitions: impl IntoIterator<Item = (&'a str, &'a [u8])>, nvs: &[u8]) -> FlashKeys {
    let plain = check_key(nvs, None).is_ok();
    if plain && has_entries(nvs) {
        return FlashKeys::None;
    }
    let (mut other, mut unreadable) = (None, None);
    let is_erased = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0xFF);
    for (name, bytes) in key_partitions.into_iter().filter(|(_, bytes)| !is_erased(bytes)) {
        match Keys::decode(bytes) {
            Ok(keys) if check_key(nvs, Some(&keys.xts())).is_ok() => {
                return FlashKeys::Fit {
                    partition: name.to_string(),
                    keys,
                };
            }
            Ok(_) => other = other.or(Some(name)),
            Err(_) => unreadable = unreadable.or(Some(name)),
        }
    }
    match (other, unreadable) {
        (_, Some(name)) if !plain => FlashKeys::Unreadable {
            partition: name.to_string(),
        },
        (Some(name), _) => FlashKeys::DoNotFit {
            partition: name.to_string(),
        },
        _ => FlashKeys::None,
    }
}

/// Whether a page of a partition has entries that are marked written.
#[must_use]
pub fn has_entries(nvs: &[u8]) -> bool {
    storage::pages(nvs)
        .filter(is_nvs)
        .any(|page| (0..ENTRY_COUNT).any(|entry| page.bitmap.get(entry) == EntryState::Written))
}
