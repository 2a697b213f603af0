//! `fleetmint device image`: the image of a device's NVS partition in a file.

use std::path::PathBuf;

use clap::Args;

use crate::client::{Options, Server};
use crate::exit::Failure;
use crate::files;
use crate::size;
use crate::terminal::say;

/// Download the image of a device's NVS partition
///
/// The image holds the device's secret: only you can read the file, and the server records who got it. `fleetmint flash --image`
/// writes its values to a board and keeps everything else. Written with esptool, it replaces the whole partition: that is for an
/// erased board.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint device image vibxdl4f vibxdl4f.bin --size 0x6000
  fleetmint flash --image vibxdl4f.bin
  esptool write-flash 0x9000 vibxdl4f.bin")]
pub(crate) struct Arguments {
    /// The device's id, key or client id
    device: String,

    /// The image to write; - is standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// The size of the board's partition, such as 24576, 0x6000 or 24K; ESP-IDF's default partition tables have 0x6000
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    size: usize,

    /// Replace OUT even if it is a table, or holds keys
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    fleetmint_board::provisioning::check_partition_size(arguments.size)
        .map_err(|error| Failure::unusable(format_args!("--size: {error}")))?;
    let server = Server::open(&arguments.server)?;
    let device = server.device(&arguments.device)?;
    let image = server.provisioning_image(device.id, arguments.size)?;
    files::write(&arguments.output, image.as_ref(), arguments.force)?;
    say(format_args!(
        "{}: the image of {}, {} bytes",
        files::created(&arguments.output),
        device.client_id,
        image.len()
    ));
    Ok(())
}
