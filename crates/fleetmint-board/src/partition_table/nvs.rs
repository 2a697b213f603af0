//! Which partition of a table is the NVS partition, and whether it may be used.

use super::{Error, Misaligned, Partition, PartitionTable, SECTOR, list};

/// The partition that is used if the caller names none.
const DEFAULT: &str = "nvs";

/// Why no partition of a table can be used as the NVS partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// The table has no partition of this name.
    #[error(transparent)]
    NotFound(Error),
    /// The table has no NVS partition.
    #[error("the partition table has no NVS partition; the partitions are {}", list(names))]
    NoNvs {
        /// The names of all partitions.
        names: Vec<String>,
    },
    /// The table has several NVS partitions, and none is named `nvs`.
    #[error("the partition table has several NVS partitions: choose one of {}", list(names))]
    SeveralNvs {
        /// Their names.
        names: Vec<String>,
    },
    /// The partition is of another type.
    #[error(
        "partition {name:?} is of type {type_name}, not NVS; {}",
        if nvs.is_empty() { "the flash has no NVS partition".to_string() }
        else { format!("the NVS partitions are {}", list(nvs)) }
    )]
    NotNvs {
        /// Its name.
        name: String,
        /// Its type, as a partition table's CSV names it.
        type_name: String,
        /// The names of the NVS partitions.
        nvs: Vec<String>,
    },
    /// The partition has the flag `encrypted`.
    #[error(
        "partition {name:?} has the flag encrypted, which an NVS partition must not have: NVS encrypts by itself, and the \
         firmware refuses the partition (ESP_ERR_NVS_WRONG_ENCRYPTION); remove the flag from the partition table"
    )]
    EncryptedFlag {
        /// Its name.
        name: String,
    },
    /// Another partition, or the table, shares bytes with the partition.
    #[error(
        "partition {name:?} and {other} overlap in the partition table, from offset {from:#x} to {to:#x}: a change of one \
         would change the other; correct the table"
    )]
    Overlap {
        /// Its name.
        name: String,
        /// The other one: a partition and its name, or the table.
        other: String,
        /// Offset of the shared bytes.
        from: usize,
        /// Offset of their end.
        to: usize,
    },
    /// The partition begins before the table, where the boot loader is.
    #[error(
        "partition {name:?} begins at offset {offset:#x}, before the partition table at {table:#x}, where the boot loader is; \
         correct the table"
    )]
    BeforeTable {
        /// Its name.
        name: String,
        /// Its offset.
        offset: usize,
        /// The offset of the table.
        table: usize,
    },
    /// The partition does not begin at the boundary of a sector.
    #[error("{0}; correct the table")]
    Misaligned(Misaligned),
}

impl PartitionTable {
    /// The NVS partition of this name; without a name the partition `nvs`, or the only one of type NVS.
    ///
    /// # Errors
    /// [`Unfit`], except for those of [`PartitionTable::check_place`].
    pub fn find_nvs(&self, name: Option<&str>) -> Result<&Partition, Unfit> {
        let mut nvs = self.partitions().iter().filter(|partition| partition.is_nvs());
        let partition = match name {
            Some(name) => self.find(name).map_err(Unfit::NotFound)?,
            None => match (nvs.clone().find(|nvs| nvs.name == DEFAULT), nvs.next(), nvs.next()) {
                (Some(partition), ..) | (None, Some(partition), None) => partition,
                (None, None, _) => {
                    let names = self.names(|_| true);
                    return Err(Unfit::NoNvs { names });
                }
                (None, Some(_), Some(_)) => {
                    let names = self.names(Partition::is_nvs);
                    return Err(Unfit::SeveralNvs { names });
                }
            },
        };
        let name = partition.name.clone();
        if !partition.is_nvs() {
            return Err(Unfit::NotNvs {
                name,
                type_name: partition.type_name(),
                nvs: self.names(Partition::is_nvs),
            });
        }
        match partition.encrypted {
            true => Err(Unfit::EncryptedFlag { name }),
            false => Ok(partition),
        }
    }

    /// Checks that a change of this partition changes nothing else: no other partition, and not the table, which is at
    /// `table_offset`. Espressif's `gen_esp32part.py` refuses such a table.
    ///
    /// # Errors
    /// [`Unfit::Overlap`], and [`Unfit::Misaligned`] if it does not begin with a sector.
    pub fn check_place(&self, partition: &Partition, table_offset: usize) -> Result<(), Unfit> {
        let others = self.partitions().iter().filter(|other| other.name != partition.name);
        let places = others.map(|other| (format!("partition {:?}", other.name), other.offset, other.size));
        let own = ("the partition table itself".to_string(), table_offset, SECTOR);
        for (other, offset, size) in places.chain([own]) {
            let from = offset.max(partition.offset);
            let to = offset
                .saturating_add(size)
                .min(partition.offset.saturating_add(partition.size));
            if from < to {
                return Err(Unfit::Overlap {
                    name: partition.name.clone(),
                    other,
                    from,
                    to,
                });
            }
        }
        match partition.misaligned() {
            Some(misaligned @ Misaligned::Offset { .. }) => Err(Unfit::Misaligned(misaligned)),
            _ => Ok(()),
        }
    }

    fn names(&self, which: impl Fn(&Partition) -> bool) -> Vec<String> {
        let partitions = self.partitions().iter().filter(|partition| which(partition));
        partitions.map(|partition| partition.name.clone()).collect()
    }
}
