//! `fleetmint nvs generate-key`: encryption keys, as `nvs_partition_gen.py generate-key`.

use clap::Args;

use super::arguments::keys::NewKeys;
use super::arguments::outdir::Outdir;
use crate::exit::Failure;
use crate::files;

/// Make keys for an encrypted partition
#[derive(Debug, Args)]
#[command(
    long_about = "Makes the keys of an encrypted NVS partition with the operating system's random generator, and writes them as a \
        key partition into the folder keys of the output folder. Only the owner can read the files.\n\n\
        There are two schemes. By default the keys lie in a partition of their own, nvs_keys, which flash encryption \
        protects. With --key_protect_hmac the chip derives them at each start from an HMAC key in its eFuse.",
    after_long_help = "\
Examples:
  fleetmint nvs generate-key --keyfile device.bin
  fleetmint nvs generate-key --key_protect_hmac --kp_hmac_keygen
  fleetmint nvs generate-key --key_protect_hmac --kp_hmac_inputkey hmac.bin

The first makes keys/device.bin, the second keys/keys-….bin and keys/hmac-keys-….bin.

A file of keys that exists is replaced with --force alone."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    keys: NewKeys,
    #[command(flatten)]
    outdir: Outdir,

    /// Replace files of keys that exist
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let made = arguments.keys.make(&arguments.outdir)?;
    files::write_all(&made.outputs().collect::<Vec<_>>(), arguments.force)?;
    made.announce();
    Ok(())
}
