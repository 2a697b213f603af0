//! `fleetmint nvs patch`: the image as the firmware would leave it after a list of calls.

use std::path::PathBuf;

use clap::Args;
use fleetmint_board::patch::changed_sectors;
use fleetmint_board::report::{self, MaskedKey};
use fleetmint_board::wiped::WipedText;
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::csv;
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Listed, Mode, PatchError, PatchFault, SliceFlash, Storage};
use serde::Serialize;
use zeroize::Zeroizing;

use super::arguments::image::{Acceptance, ImageKeys, Partition};
use super::arguments::tables::{read_file, read_table};
use super::differences::{self, Values, salt};
use crate::exit::Failure;
use crate::files;
use crate::terminal::{self, Format, count, say};

/// Change values and keep everything else, as the firmware would
///
/// The output is, bit for bit, what the firmware's library would leave in the flash after the calls in the list of changes.
/// Wi-Fi settings, calibration and the values of other software stay.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A list of changes has the columns of a table for generate. Its rows are calls, in order:
  key,type,encoding,value
  prov,namespace,,                 nvs_open: the rows after it belong to it
  client_secret,data,string,n3w    nvs_set_…: as the rows of generate
  old_setting,delete,,             nvs_erase_key; a missing key is no error
  ,delete-all,,                    nvs_erase_all

Examples:
  fleetmint nvs patch device.bin changes.csv patched.bin
  fleetmint nvs patch flash.bin changes.csv patched.bin --partition nvs
  fleetmint nvs patch device.bin changes.csv --dry-run

For a dump of the whole flash, the output is the whole flash with the partition changed. --dry-run shows what \
would change, with masked values, and how many sectors would have to be written.

If the firmware would refuse a call, the command fails with the row and the firmware's error: the exit code is 1, \
and nothing is written.")]
pub(crate) struct Arguments {
    /// The image: a partition, or a dump of the whole flash; - is standard input
    image: PathBuf,

    /// The list of changes; - is standard input
    #[arg(value_name = "CHANGES.csv")]
    changes: PathBuf,

    /// The file to write; - is standard output
    #[arg(value_name = "OUT", required_unless_present = "dry_run")]
    out: Option<PathBuf>,

    /// Write nothing, and show what would change
    #[arg(long)]
    dry_run: bool,

    /// Format of the report
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    keys: ImageKeys,

    /// Change the image even if it seems not to be NVS, or if the firmware would erase everything or only reads it; replace
    /// a table or keys
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    partition: Partition,
}

#[derive(Serialize)]
struct Report<'a> {
    rows: usize,
    /// Rows that delete a key which does not exist.
    absent: usize,
    /// Repairs of the firmware's start, before the first row.
    repairs: usize,
    /// Offset of the partition in the file.
    partition_offset: usize,
    sectors: usize,
    changed_sectors: Vec<usize>,
    /// Of the firmware's start and the rows together.
    writes: usize,
    erases: usize,
    diff: Vec<MaskedKey<'a>>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.out.as_deref().is_some_and(files::is_standard) && matches!(arguments.format, Format::Json) {
        return Err(Failure::unusable(
            "standard output cannot be both the image (OUT is -) and the report (--format json)",
        ));
    }
    let (keys, acceptance) = (arguments.keys.keys.as_deref(), Acceptance::read_write(arguments.force));
    let mut image = arguments.partition.read(&arguments.image, keys, acceptance)?;
    image.expect_writable(arguments.force)?;
    let path = image.name().to_string();
    let changes = files::input_name(&arguments.changes);
    let rows = csv::read_changes(&read_table(&arguments.changes)?)
        .map_err(|error| Failure::unusable(format_args!("{changes}: {error}")))?;
    if image.bytes().len() == PAGE_SIZE {
        return Err(Failure::no(format_args!(
            "{path}: a partition of one page cannot be changed: no page would stay free, and the firmware's next start would fail \
             (ESP_ERR_NVS_NO_FREE_PAGES)"
        )));
    }
    let before = Zeroizing::new(image.bytes().to_vec());
    let mut storage = image.open(Mode::ReadWrite, arguments.force)?;
    let repairs = storage.repairs().len();
    let patched = storage
        .patch(&rows, read_file)
        .map_err(|error| failed(&changes, &error))?;
    let ops = storage.ops();
    drop(storage);
    let sectors = changed_sectors(&before, image.bytes());
    let summary = format!(
        "{} carried out, {} of {} changed",
        count(patched.rows, "row"),
        sectors.len(),
        count(before.len() / PAGE_SIZE, "sector")
    );

    // The output is written before the report that names it.
    if let Some(out) = arguments.out.as_ref().filter(|_| !arguments.dry_run) {
        files::write(out, image.content(), arguments.force)?;
        say(format_args!("{}: {summary}", files::created(out)));
    }
    if !arguments.dry_run && matches!(arguments.format, Format::Text) {
        return Ok(());
    }
    let (old, new) = (list(&before, image.keys())?, list(image.bytes(), image.keys())?);
    let differences = diff(&old, &new);
    let salt = salt()?;
    match arguments.format {
        Format::Text => {
            let values = Values::Masked(salt);
            let summary = WipedText::from(format!("{summary}; nothing is written\n"));
            terminal::print_parts(differences::text(&differences, &values).chain([summary]))
        }
        Format::Json => terminal::print_json(&Report {
            rows: patched.rows,
            absent: patched.absent,
            repairs,
            partition_offset: image.offset(),
            sectors: before.len() / PAGE_SIZE,
            changed_sectors: sectors,
            writes: ops.writes,
            erases: ops.erases,
            diff: report::masked(&differences, &salt),
        }),
    }
}

/// The values that the firmware lists. It reads a copy, because the firmware erases what it cannot read.
fn list(image: &[u8], keys: Option<&Keys>) -> Result<Vec<Listed>, Failure> {
    let mut copy = Zeroizing::new(image.to_vec());
    Storage::open_as_firmware(SliceFlash::new(&mut copy), Mode::ReadWrite, keys.map(Keys::xts))
        .and_then(|mut storage| storage.list())
        .map_err(Failure::no)
}

/// The firmware refuses the call of a row (the answer is no), or the row is unusable.
fn failed(changes: &impl std::fmt::Display, error: &PatchError) -> Failure {
    let message = format!("{changes}: {error}");
    match error.cause {
        PatchFault::Call(_) => Failure::no(message),
        _ => Failure::unusable(message),
    }
}
