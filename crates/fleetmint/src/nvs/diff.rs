//! `fleetmint nvs diff`: two images compared by namespace and key.

use std::path::PathBuf;

use clap::Args;
use fleetmint_board::report;
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::storage::Listed;

use super::arguments::image::{Acceptance, ImageFile, Partition, refusal};
use super::arguments::opened_as::OpenAs;
use super::differences::{self, Values};
use crate::exit::Failure;
use crate::terminal::{self, Format};

/// Compare two images by namespace and key
///
/// The command compares the values that the firmware reads from the two images: added, removed, changed. It ignores where the
/// values are stored and what was erased before.
///
/// Values are masked: a report shows their type, their size and a fingerprint, which is different in each report. --reveal
/// shows the values.
///
/// Exit codes: 0 the same, 1 different, 2 one of the images is unusable.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint nvs diff before.bin after.bin
  fleetmint nvs diff flash-a.bin flash-b.bin --partition nvs --reveal
  fleetmint nvs diff plain.bin encrypted.bin --keys-b keys/device-keys.bin")]
pub(crate) struct Arguments {
    /// The first image: a partition, or a dump of the whole flash; - is standard input
    a: PathBuf,

    /// The second image: a partition, or a dump of the whole flash; - is standard input
    b: PathBuf,

    /// The keys of the first image, if it is encrypted; - is standard input
    #[arg(long, value_name = "KEYS.bin")]
    keys_a: Option<PathBuf>,

    /// The keys of the second image, if it is encrypted; - is standard input
    #[arg(long, value_name = "KEYS.bin")]
    keys_b: Option<PathBuf>,

    #[command(flatten)]
    open_as: OpenAs,

    /// Show the values, secrets too
    #[arg(long)]
    reveal: bool,

    /// Compare the images even if one seems not to be NVS, or if the firmware would erase everything
    #[arg(long)]
    force: bool,

    /// Format of the output
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    partition: Partition,
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
        Format::Text => terminal::print_parts(differences::text(&differences, &values))?,
        Format::Json => match &values {
            Values::Masked(salt) => terminal::print_json_lines(report::masked(&differences, salt))?,
            Values::Revealed => terminal::print_json_lines(report::revealed(&differences))?,
        },
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(Failure::no(""))
    }
}

/// The values that the firmware lists in the two images. Any failure makes the comparison impossible.
fn lists(arguments: &Arguments) -> Result<(Vec<Listed>, Vec<Listed>), Failure> {
    let paths = [arguments.a.as_path(), &arguments.b];
    let keys = [arguments.keys_a.as_deref(), arguments.keys_b.as_deref()];
    let acceptance = Acceptance {
        readonly: arguments.open_as.is_readonly(),
        ..Acceptance::read_write(arguments.force)
    };
    let [mut a, mut b] = arguments.partition.read_both(paths, keys, acceptance)?;
    Ok((list(&mut a, arguments)?, list(&mut b, arguments)?))
}

fn list(image: &mut ImageFile, arguments: &Arguments) -> Result<Vec<Listed>, Failure> {
    let name = image.name().to_string();
    let mode = arguments.open_as.mode(image);
    let mut storage = image.open_to_read(mode, arguments.force)?;
    storage.list().map_err(|error| refusal(&name, &error))
}
