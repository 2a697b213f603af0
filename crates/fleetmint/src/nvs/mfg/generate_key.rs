//! `fleetmint nvs mfg generate-key`: encryption keys, as `mfg_gen.py generate-key`.

use clap::Args;

use crate::exit::Failure;
use crate::nvs::generate_key;

/// Create the keys of an encrypted partition, as mfg_gen.py does
///
/// This is nvs generate-key: the keys that it creates are for --inputkey, with which all devices of a run have the same keys.
#[derive(Debug, Args)]
#[group(skip)]
#[command(after_long_help = "\
Examples:
  fleetmint nvs mfg generate-key --keyfile line.bin
  fleetmint nvs mfg generate conf.csv values.csv Fan 0x6000 \\
    --inputkey keys/line.bin

An existing file of keys is replaced only with --force.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: generate_key::Arguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    generate_key::run(&arguments.key)
}
