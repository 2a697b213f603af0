//! `fleetmint board restore`: a file back into the flash.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleetmint_board::flash_dump::{SECTOR, check_nvs};
use fleetmint_board::partition_table::Partition;
use md5::{Digest, Md5};
use serde::Serialize;

use super::flash::{Located, Part, finish};
use crate::chip::{Chip, Identity, Options};
use crate::exit::Failure;
use crate::files;
use crate::terminal::{self, Progress, count, say};

/// Write a file back into a partition, or into the whole flash
///
/// Only the sectors that differ are written, and each is compared with the chip's own MD5 afterwards. The file must have
/// exactly the size of the partition, or of the flash.
///
/// What the partition holds now is lost: `fleetmint board backup` saves it. If the connection is lost in between, run the
/// command again.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint board restore nvs.bin
  fleetmint board restore nvs.bin --dry-run
  fleetmint board restore flash.bin --all --baud 921600")]
pub(crate) struct Arguments {
    /// The file; - is standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    #[command(flatten)]
    part: Part,

    /// Write nothing, and show which sectors differ
    #[arg(long)]
    dry_run: bool,

    /// Write a file that is not NVS into an NVS partition
    #[arg(long)]
    force: bool,

    /// Format of the report
    #[arg(long, default_value = "text")]
    format: Format,

    #[command(flatten)]
    connection: Options,
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
    let content = files::read(&arguments.input)?;
    let mut chip = Chip::connect(&arguments.connection)?;
    let identity = chip.identity().clone();
    let restored = restore(arguments, &mut chip, &content);
    finish(chip);
    let (part, changed) = restored?;
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

/// Writes what differs; returns the numbers of those sectors.
fn restore(arguments: &Arguments, chip: &mut Chip, content: &[u8]) -> Result<(Located, Vec<usize>), Failure> {
    let name = files::input_name(&arguments.input);
    let part = arguments.part.locate(chip)?;
    if content.len() != part.range.len() {
        return Err(Failure::unusable(format_args!(
            "{name}: it has {:#x} bytes, and {} has {:#x}",
            content.len(),
            part.name,
            part.range.len()
        )));
    }
    if !part.range.start.is_multiple_of(SECTOR) || !part.range.len().is_multiple_of(SECTOR) {
        return Err(Failure::unusable(format_args!(
            "{}: it does not consist of whole sectors of {SECTOR:#x} bytes",
            part.name
        )));
    }
    if part.partition.as_ref().is_some_and(Partition::is_nvs)
        && !arguments.force
        && let Err(error) = check_nvs(content)
    {
        return Err(Failure::unusable(format_args!(
            "{name}: {error}; --force writes it into {} anyway",
            part.name
        )));
    }
    let mut changed = Vec::new();
    differing(chip, part.range.start, content, 0..content.len() / SECTOR, &mut changed)?;
    if !arguments.dry_run {
        let mut progress = Progress::new("sectors written", changed.len());
        for run in changed.chunk_by(|sector, next| sector + 1 == *next) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let bytes = sectors(content, &(*first..last + 1));
            chip.write_sectors(part.range.start + first * SECTOR, bytes, &mut || progress.step())?;
        }
    }
    Ok((part, changed))
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
