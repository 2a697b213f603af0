//! `fleetmint nvs repair`: the image as the firmware would leave it after its start.

use std::path::PathBuf;

use clap::Args;
use fleetmint_nvs::storage::{Mode, Repair, RepairKind};

use super::arguments::image::{Acceptance, ImageKeys, Partition};
use crate::exit::Failure;
use crate::files;
use crate::terminal::{count, say, shown};

/// Write the image as the firmware would leave it after its start
///
/// The output is, bit for bit, the image after the firmware's start (nvs_flash_init). Each repair is reported. This command
/// never repairs more than the firmware would: what the firmware loses is lost here too, so keep the original.
///
/// If the firmware's start would fail, this command fails with the same error, and nothing is written.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint nvs repair device.bin repaired.bin
  fleetmint nvs repair flash.bin repaired.bin --partition nvs --keys keys.bin

For a dump of the whole flash, the output is the whole flash with the partition repaired. `fleetmint nvs check` shows \
before a repair what would change, and `fleetmint nvs diff` shows afterwards which values were lost.")]
pub(crate) struct Arguments {
    /// The image: a partition, or a dump of the whole flash; - is standard input
    image: PathBuf,

    /// The file to write; - is standard output
    #[arg(value_name = "OUT")]
    out: PathBuf,

    #[command(flatten)]
    keys: ImageKeys,

    /// Repair the image even if it seems not to be NVS, or if the firmware would erase everything or only reads it; replace
    /// a table or keys
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    partition: Partition,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (keys, acceptance) = (arguments.keys.keys.as_deref(), Acceptance::read_write(arguments.force));
    let mut image = arguments.partition.read(&arguments.image, keys, acceptance)?;
    image.expect_writable(arguments.force)?;
    let storage = image.open(Mode::ReadWrite, arguments.force)?;
    let repairs: Vec<String> = storage.repairs().iter().map(line).collect();
    drop(storage);
    files::write(&arguments.out, image.content(), arguments.force)?;
    for repair in &repairs {
        say(repair);
    }
    let created = files::created(&arguments.out);
    match repairs.len() {
        0 => say(format_args!("{created}: there was nothing to repair")),
        number => say(format_args!("{created}: {}", count(number, "repair"))),
    }
    Ok(())
}

/// The place of a repair and the fault, in one line.
fn line(repair: &Repair) -> String {
    let Some(entry) = repair.entry else {
        return format!("repaired page {}: {}", repair.page, repair.kind);
    };
    // A damaged entry may have a piece of a value in place of its key.
    let key = match repair.kind {
        RepairKind::Damaged(_) | RepairKind::HalfWritten | RepairKind::IllegalState => String::new(),
        _ => format!(", key \"{}\"", shown(&repair.name.to_string(), 60)),
    };
    format!("repaired page {} entry {entry}{key}: {}", repair.page, repair.kind)
}
