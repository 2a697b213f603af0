//! `fleetmint nvs repair`: the image as the firmware's own start leaves it.

use std::path::PathBuf;

use clap::Args;
use fleetmint_nvs::storage::{Mode, Repair, RepairKind};

use super::arguments::image::{ImageKeys, Partition, Taken};
use crate::exit::Failure;
use crate::files;
use crate::terminal::{count, say, shown};

/// Write the image as the firmware's own start would leave it
#[derive(Debug, Args)]
#[command(
    long_about = "Writes the image as the firmware's start (nvs_flash_init) would leave it, bit for bit, and says what that repaired. \
        It never repairs more than the firmware would: what the firmware loses is lost here too, so keep the original.\n\n\
        Where the firmware's start fails, so does this, with its error, and nothing is written.",
    after_long_help = "\
Examples:
  fleetmint nvs repair device.bin repaired.bin
  fleetmint nvs repair flash.bin repaired.bin --partition nvs --keys keys.bin

Of a whole flash dump the whole is written, with the partition repaired. `fleetmint nvs check` says \
beforehand what would be repaired, `fleetmint nvs diff` afterwards what was lost."
)]
pub(crate) struct Arguments {
    /// The image: a partition, or a whole flash dump; - is standard input
    image: PathBuf,

    /// The file to write; - is standard output
    #[arg(value_name = "OUT")]
    out: PathBuf,

    #[command(flatten)]
    keys: ImageKeys,

    /// Repair it even if it seems not to be NVS, or the firmware would erase everything or only reads it; replace a table or
    /// keys
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    partition: Partition,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (keys, taken) = (arguments.keys.keys.as_deref(), Taken::read_write(arguments.force));
    let mut image = arguments.partition.read(&arguments.image, keys, taken)?;
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

/// Where, and what was wrong.
fn line(repair: &Repair) -> String {
    let Some(entry) = repair.entry else {
        return format!("repaired page {}: {}", repair.page, repair.kind);
    };
    // Of a damaged entry the key is what the bytes look like, which may be a piece of a value.
    let key = match repair.kind {
        RepairKind::Damaged(_) | RepairKind::HalfWritten | RepairKind::IllegalState => String::new(),
        _ => format!(", key \"{}\"", shown(&repair.name.to_string(), 60)),
    };
    format!("repaired page {} entry {entry}{key}: {}", repair.page, repair.kind)
}
