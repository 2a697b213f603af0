//! What an NVS partition on a chip holds: how full it is, and which device's values.

use fleetmint_board::flash_dump::check_nvs;
use fleetmint_board::partition_table::{Partition, PartitionTable};
use fleetmint_board::provisioning::{NAMESPACE, Setting};
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Listed, Mode, ReadOnlySlice, SliceFlash, Storage, Value, check_key};
use serde::Serialize;

use super::flash::{read, within};
use crate::chip::Chip;
use crate::exit::Failure;

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

/// Reads a partition and looks into it. Nothing is changed.
pub(super) fn look(chip: &mut Chip, partition: &Partition, keys: &[Keys]) -> Result<Nvs, Failure> {
    let range = within(partition, chip.identity().flash_size)?;
    let mut nvs = Nvs {
        pages: partition.size / PAGE_SIZE,
        ..Nvs::default()
    };
    if partition.encrypted {
        nvs.error = Some("it has the flag encrypted, so flash encryption covers it: NVS cannot work there".to_string());
        return Ok(nvs);
    }
    let mut content = read(chip, &range)?;
    if let Err(error) = check_nvs(content.as_ref()) {
        nvs.error = Some(error.to_string());
        return Ok(nvs);
    }
    let plain = check_key(content.as_ref(), None);
    nvs.encrypted = plain.is_err();
    let key = keys.iter().map(Keys::xts);
    let key = match plain {
        Ok(()) => None,
        Err(error) => match key
            .into_iter()
            .find(|key| check_key(content.as_ref(), Some(key)).is_ok())
        {
            Some(key) => Some(key),
            None => {
                nvs.error = Some(error.to_string());
                return Ok(nvs);
            }
        },
    };
    // The firmware's start repairs what it finds: here that happens in memory.
    let opened = if partition.readonly {
        let storage = Storage::open(ReadOnlySlice::new(content.as_ref()), Mode::ReadOnly, key);
        storage.map(|storage| describe(storage, &mut nvs, &partition.name))
    } else {
        let storage = Storage::open(SliceFlash::new(content.as_mut()), Mode::ReadWrite, key);
        storage.map(|storage| describe(storage, &mut nvs, &partition.name))
    };
    match opened {
        Ok(Ok(())) => {}
        Ok(Err(error)) | Err(error) => nvs.error = Some(error.to_string()),
    }
    Ok(nvs)
}

fn describe<F: fleetmint_nvs::storage::Flash>(
    mut storage: Storage<F>,
    nvs: &mut Nvs,
    partition: &str,
) -> Result<(), fleetmint_nvs::Error> {
    let stats = storage.stats();
    nvs.entries = Some(Entries {
        used: stats.used_entries,
        available: stats.available_entries,
        total: stats.total_entries,
        namespaces: stats.namespace_count,
    });
    nvs.repairs = Some(storage.repairs().len());
    let listed = storage.list()?;
    let device = Device {
        partition: partition.to_string(),
        device_key: text(&listed, Setting::DeviceKey),
        client_id: text(&listed, Setting::ClientId),
    };
    nvs.device = (device.device_key.is_some() || device.client_id.is_some()).then_some(device);
    Ok(())
}

/// A value of the namespace `prov` that is not secret.
fn text(listed: &[Listed], setting: Setting) -> Option<String> {
    let found = listed.iter().find(|one| {
        one.namespace.as_bytes() == NAMESPACE.as_bytes()
            && one.key.as_bytes() == setting.key().as_bytes()
            && !one.orphan
            && !one.repeat
            && one.unreachable.is_none()
    })?;
    match &found.value {
        Ok(Value::Str(text)) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// The keys in the partitions of type `nvs_keys`, where flash encryption does not cover them.
pub(super) fn keys(chip: &mut Chip, table: &PartitionTable) -> Result<Vec<Keys>, Failure> {
    let mut keys = Vec::new();
    for partition in table.partitions().iter().filter(|partition| partition.is_nvs_keys()) {
        let range = within(partition, chip.identity().flash_size)?;
        let end = range.end.min(range.start + PAGE_SIZE);
        let bytes = chip.read(range.start, end - range.start, &mut || ())?;
        keys.extend(Keys::decode(bytes.as_ref()));
    }
    Ok(keys)
}
