//! `fleetmint nvs generate-key`: encryption keys, as `nvs_partition_gen.py generate-key`.

use clap::Args;

use super::arguments::keys::NewKeys;
use super::arguments::outdir::Outdir;
use crate::exit::Failure;
use crate::files;

/// Create the keys of an encrypted partition
///
/// The keys come from the operating system's random generator. They are written as a key partition to the folder keys of
/// the output folder, and only the owner can read the file.
///
/// There are two schemes. By default the keys are in a partition of their own, nvs_keys, which flash encryption protects.
/// With --key_protect_hmac the chip derives them at each start from an HMAC key in its eFuse.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint nvs generate-key --keyfile device.bin
  fleetmint nvs generate-key --key_protect_hmac --kp_hmac_keygen
  fleetmint nvs generate-key --key_protect_hmac --kp_hmac_inputkey hmac.bin

The first command creates keys/device.bin, the second keys/keys-….bin and keys/hmac-keys-….bin.

An existing file of keys is replaced only with --force.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    keys: NewKeys,
    #[command(flatten)]
    outdir: Outdir,

    /// Replace existing files of keys
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let created = arguments.keys.create(&arguments.outdir)?;
    files::write_all(&created.outputs().collect::<Vec<_>>(), arguments.force)?;
    created.announce();
    Ok(())
}
