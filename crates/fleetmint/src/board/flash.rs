//! What of a flash is read or written: a partition, or all of it.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;
use fleetmint_board::flash_dump::SECTOR;
use fleetmint_board::partition_table::{self, Partition, PartitionTable, quoted_name};
use fleetmint_board::plan::{self, Refusal};
use fleetmint_board::wiped::Wiped;

use crate::chip::Chip;
use crate::exit::Failure;
use crate::files;
use crate::journal;
use crate::size;
use crate::terminal::{Progress, warn};

/// The most bytes that the file of a partition table may have.
const TABLE_MAX: u64 = 64 << 10;

/// Where the partition table is.
#[derive(Debug, Args)]
pub(crate) struct TableSource {
    /// The offset of the partition table in the flash
    #[arg(long, value_name = "OFFSET", default_value = "0x8000", value_parser = size::parse)]
    partition_table_offset: usize,

    /// The partition table, as the CSV or the binary of the firmware's build, instead of the one on the board
    #[arg(long, value_name = "FILE")]
    partition_table: Option<PathBuf>,
}

/// A partition.
#[derive(Debug, Args)]
pub(super) struct NamedPartition {
    /// The partition [default: nvs, or the only partition of type nvs]
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,

    #[command(flatten)]
    table: TableSource,
}

/// A partition, or all of the flash.
#[derive(Debug, Args)]
pub(super) struct Part {
    #[command(flatten)]
    partition: NamedPartition,

    /// The whole flash
    #[arg(long, conflicts_with = "partition")]
    all: bool,
}

/// A part of the flash that was found.
pub(super) struct Located {
    /// `partition nvs`, `the whole flash`.
    pub(super) name: String,
    pub(super) range: Range<usize>,
    /// Its row in the table, if it is a partition.
    pub(super) partition: Option<Partition>,
}

impl Part {
    pub(super) fn locate(&self, chip: &mut Chip) -> Result<Located, Failure> {
        if self.all {
            return Ok(Located {
                name: "the whole flash".to_string(),
                range: 0..chip.identity().flash_size,
                partition: None,
            });
        }
        let (partition, _) = self.partition.locate(chip)?;
        Located::of(partition, chip)
    }

    /// The partition of this name, whatever the command line says. `None` if only the chip itself can read the table.
    pub(super) fn locate_named(&self, chip: &mut Chip, name: &str) -> Result<Option<Located>, Failure> {
        let source = &self.partition.table;
        let table = match source.read(chip) {
            Err(_) if source.partition_table.is_none() && chip.identity().security.flash_encryption => return Ok(None),
            table => table?,
        };
        let partition = table.find(name).map_err(Failure::unusable)?.clone();
        Located::of(partition, chip).map(Some)
    }

    /// The name of the partition, if the command line has one.
    pub(super) fn name(&self) -> Option<&str> {
        self.partition.partition.as_deref()
    }
}

impl Located {
    fn of(partition: Partition, chip: &Chip) -> Result<Self, Failure> {
        Ok(Self {
            name: format!("partition {}", quoted_name(&partition.name)),
            range: within(&partition, chip.identity().flash_size)?,
            partition: Some(partition),
        })
    }
}

impl NamedPartition {
    /// Reads the table, and finds the partition in it.
    pub(super) fn locate(&self, chip: &mut Chip) -> Result<(Partition, PartitionTable), Failure> {
        let table = self.table.read(chip)?;
        let partition = self.find(&table).map_err(Failure::unusable)?.clone();
        if let Some(misaligned) = partition.misaligned() {
            warn(misaligned);
        }
        Ok((partition, table))
    }

    fn find<'a>(&self, table: &'a PartitionTable) -> Result<&'a Partition, partition_table::Error> {
        const DEFAULT: &str = "nvs";
        let wanted = self.partition.as_deref().unwrap_or(DEFAULT);
        let mut nvs = table.partitions().iter().filter(|partition| partition.is_nvs());
        match (table.find(wanted), nvs.next(), nvs.next()) {
            (Err(_), Some(only), None) if self.partition.is_none() => Ok(only),
            (found, ..) => found,
        }
    }
}

/// The place of a partition in the flash.
pub(super) fn within(partition: &Partition, flash_size: usize) -> Result<Range<usize>, Failure> {
    let end = partition.offset.saturating_add(partition.size);
    if end > flash_size {
        return Err(Failure::no(format_args!(
            "partition {} ends at {end:#x}, and the flash has {flash_size:#x} bytes: the partition table is for a larger flash",
            quoted_name(&partition.name)
        )));
    }
    Ok(partition.offset..end)
}

impl TableSource {
    pub(crate) fn offset(&self) -> usize {
        self.partition_table_offset
    }

    /// Reads the partition table, from the file or off the chip.
    pub(super) fn read(&self, chip: &mut Chip) -> Result<PartitionTable, Failure> {
        match self.file()? {
            Some(table) => Ok(table),
            None => self.of_chip(chip),
        }
    }

    /// The table in the file, if one is given.
    pub(crate) fn file(&self) -> Result<Option<PartitionTable>, Failure> {
        let Some(path) = &self.partition_table else {
            return Ok(None);
        };
        let content = files::read_up_to(path, TABLE_MAX)?;
        let name = files::input_name(path);
        PartitionTable::from_file(&content, self.partition_table_offset)
            .map(Some)
            .map_err(|error| Failure::unusable(format_args!("{name}: {error}")))
    }

    /// The table on the chip.
    pub(crate) fn of_chip(&self, chip: &mut Chip) -> Result<PartitionTable, Failure> {
        let offset = self.partition_table_offset;
        let rows = chip.read(offset, partition_table::SIZE, &mut || ())?;
        let encrypted = chip.identity().security.flash_encryption;
        plan::table(rows.as_ref(), offset, encrypted).map_err(|refusal| {
            let advice = match refusal {
                Refusal::FlashErased { .. } => " (--partition-table-offset)",
                Refusal::NoTable { .. } => " (--partition-table-offset, --partition-table FILE)",
                _ => " (--partition-table FILE)",
            };
            Failure::no(format_args!("{refusal}{advice}"))
        })
    }
}

/// Reads a part of the flash, and shows the progress.
pub(super) fn read(chip: &mut Chip, range: &Range<usize>) -> Result<Wiped, Failure> {
    let mut progress = Progress::new("sectors read", range.len().div_ceil(SECTOR));
    chip.read(range.start, range.len(), &mut || progress.step())
}

/// Resets the board at the end of a call. All is verified by then, so a failure is a warning.
///
/// A board with a write that was cut off stays in download mode: firmware that started would find half of a partition.
pub(crate) fn finish(chip: Chip) {
    if journal::is_left(&chip.identity().mac) {
        warn(
            "the board was not reset, because a write to it was cut off, and its firmware would find half of a partition: \
             `fleetmint flash` completes the write, `fleetmint board restore` undoes it",
        );
    } else if let Err(failure) = chip.finish() {
        warn(failure.message);
    }
}
