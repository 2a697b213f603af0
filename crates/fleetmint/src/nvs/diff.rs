//! `fleetmint nvs diff`: two images by namespace and key.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::storage::Listed;

use super::arguments::image::{ImageFile, Partition, Taken, refusal};
use super::arguments::opened_as::OpenAs;
use super::differences::{self, Values};
use crate::exit::Failure;
use crate::terminal;

/// Compare two images by namespace and key
#[derive(Debug, Args)]
#[command(
    long_about = "Compares what the firmware reads from two images, by namespace and key: added, removed, changed. Where the values lie, \
        and what was erased before, makes no difference.\n\n\
        Values are masked: a type, a size and a fingerprint, which is another one in each report. --reveal shows them.\n\n\
        Exit codes: 0 the same, 1 different, 2 one of the images is unusable.",
    after_long_help = "\
Examples:
  fleetmint nvs diff before.bin after.bin
  fleetmint nvs diff flash-a.bin flash-b.bin --partition nvs --reveal
  fleetmint nvs diff plain.bin encrypted.bin --keys-b keys/device-keys.bin"
)]
pub(crate) struct Arguments {
    /// The first image: a partition, or a whole flash dump; - is standard input
    a: PathBuf,

    /// The second image: a partition, or a whole flash dump; - is standard input
    b: PathBuf,

    /// The keys of the first image, if it is encrypted; - is standard input
    #[arg(long, value_name = "KEYS.bin")]
    keys_a: Option<PathBuf>,

    /// The keys of the second image, if it is encrypted; - is standard input
    #[arg(long, value_name = "KEYS.bin")]
    keys_b: Option<PathBuf>,

    #[command(flatten)]
    open_as: OpenAs,

    /// Show values, secrets too
    #[arg(long)]
    reveal: bool,

    /// Compare them even if one seems not to be NVS, or the firmware would erase everything
    #[arg(long)]
    force: bool,

    /// How to show it
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    partition: Partition,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A line for each key
    Text,
    /// For programs
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (a, b) = lists(arguments).map_err(|failure| Failure::unusable(failure.message))?;
    let differences = diff(&a, &b);
    let values = if arguments.reveal {
        Values::Revealed
    } else {
        Values::masked()?
    };
    match arguments.format {
        Format::Text => terminal::print(&differences::text(&differences, &values))?,
        Format::Json => terminal::print_json_lines(differences::json(&differences, &values))?,
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(Failure::no(""))
    }
}

/// What the firmware lists of either side. Whatever keeps it from that makes the comparison impossible.
fn lists(arguments: &Arguments) -> Result<(Vec<Listed>, Vec<Listed>), Failure> {
    let paths = [arguments.a.as_path(), &arguments.b];
    let keys = [arguments.keys_a.as_deref(), arguments.keys_b.as_deref()];
    let taken = Taken {
        readonly: arguments.open_as.is_readonly(),
        ..Taken::read_write(arguments.force)
    };
    let [mut a, mut b] = arguments.partition.read_both(paths, keys, taken)?;
    Ok((list(&mut a, arguments)?, list(&mut b, arguments)?))
}

fn list(image: &mut ImageFile, arguments: &Arguments) -> Result<Vec<Listed>, Failure> {
    let name = image.name().to_string();
    let mode = arguments.open_as.mode(image);
    let mut storage = image.open_to_read(mode, arguments.force)?;
    storage.list().map_err(|error| refusal(&name, &error))
}
