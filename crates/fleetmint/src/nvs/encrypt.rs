//! `fleetmint nvs encrypt`: an encrypted image of tables, as `nvs_partition_gen.py encrypt`.

use std::path::PathBuf;

use clap::Args;
use fleetmint_nvs::crypt;

use super::arguments::keys::{self, MadeKeys, NewKeys};
use super::arguments::tables::Tables;
use crate::exit::Failure;
use crate::files::{self, Output, OutputKind};
use crate::terminal::{say, warn};

/// Make an encrypted image of tables
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    override_usage = "fleetmint nvs encrypt [OPTIONS] <IN.csv>... <OUT.bin> <SIZE> (--keygen | --inputkey <FILE>)",
    long_about = "Makes an encrypted image of one table or more, as generate does a plain one: AES-256-XTS over each entry. The keys \
        are made (--keygen), as generate-key makes them, or read (--inputkey).",
    after_long_help = "\
Examples:
  fleetmint nvs encrypt device.csv device.bin 0x6000 --keygen \\
    --keyfile device-keys.bin
  fleetmint nvs encrypt device.csv device.bin 0x6000 \\
    --inputkey keys/device-keys.bin
  fleetmint nvs encrypt device.csv device.bin 0x6000 --keygen \\
    --key_protect_hmac --kp_hmac_keygen

The image goes into a partition without the flag encrypted: NVS encrypts by itself."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    tables: Tables,

    /// Make new keys
    #[arg(long, required_unless_present = "inputkey", conflicts_with = "inputkey")]
    keygen: bool,

    /// Take the keys from this file: a key partition, or the bare 64 bytes; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "key_protect_hmac")]
    inputkey: Option<PathBuf>,

    #[command(flatten)]
    new_keys: NewKeys,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut built = arguments.tables.build()?;
    let (keys, made) = match &arguments.inputkey {
        Some(path) => {
            if arguments.new_keys.keyfile.is_some() {
                warn("--keyfile is for keys that --keygen makes: nothing is written to it");
            }
            (keys::read(path)?, None)
        }
        None => {
            let made = arguments.new_keys.make(&arguments.tables.outdir)?;
            (made.keys.clone(), Some(made))
        }
    };
    crypt::encrypt(&mut built.image, &keys).map_err(Failure::unusable)?;
    // First the image: keys that are there are replaced only when what needs the new ones is in place.
    let mut outputs = vec![Output {
        path: &built.path,
        bytes: &built.image,
        kind: OutputKind::Image,
    }];
    outputs.extend(made.iter().flat_map(MadeKeys::outputs));
    files::write_all(&outputs, arguments.tables.force)?;
    if let Some(made) = &made {
        made.announce();
    }
    say(format_args!(
        "{}: encrypted, {}",
        files::created(&built.path),
        built.summary
    ));
    Ok(())
}
