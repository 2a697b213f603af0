//! `fleetmint board backup`: a part of the flash as a file.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::flash::{Part, finish, read};
use crate::chip::{Chip, Identity, Options};
use crate::exit::Failure;
use crate::files;
use crate::terminal::{self, Format, say};

/// Save a partition, or the whole flash, in a file
///
/// Every byte is compared with the chip's own MD5. The file holds secrets: only its owner can read it. `fleetmint board
/// restore` writes it back, and `fleetmint nvs` reads it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint board backup nvs.bin
  fleetmint board backup otadata.bin --partition otadata
  fleetmint board backup flash.bin --all --baud 921600")]
pub(crate) struct Arguments {
    /// The file to write; - is standard output
    out: PathBuf,

    #[command(flatten)]
    part: Part,

    /// Replace OUT even if it is a table, or holds keys
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
    size: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if files::is_standard(&arguments.out) && matches!(arguments.format, Format::Json) {
        return Err(Failure::unusable(
            "standard output cannot be both the backup (OUT is -) and the report (--format json)",
        ));
    }
    let mut chip = Chip::connect(&arguments.connection)?;
    let identity = chip.identity().clone();
    let content = arguments
        .part
        .locate(&mut chip)
        .and_then(|part| Ok((read(&mut chip, &part.range)?, part)));
    finish(chip);
    let (content, part) = content?;
    files::write(&arguments.out, content.as_ref(), arguments.force)?;
    match arguments.format {
        Format::Text => {
            say(format_args!(
                "{}: {} of {} {}, {:#x} bytes at offset {:#x}",
                files::created(&arguments.out),
                part.name,
                identity.chip,
                identity.mac,
                part.range.len(),
                part.range.start
            ));
            Ok(())
        }
        Format::Json => terminal::print_json(&Report {
            identity: &identity,
            partition: part.partition.as_ref().map(|partition| partition.name.as_str()),
            offset: part.range.start,
            size: part.range.len(),
        }),
    }
}
