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

/// Make the plain image of an encrypted one
#[derive(Debug, Args)]
#[command(
    long_about = "Decrypts an image, each entry at its own place. If no entry is sound under these keys, they are the wrong ones: \
        exit code 1, and nothing is written.",
    after_long_help = "\
Example:
  fleetmint nvs decrypt device.bin keys/device-keys.bin plain.bin

To read what an encrypted image holds, `fleetmint nvs dump --keys` needs no plain copy on disk."
)]
pub(crate) struct Arguments {
    /// The encrypted image; - is standard input
    #[arg(value_name = "IN.bin")]
    input: PathBuf,

    /// The keys: a key partition, or the bare 64 bytes; - is standard input
    #[arg(value_name = "KEYS.bin")]
    keys: PathBuf,

    /// The plain image to write; - is standard output
    #[arg(value_name = "OUT.bin")]
    output: PathBuf,

    #[command(flatten)]
    outdir: Outdir,

    /// Decrypt it even if it seems not to be NVS; replace a table or keys
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
