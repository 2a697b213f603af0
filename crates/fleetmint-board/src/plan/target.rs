//! Which partition of a board the plan is for.

use super::Refusal;
use crate::flash_dump::identify;
use crate::partition_table::{Error, Partition, PartitionTable, SIZE, Unfit};

/// The partition that a plan is for, and the partitions that may hold its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The NVS partition.
    pub nvs: Partition,
    /// The partitions of type `nvs_keys`. Their bytes are [`super::PartitionKeys::OnChip`].
    pub keys: Vec<Partition>,
}

/// Reads the partition table of a chip, whose sector at `offset` is given. `flash_encryption`: whether the chip says that
/// it encrypts its flash, so that only the chip itself can read the table.
///
/// # Errors
/// [`Refusal::FlashErased`], [`Refusal::TableEncrypted`], [`Refusal::NoTable`], [`Refusal::Table`].
pub fn table(sector: &[u8], offset: usize, flash_encryption: bool) -> Result<PartitionTable, Refusal> {
    let table = match PartitionTable::decode(sector, offset) {
        Err(Error::NoTable { .. }) => sector.get(..SIZE).unwrap_or(sector),
        table => return table.map_err(Refusal::Table),
    };
    Err(match identify(table) {
        _ if table.iter().all(|byte| *byte == 0xFF) => Refusal::FlashErased { offset },
        _ if flash_encryption => Refusal::TableEncrypted { offset },
        content => Refusal::NoTable { offset, content },
    })
}

/// Chooses the NVS partition of a board: the one of this name, or `nvs`, or the only one. `table_offset` is where the
/// table is, `flash_size` how large the flash is, in bytes.
///
/// # Errors
/// [`Refusal::Partition`], [`Refusal::ReadOnly`], [`Refusal::BeyondFlash`].
pub fn target(
    table: &PartitionTable,
    table_offset: usize,
    flash_size: usize,
    name: Option<&str>,
) -> Result<Target, Refusal> {
    let nvs = table.find_nvs(name)?;
    table.check_place(nvs, table_offset)?;
    // A dump of a flash may be arranged in any way. A chip has its boot loader there, and `gen_esp32part.py` refuses the table.
    if nvs.offset < table_offset {
        return Err(Refusal::Partition(Unfit::BeforeTable {
            name: nvs.name.clone(),
            offset: nvs.offset,
            table: table_offset,
        }));
    }
    if nvs.readonly {
        return Err(Refusal::ReadOnly { name: nvs.name.clone() });
    }
    if nvs.within(flash_size).is_err() {
        return Err(Refusal::BeyondFlash {
            name: nvs.name.clone(),
            end: nvs.offset.saturating_add(nvs.size),
            flash_size,
        });
    }
    let keys = table.partitions().iter().filter(|partition| partition.is_nvs_keys());
    Ok(Target {
        nvs: nvs.clone(),
        keys: keys.filter(|keys| keys.within(flash_size).is_ok()).cloned().collect(),
    })
}
