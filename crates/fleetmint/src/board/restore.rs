//! `fleetmint board restore`: a file back into the flash, or a write undone that was cut off.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use fleetmint_board::flash_dump::{SECTOR, check_nvs};
use fleetmint_board::partition_table::{Partition, quoted_name};
use md5::{Digest, Md5};
use serde::Serialize;

use super::flash::{Located, Part, finish};
use crate::chip::{Chip, Identity, Options};
use crate::confirm::{confirm, expect_answer};
use crate::exit::Failure;
use crate::files;
use crate::journal::{Facts, Journal};
use crate::terminal::{self, Format, Progress, count, say};

/// Write a file back into a partition, or into the whole flash
///
/// Only the sectors that differ are written, and each is compared with the chip's own MD5 afterwards. The file must have
/// exactly the size of the partition, or of the flash.
///
/// The command asks first, since what the partition holds now is lost: `fleetmint board backup` saves it. If the connection is
/// lost in between, run the command again.
///
/// Without a file, the command undoes a write of `fleetmint flash` that was cut off: the partition becomes what it was.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint board restore nvs.bin
  fleetmint board restore nvs.bin --dry-run
  fleetmint board restore flash.bin --all --baud 921600
  fleetmint board restore")]
pub(crate) struct Arguments {
    /// The file; - is standard input [default: what a partition held before a write that was cut off]
    #[arg(value_name = "IN", required_if_eq("all", "true"))]
    input: Option<PathBuf>,

    #[command(flatten)]
    part: Part,

    /// Write nothing, and show which sectors differ
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,

    /// Write a file that is not NVS into an NVS partition
    #[arg(long)]
    force: bool,

    /// Format of the report
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    connection: Options,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    identity: &'a Identity,
    partition: Option<&'a str>,
    offset: usize,
    sectors: usize,
    /// The numbers of the sectors that differed, from the beginning of the partition.
    changed_sectors: Vec<usize>,
    written: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let input_is_taken = arguments.input.as_deref() == Some(Path::new("-"));
    expect_answer(arguments.dry_run || arguments.yes, input_is_taken)?;
    let content = arguments.input.as_deref().map(files::read).transpose()?;
    let mut chip = Chip::connect(&arguments.connection)?;
    let identity = chip.identity().clone();
    let restored = match (&arguments.input, &content) {
        (Some(input), Some(content)) => restore(arguments, &mut chip, input, content),
        _ => undo(arguments, &mut chip),
    };
    // Firmware that started on a write that is not complete would find half of it.
    if !matches!(restored, Err(Stopped { begun: true, .. })) {
        finish(chip);
    }
    let (part, changed) = restored.map_err(|stopped| stopped.failure)?;
    let sectors = part.range.len() / SECTOR;
    if matches!(arguments.format, Format::Json) {
        return terminal::print_json(&Report {
            identity: &identity,
            partition: part.partition.as_ref().map(|partition| partition.name.as_str()),
            offset: part.range.start,
            sectors,
            written: !arguments.dry_run && !changed.is_empty(),
            changed_sectors: changed,
        });
    }
    let board = format!("{} of {} {}", part.name, identity.chip, identity.mac);
    match (changed.len(), arguments.dry_run) {
        (0, _) => say(format_args!("{board}: all {} are the same", count(sectors, "sector"))),
        (number, true) => say(format_args!("{board}: {number} of {} differ", count(sectors, "sector"))),
        (number, false) => say(format_args!(
            "{board}: {number} of {} written and verified",
            count(sectors, "sector")
        )),
    }
    Ok(())
}

/// The part of the flash that was restored, and the numbers of the sectors that differed.
type Restored = (Located, Vec<usize>);

/// Why nothing was restored, or not everything.
struct Stopped {
    failure: Failure,
    /// Whether sectors may have been erased.
    begun: bool,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self { failure, begun: false }
    }
}

/// Writes what differs from a file.
fn restore(arguments: &Arguments, chip: &mut Chip, input: &Path, content: &[u8]) -> Result<Restored, Stopped> {
    let name = files::input_name(input);
    let part = arguments.part.locate(chip)?;
    if content.len() != part.range.len() {
        let size = content.len();
        let hint = match size == chip.identity().flash_size {
            true => ", as the whole flash has (--all)",
            false => "",
        };
        return Err(Failure::unusable(format_args!(
            "{name}: it has {size:#x} bytes{hint}, and {} has {:#x}",
            part.name,
            part.range.len()
        ))
        .into());
    }
    if !part.range.start.is_multiple_of(SECTOR) || !part.range.len().is_multiple_of(SECTOR) {
        return Err(Failure::unusable(format_args!(
            "{}: it does not consist of whole sectors of {SECTOR:#x} bytes",
            part.name
        ))
        .into());
    }
    if part.partition.as_ref().is_some_and(Partition::is_nvs)
        && !arguments.force
        && let Err(error) = check_nvs(content)
    {
        return Err(Failure::unusable(format_args!(
            "{name}: {error}; --force writes it into {} anyway",
            part.name
        ))
        .into());
    }
    let changed = write(arguments, chip, &part, content)?;
    if !arguments.dry_run {
        // The file has replaced what a write that was cut off has left.
        for journal in Journal::find(&chip.identity().mac)? {
            let Facts { offset, size, .. } = journal.facts;
            if part.range.start <= offset && offset.saturating_add(size) <= part.range.end {
                journal.end()?;
            }
        }
    }
    Ok((part, changed))
}

/// Undoes a write that was cut off.
fn undo(arguments: &Arguments, chip: &mut Chip) -> Result<Restored, Stopped> {
    let mut journals = Journal::find(&chip.identity().mac)?;
    if let Some(name) = arguments.part.name() {
        journals.retain(|journal| journal.facts.partition == name);
    }
    let names = |journals: &[Journal]| {
        let names = journals
            .iter()
            .map(|journal| quoted_name(&journal.facts.partition).into_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    let journal = match journals.as_slice() {
        [journal] => journal,
        [] => {
            return Err(Failure::unusable("no write to this board was cut off: name the file to restore").into());
        }
        several => {
            return Err(Failure::unusable(format_args!(
                "writes to several partitions were cut off: choose one of {} with --partition",
                names(several)
            ))
            .into());
        }
    };
    let facts = &journal.facts;
    let name = format!("partition {}", quoted_name(&facts.partition));
    let range = facts.offset..facts.offset.saturating_add(facts.size);
    let partition = match arguments.part.locate_named(chip, &facts.partition)? {
        Some(located) if located.range != range => {
            return Err(Failure::no(format_args!(
                "{name} was {:#x} bytes at offset {:#x} when the write was cut off, and has another place now: delete {} to give \
                 up what it held",
                facts.size,
                facts.offset,
                journal.path().display()
            ))
            .into());
        }
        located => located.and_then(|located| located.partition),
    };
    say(format_args!(
        "{name}: undoing the write of {} ({})",
        facts.what, facts.started
    ));
    let part = Located { name, range, partition };
    let changed = write(arguments, chip, &part, journal.before())?;
    if !arguments.dry_run {
        journal.end()?;
    }
    Ok((part, changed))
}

/// Writes the sectors that differ, and returns their numbers.
fn write(arguments: &Arguments, chip: &mut Chip, part: &Located, content: &[u8]) -> Result<Vec<usize>, Stopped> {
    let start = part.range.start;
    let mut changed = Vec::new();
    differing(chip, start, content, 0..content.len() / SECTOR, &mut changed)?;
    if !arguments.dry_run && !changed.is_empty() {
        let sectors = count(changed.len(), "sector");
        let question = format!(
            "Write {sectors} of {}? What the board holds there now is lost.",
            part.name
        );
        confirm(&question, arguments.yes)?;
        chip.expect_stub()?;
        let mut progress = Progress::new("sectors written", changed.len());
        let written = chip.write_changed(start, content, &changed, &mut || progress.step());
        drop(progress);
        written.map_err(|failure| {
            let message = format!(
                "{}; the write was cut off: run the same command again before the firmware starts",
                failure.message
            );
            Stopped {
                failure: Failure { message, ..failure },
                begun: true,
            }
        })?;
    }
    Ok(changed)
}

fn sectors<'a>(content: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    content
        .get(range.start * SECTOR..range.end * SECTOR)
        .unwrap_or_default()
}

/// Finds the sectors that differ by the chip's MD5 of ever smaller parts, so that nothing has to be read.
fn differing(
    chip: &mut Chip,
    offset: usize,
    content: &[u8],
    range: Range<usize>,
    found: &mut Vec<usize>,
) -> Result<(), Failure> {
    let bytes = sectors(content, &range);
    if bytes.is_empty() {
        return Ok(());
    }
    let here: [u8; 16] = Md5::digest(bytes).into();
    if chip.md5(offset + range.start * SECTOR, bytes.len())? == here {
        return Ok(());
    }
    if range.len() == 1 {
        found.push(range.start);
        return Ok(());
    }
    let middle = range.start + range.len() / 2;
    differing(chip, offset, content, range.start..middle, found)?;
    differing(chip, offset, content, middle..range.end, found)
}
