//! What is read off the board.

use fleetmint_board::flash_dump::SECTOR;
use fleetmint_board::partition_table::{Partition, PartitionTable};
use fleetmint_board::plan::{self, PartitionKeys, Target};
use fleetmint_board::wiped::Wiped;
use fleetmint_nvs::crypt::Keys;

use super::{Arguments, refused};
use crate::chip::{Chip, Identity};
use crate::exit::Failure;
use crate::nvs::arguments::keys;
use crate::terminal::Progress;

/// The files that a person gives in place of what the board does not show.
pub(super) struct Files {
    table: Option<PartitionTable>,
    keys: Option<Keys>,
}

impl Files {
    pub(super) fn read(arguments: &Arguments) -> Result<Self, Failure> {
        let table = arguments.table.file()?;
        let keys = arguments.nvs_keys.as_deref().map(keys::read).transpose()?;
        Ok(Self { table, keys })
    }
}

/// A board, and what its NVS partition holds.
pub(super) struct Board {
    pub(super) identity: Identity,
    /// The name of its port.
    pub(super) port: String,
    pub(super) target: Target,
    pub(super) partition: Wiped,
    pub(super) keys: PartitionKeys,
}

impl Board {
    pub(super) fn read(arguments: &Arguments, files: Files, chip: &mut Chip) -> Result<Self, Failure> {
        let identity = chip.identity().clone();
        let offset = arguments.table.offset();
        let table = match files.table {
            Some(table) => table,
            None => arguments.table.of_chip(chip)?,
        };
        let target = plan::target(&table, offset, identity.flash_size, arguments.partition.as_deref());
        let target = target.map_err(|refusal| refused(&refusal))?;
        let mut progress = Progress::new("sectors read", target.nvs.size.div_ceil(SECTOR));
        let partition = chip.read(target.nvs.offset, target.nvs.size, &mut || progress.step())?;
        drop(progress);
        let keys = match files.keys {
            Some(keys) => PartitionKeys::Given(keys),
            None => PartitionKeys::OnChip(key_partitions(chip, &target, partition.as_ref())?),
        };
        Ok(Self {
            identity,
            port: chip.port().to_string(),
            target,
            partition,
            keys,
        })
    }
}

/// Reads the key partitions, unless the NVS partition proves that it needs no keys.
fn key_partitions(chip: &mut Chip, target: &Target, nvs: &[u8]) -> Result<Vec<(String, Wiped)>, Failure> {
    if !plan::needs_keys(nvs) {
        return Ok(Vec::new());
    }
    let read = |keys: &Partition| {
        let bytes = chip.read(keys.offset, keys.size.min(SECTOR), &mut || ())?;
        Ok((keys.name.clone(), bytes))
    };
    target.keys.iter().map(read).collect()
}

/// A copy of bytes that may hold secrets.
pub(super) fn copy(bytes: &[u8]) -> Wiped {
    let mut copy = Wiped::filled(0, bytes.len());
    copy.as_mut().copy_from_slice(bytes);
    copy
}
