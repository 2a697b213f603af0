//! `fleetmint flash`: a device's identity, or a list of changes, onto the board on the cable.
//!
//! ```text
//!   source ──► what is wanted ─────────────┐
//!   board  ──► what the chip holds ────────┼──► plan ──► report ──► a person agrees ──► write ──► journal, chip
//!   journal ─► a write that was cut off ───┘                                      └──► server: started, then its outcome
//! ```

mod board;
mod interrupted;
mod report;
mod server;
mod source;
mod write;

use std::path::PathBuf;

use clap::Args;
use fleetmint_board::partition_table::Unfit;
use fleetmint_board::patch::changed_sectors;
use fleetmint_board::plan::{self, Options, Plan, Refusal};

use self::board::Board;
use self::interrupted::Interrupted;
use self::report::Report;
use self::source::Source;
use self::write::Incomplete;
use crate::board::{TableSource, finish};
use crate::chip::{self, Chip};
use crate::confirm::{confirm, expect_answer};
use crate::exit::Failure;
use crate::terminal::{Format, count};
use crate::{client, nvs};

/// Write a device's identity to the board on the cable, and keep everything else
///
/// The command reads the board's NVS partition, makes the changes that the firmware itself would make, and writes only the
/// sectors that differ. Wi-Fi settings, calibration and the values of other software stay, and never leave this computer.
///
/// Before it writes, it shows what changes and asks. If the connection is lost in between, run the same command again: it
/// completes the write, and nothing is lost.
///
/// Exit codes: 0 done, 1 the answer is no, 2 the input, the call or the connection is unusable.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint flash --device vibxdl4f
  fleetmint flash --device vibxdl4f --dry-run
  fleetmint flash --image device.bin --port /dev/ttyUSB0 --yes
  fleetmint flash --changes changes.csv --partition nvs

A list of changes has the rows of `fleetmint nvs patch`.

A board with flash encryption does not show its partition table: give the file of the firmware's build, and the keys \
of the partition if it is encrypted:
  fleetmint flash --device 7 --partition-table table.csv --nvs-keys keys.bin")]
pub(crate) struct Arguments {
    #[command(flatten)]
    what: What,

    /// The NVS partition [default: nvs, or the only partition of type nvs]
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,

    #[command(flatten)]
    table: TableSource,

    /// The keys of an encrypted partition: a key partition, or only the 64 bytes of the keys [default: those in the board's
    /// partition nvs_keys]
    #[arg(long, value_name = "KEYS.bin")]
    nvs_keys: Option<PathBuf>,

    /// If the partition cannot be kept, because the firmware would erase it or its keys are lost, write a fresh one; what it
    /// holds is lost
    #[arg(long)]
    overwrite: bool,

    /// The server has the device on another board, or another device on this board: replace that
    #[arg(long)]
    replace_board: bool,

    /// Write nothing, and show what would change
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,

    /// Format of the report
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    connection: chip::Options,

    #[command(flatten)]
    server: client::Options,
}

/// What is to be written.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The device whose identity the board gets: its id, its key or its client id
    #[arg(long, value_name = "REF")]
    device: Option<String>,

    /// A device's provisioning image, as `fleetmint device image` saves it; - is standard input
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,

    /// A list of changes; - is standard input
    #[arg(long, value_name = "CHANGES.csv")]
    changes: Option<PathBuf>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing was to be written.
    Unchanged,
    /// `--dry-run`.
    Planned,
    /// Written and verified.
    Written,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let not_asked = arguments.dry_run || arguments.yes;
    expect_answer(not_asked, arguments.what.takes_standard_input())?;
    if !arguments.dry_run && arguments.connection.no_stub {
        return Err(Failure::unusable(
            "without its stub the chip cannot write single sectors: leave out --no-stub, or give --dry-run",
        ));
    }
    if arguments.replace_board && arguments.what.device.is_none() {
        return Err(Failure::unusable(
            "--replace-board is for --device: only a server knows which board carries which device",
        ));
    }
    // What can be wrong without a board is found before it is reset.
    let source = Source::open(arguments)?;
    let files = board::Files::read(arguments)?;
    let mut chip = Chip::connect(&arguments.connection)?;
    let flashed = flash(arguments, &source, files, &mut chip);
    finish(chip);
    flashed
}

fn flash(arguments: &Arguments, source: &Source, files: board::Files, chip: &mut Chip) -> Result<(), Failure> {
    let board = Board::read(arguments, files, chip)?;
    let interrupted = Interrupted::find(&board)?;
    let plan = make_plan(arguments, source, &board, interrupted.as_ref())?;
    let changed = changed_sectors(board.partition.as_ref(), plan.after());
    let report = Report::new(&board, source, &plan, interrupted.as_ref(), &changed);
    match arguments.format {
        Format::Text => report.print()?,
        Format::Json if !arguments.dry_run && !arguments.yes => report.say(),
        Format::Json => {}
    }
    if arguments.dry_run || !(arguments.yes || arguments.replace_board) {
        source.warn_of_another_board(&board)?;
    }
    if arguments.dry_run {
        return report.end(arguments, Outcome::Planned);
    }
    if !changed.is_empty() {
        let question = format!("Write {} to the board?", count(changed.len(), "sector"));
        confirm(&question, arguments.yes)?;
    }
    let started = source.start(&board, arguments.replace_board)?;
    if changed.is_empty() {
        started.unchanged();
        if let Some(interrupted) = &interrupted {
            interrupted.journal.end()?;
        }
        return report.end(arguments, Outcome::Unchanged);
    }
    match write::write(chip, &board, &plan, interrupted.as_ref(), &changed, &source.name()) {
        Ok(journal) => {
            started.written(changed.len());
            journal.end()?;
            report.end(arguments, Outcome::Written)
        }
        Err(Incomplete { failure, begun }) => {
            started.failed(&failure.message, begun);
            Err(failure)
        }
    }
}

/// The plan for the partition as it is, or as it would be if the write that was cut off were complete.
fn make_plan(
    arguments: &Arguments,
    source: &Source,
    board: &Board,
    interrupted: Option<&Interrupted>,
) -> Result<Plan, Failure> {
    let states = interrupted.and_then(Interrupted::states);
    let partition = board::copy(states.map_or(board.partition.as_ref(), |(_, after)| after));
    let salt = nvs::differences::salt()?;
    let options = Options {
        overwrite: arguments.overwrite,
        salt: &salt,
    };
    let image = source.image(&board.target)?;
    let mut read_file = nvs::arguments::tables::read_file;
    let wanted = source.wanted(image.as_ref(), &mut read_file);
    let read = plan::Read {
        target: &board.target,
        partition,
        keys: &board.keys,
    };
    plan::plan(read, wanted, &options).map_err(|refusal| match refusal {
        Refusal::Image(_) | Refusal::Row(_) => Failure::unusable(format_args!("{}: {refusal}", source.name())),
        refusal => refused(&refusal),
    })
}

/// Why no plan is made, and which options help.
fn refused(refusal: &Refusal) -> Failure {
    let message = format!("{refusal}{}", advice(refusal));
    match refusal {
        Refusal::Partition(_) | Refusal::NotNvs { .. } | Refusal::Size { .. } => Failure::unusable(message),
        _ => Failure::no(message),
    }
}

fn advice(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Partition(Unfit::NotFound(_) | Unfit::SeveralNvs { .. } | Unfit::NotNvs { .. })
        | Refusal::ReadOnly { .. } => " (--partition NAME)",
        Refusal::NotEncrypted { .. } => "",
        refusal if refusal.is_about_keys() => {
            " (--nvs-keys FILE); --overwrite writes a fresh partition, and what this one holds is lost"
        }
        refusal if refusal.is_overwritable() => " (--overwrite)",
        Refusal::NoRoom { .. } => " (--changes with delete rows)",
        _ => "",
    }
}
