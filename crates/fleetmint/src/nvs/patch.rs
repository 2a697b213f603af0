//! `fleetmint nvs patch`: the image as the firmware would leave it after some calls.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetmint_board::patch::changed_sectors;
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::csv;
use fleetmint_nvs::diff::diff;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Listed, Mode, PatchError, PatchFault, SliceFlash, Storage};
use serde::Serialize;
use zeroize::Zeroizing;

use super::arguments::image::{ImageKeys, Partition, Taken};
use super::arguments::tables::{read_file, read_table};
use super::differences::{self, Changed, Values};
use crate::exit::Failure;
use crate::files;
use crate::terminal::{self, count, say};

/// Change values and keep everything else, as the firmware would
#[derive(Debug, Args)]
#[command(
    long_about = "Changes what a list of changes says and leaves all else as it is: the image is, bit for bit, what the firmware's \
        library would leave in the flash after the same calls. Wi-Fi settings, calibration, other software's values stay.",
    after_long_help = "\
A list of changes has the columns of generate's tables; its rows are calls, in order:
  key,type,encoding,value
  prov,namespace,,                 nvs_open: what follows belongs to it
  client_secret,data,string,n3w    nvs_set_…: as all rows of generate
  old_setting,delete,,             nvs_erase_key; no error if it is not there
  ,delete-all,,                    nvs_erase_all

Examples:
  fleetmint nvs patch device.bin changes.csv patched.bin
  fleetmint nvs patch flash.bin changes.csv patched.bin --partition nvs
  fleetmint nvs patch device.bin changes.csv --dry-run

Of a whole flash dump the whole is written, with the partition changed. --dry-run shows what would \
change, values masked, and how many sectors would have to be written.

A call that the firmware would refuse ends it, with the row and the firmware's error: exit code 1, and \
nothing is written."
)]
pub(crate) struct Arguments {
    /// The image: a partition, or a whole flash dump; - is standard input
    image: PathBuf,

    /// The list of changes; - is standard input
    #[arg(value_name = "CHANGES.csv")]
    changes: PathBuf,

    /// The file to write; - is standard output
    #[arg(value_name = "OUT", required_unless_present = "dry_run")]
    out: Option<PathBuf>,

    /// Write nothing: show what would change, and how many sectors
    #[arg(long)]
    dry_run: bool,

    /// How to report what changed
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    keys: ImageKeys,

    /// Change it even if it seems not to be NVS, or the firmware would erase everything first or only reads it; replace a
    /// table or keys
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    partition: Partition,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Serialize)]
struct Report<'a> {
    rows: usize,
    /// delete rows whose key was not there.
    absent: usize,
    /// What the firmware's start repaired before.
    repairs: usize,
    /// Where the partition begins in the file.
    partition_offset: usize,
    sectors: usize,
    changed_sectors: Vec<usize>,
    /// By the firmware's start and the rows together.
    writes: usize,
    erases: usize,
    diff: Vec<Changed<'a>>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.out.as_deref().is_some_and(files::is_standard) && matches!(arguments.format, Format::Json) {
        return Err(Failure::unusable(
            "standard output can't be both the image (OUT is -) and the report (--format json)",
        ));
    }
    let (keys, taken) = (arguments.keys.keys.as_deref(), Taken::read_write(arguments.force));
    let mut image = arguments.partition.read(&arguments.image, keys, taken)?;
    image.expect_writable(arguments.force)?;
    let path = image.name().to_string();
    let changes = files::input_name(&arguments.changes);
    let rows = csv::read_changes(&read_table(&arguments.changes)?)
        .map_err(|error| Failure::unusable(format_args!("{changes}: {error}")))?;
    if image.bytes().len() == PAGE_SIZE {
        return Err(Failure::no(format_args!(
            "{path}: a partition of one page can't be changed: no page would stay free, and the firmware's next start fails \
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

    // Before the report, which says that it is there.
    if let Some(out) = arguments.out.as_ref().filter(|_| !arguments.dry_run) {
        files::write(out, image.content(), arguments.force)?;
        say(format_args!("{}: {summary}", files::created(out)));
    }
    if !arguments.dry_run && matches!(arguments.format, Format::Text) {
        return Ok(());
    }
    let (old, new) = (list(&before, image.keys())?, list(image.bytes(), image.keys())?);
    let differences = diff(&old, &new);
    let values = Values::masked()?;
    match arguments.format {
        Format::Text => {
            let lines = differences::text(&differences, &values);
            terminal::print(&format!("{lines}{summary}; nothing is written\n"))
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
            diff: differences::json(&differences, &values),
        }),
    }
}

/// What the firmware lists, of a copy: reading erases what it can't read.
fn list(image: &[u8], keys: Option<&Keys>) -> Result<Vec<Listed>, Failure> {
    let mut copy = Zeroizing::new(image.to_vec());
    Storage::open_as_firmware(SliceFlash::new(&mut copy), Mode::ReadWrite, keys.map(Keys::xts))
        .and_then(|mut storage| storage.list())
        .map_err(Failure::no)
}

/// What the row asks for can't be done (the answer is no), or makes no sense.
fn failed(changes: &impl std::fmt::Display, error: &PatchError) -> Failure {
    let message = format!("{changes}: {error}");
    match error.cause {
        PatchFault::Call(_) => Failure::no(message),
        _ => Failure::unusable(message),
    }
}
