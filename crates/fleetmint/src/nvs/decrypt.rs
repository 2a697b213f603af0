//! `fleetmint nvs decrypt`: the plain image of an encrypted one, as `nvs_partition_gen.py decrypt`.

use std::path::PathBuf;

use clap::Args;
use fleetmint_nvs::{Error, crypt};

use super::arguments::image;
use super::arguments::keys;
use super::arguments::outdir::Outdir;
use crate::exit::Failure;
use crate::files;
use crate::terminal::say;

/// Decrypt an image
///
/// Each entry is decrypted in its place. If no entry passes its checksum with these keys, they are the wrong ones: the exit
/// code is 1, and nothing is written.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  fleetmint nvs decrypt device.bin keys/device-keys.bin plain.bin

`fleetmint nvs dump --keys` shows the values of an encrypted image without a plain copy on disk.")]
pub(crate) struct Arguments {
    /// The encrypted image; - is standard input
    #[arg(value_name = "IN.bin")]
    input: PathBuf,

    /// The keys: a key partition, or only the 64 bytes of the keys; - is standard input
    #[arg(value_name = "KEYS.bin")]
    keys: PathBuf,

    /// The plain image to write; - is standard output
    #[arg(value_name = "OUT.bin")]
    output: PathBuf,

    #[command(flatten)]
    outdir: Outdir,

    /// Decrypt the file even if it seems not to be NVS; replace a table or keys
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let keys = keys::read(&arguments.keys)?;
    let mut image = image::read_alone(&arguments.input, arguments.force)?;
    crypt::decrypt(&mut image, &keys).map_err(|error| {
        let message = format!("{}: {error}", files::input_name(&arguments.input));
        match error {
            Error::WrongKey { .. } => Failure::no(message),
            _ => Failure::unusable(message),
        }
    })?;
    let path = arguments.outdir.place(&arguments.output);
    files::write(&path, &image, arguments.force)?;
    say(format_args!(
        "{}: decrypted, {} bytes",
        files::created(&path),
        image.len()
    ));
    Ok(())
}
