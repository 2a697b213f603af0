//! `fleetmint nvs encrypt`: an encrypted image from tables, as `nvs_partition_gen.py encrypt`.

use std::path::PathBuf;

use clap::Args;
use fleetmint_nvs::crypt;

use super::arguments::keys::{self, CreatedKeys, NewKeys};
use super::arguments::tables::Tables;
use crate::exit::Failure;
use crate::files::{self, Output, OutputKind};
use crate::terminal::{say, warn};

/// Create an encrypted image from tables
///
/// The image is that of generate, with each entry encrypted by AES-256-XTS. --keygen creates the keys, as generate-key does;
/// --inputkey reads them from a file.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    override_usage = "fleetmint nvs encrypt [OPTIONS] <IN.csv>... <OUT.bin> <SIZE> (--keygen | --inputkey <FILE>)",
    after_long_help = "\
Examples:
  fleetmint nvs encrypt device.csv device.bin 0x6000 --keygen \\
    --keyfile device-keys.bin
  fleetmint nvs encrypt device.csv device.bin 0x6000 \\
    --inputkey keys/device-keys.bin
  fleetmint nvs encrypt device.csv device.bin 0x6000 --keygen \\
    --key_protect_hmac --kp_hmac_keygen

Write the image to a partition without the flag encrypted: NVS encrypts by itself."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    tables: Tables,

    /// Create new keys
    #[arg(long, required_unless_present = "inputkey", conflicts_with = "inputkey")]
    keygen: bool,

    /// Read the keys from this file: a key partition, or only the 64 bytes of the keys; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "key_protect_hmac")]
    inputkey: Option<PathBuf>,

    #[command(flatten)]
    new_keys: NewKeys,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut built = arguments.tables.build()?;
    let (keys, created) = match &arguments.inputkey {
        Some(path) => {
            if arguments.new_keys.keyfile.is_some() {
                warn("--keyfile is for the keys that --keygen creates: nothing is written to it");
            }
            (keys::read(path)?, None)
        }
        None => {
            let created = arguments.new_keys.create(&arguments.tables.outdir)?;
            (created.keys.clone(), Some(created))
        }
    };
    crypt::encrypt(&mut built.image, &keys).map_err(Failure::unusable)?;
    // The image comes first: existing keys are replaced only after the image that needs the new ones exists.
    let mut outputs = vec![Output {
        path: &built.path,
        bytes: &built.image,
        kind: OutputKind::Image,
    }];
    outputs.extend(created.iter().flat_map(CreatedKeys::outputs));
    files::write_all(&outputs, arguments.tables.force)?;
    if let Some(created) = &created {
        created.announce();
    }
    say(format_args!(
        "{}: encrypted, {}",
        files::created(&built.path),
        built.summary
    ));
    Ok(())
}
