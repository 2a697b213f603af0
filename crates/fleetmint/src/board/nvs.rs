//! What an NVS partition on a chip holds: how full it is, and which device's values.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;
use fleetmint_board::flash_dump::check_nvs;
use fleetmint_board::partition_table::{Partition, PartitionTable};
use fleetmint_board::provisioning::Setting;
use fleetmint_board::stored;
use fleetmint_board::wiped::Wiped;
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Flash, Listed, Mode, ReadOnlySlice, SliceFlash, Stats, Storage, check_key};
use serde::Serialize;

use super::flash::{read, within};
use crate::chip::Chip;
use crate::exit::Failure;
use crate::nvs::arguments::keys;

/// What is known of an NVS partition.
#[derive(Debug, Default, Serialize)]
pub(super) struct Nvs {
    pub(super) pages: usize,
    /// Whether its entries are encrypted.
    pub(super) encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entries: Option<Entries>,
    /// What the firmware's start would repair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repairs: Option<usize>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    #[serde(skip)]
    pub(super) device: Option<Device>,
}

/// Entries of 32 bytes, as `nvs_get_stats` counts them.
#[derive(Debug, Serialize)]
pub(super) struct Entries {
    pub(super) used: usize,
    /// Without the page that always stays free.
    pub(super) available: usize,
    pub(super) total: usize,
    pub(super) namespaces: usize,
}

/// The device whose values a partition holds. None of them is secret.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Device {
    pub(super) partition: String,
    pub(super) device_key: Option<String>,
    pub(super) client_id: Option<String>,
}

/// What the firmware finds in a partition after its start.
pub(super) struct Opened {
    pub(super) encrypted: bool,
    pub(super) stats: Stats,
    pub(super) repairs: usize,
    pub(super) listed: Vec<Listed>,
}

/// Why a partition has no values to show.
pub(super) struct Unreadable {
    pub(super) encrypted: bool,
    pub(super) reason: String,
}

/// Opens what a partition holds as the firmware does. Its start repairs what it finds: here that happens in memory.
pub(super) fn open(content: &mut Wiped, partition: &Partition, keys: &[Keys]) -> Result<Opened, Unreadable> {
    let unreadable = |encrypted, error: &dyn Display| Unreadable {
        encrypted,
        reason: error.to_string(),
    };
    check_nvs(content.as_ref()).map_err(|error| unreadable(false, &error))?;
    let key = match check_key(content.as_ref(), None) {
        Ok(()) => None,
        Err(error) => {
            let mut keys = keys.iter().map(Keys::xts);
            let fitting = keys.find(|key| check_key(content.as_ref(), Some(key)).is_ok());
            Some(fitting.ok_or_else(|| unreadable(true, &error))?)
        }
    };
    let encrypted = key.is_some();
    let opened = if partition.readonly {
        Storage::open(ReadOnlySlice::new(content.as_ref()), Mode::ReadOnly, key).and_then(list)
    } else {
        Storage::open(SliceFlash::new(content.as_mut()), Mode::ReadWrite, key).and_then(list)
    };
    let (stats, repairs, listed) = opened.map_err(|error| unreadable(encrypted, &error))?;
    Ok(Opened {
        encrypted,
        stats,
        repairs,
        listed,
    })
}

fn list<F: Flash>(mut storage: Storage<F>) -> Result<(Stats, usize, Vec<Listed>), fleetmint_nvs::Error> {
    let (stats, repairs) = (storage.stats(), storage.repairs().len());
    Ok((stats, repairs, storage.list()?))
}

/// Reads a partition and looks into it. Nothing is changed.
pub(super) fn look(chip: &mut Chip, partition: &Partition, keys: &[Keys]) -> Result<Nvs, Failure> {
    let range = within(partition, chip.identity().flash_size);
    let mut nvs = Nvs {
        pages: partition.size / PAGE_SIZE,
        ..Nvs::default()
    };
    if partition.encrypted {
        nvs.error = Some("it has the flag encrypted, so flash encryption covers it: NVS cannot work there".to_string());
        return Ok(nvs);
    }
    let range = match range {
        Ok(range) => range,
        Err(failure) => {
            nvs.error = Some(failure.message);
            return Ok(nvs);
        }
    };
    match open(&mut read(chip, &range)?, partition, keys) {
        Ok(opened) => {
            nvs.encrypted = opened.encrypted;
            nvs.entries = Some(Entries {
                used: opened.stats.used_entries,
                available: opened.stats.available_entries,
                total: opened.stats.total_entries,
                namespaces: opened.stats.namespace_count,
            });
            nvs.repairs = Some(opened.repairs);
            let text = |setting| stored::text(&opened.listed, setting).map(Cow::into_owned);
            let device = Device {
                partition: partition.name.clone(),
                device_key: text(Setting::DeviceKey),
                client_id: text(Setting::ClientId),
            };
            nvs.device = (device.device_key.is_some() || device.client_id.is_some()).then_some(device);
        }
        Err(unreadable) => {
            nvs.encrypted = unreadable.encrypted;
            nvs.error = Some(unreadable.reason);
        }
    }
    Ok(nvs)
}

/// Where the keys of an encrypted partition are.
#[derive(Debug, Args)]
pub(super) struct KeySource {
    /// The keys of an encrypted partition: a key partition, or only the 64 bytes of the keys [default: those in the board's
    /// partition nvs_keys]
    #[arg(long, value_name = "KEYS.bin")]
    nvs_keys: Option<PathBuf>,
}

impl KeySource {
    /// Reads them from the file, or from the partitions of type `nvs_keys`, where flash encryption does not cover them.
    pub(super) fn read(&self, chip: &mut Chip, table: &PartitionTable) -> Result<Vec<Keys>, Failure> {
        if let Some(path) = &self.nvs_keys {
            return Ok(vec![keys::read(path)?]);
        }
        let mut keys = Vec::new();
        for partition in table.partitions().iter().filter(|partition| partition.is_nvs_keys()) {
            // Keys that are not there open nothing.
            let Ok(range) = within(partition, chip.identity().flash_size) else {
                continue;
            };
            let size = range.len().min(PAGE_SIZE);
            let bytes = chip.read(range.start, size, &mut || ())?;
            keys.extend(Keys::decode(bytes.as_ref()));
        }
        Ok(keys)
    }
}
