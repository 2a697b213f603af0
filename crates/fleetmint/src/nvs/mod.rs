//! `fleetmint nvs`: one file per subcommand; `arguments` has the arguments that several of them share.

pub(crate) mod arguments;
mod check;
mod decrypt;
mod diff;
pub(crate) mod differences;
mod dump;
mod encrypt;
mod generate;
mod generate_key;
mod get;
mod mfg;
mod patch;
mod repair;

use clap::Subcommand;

use crate::exit::Failure;

/// Create, read, check, repair and change images of NVS partitions
///
/// NVS is the partition in which ESP-IDF firmware stores its settings. These commands need no server.
///
/// generate, generate-key, encrypt and decrypt take the arguments of Espressif's nvs_partition_gen.py and write the same
/// bytes. The other commands read and write an image exactly as the firmware's NVS library does.
///
/// In place of a file, - is standard input or standard output; a file of that name is ./-. An output is never one of the
/// inputs, and only its owner can read it.
///
/// Exit codes: 0 done, 1 the answer is no, 2 the input or the call is unusable.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Generate(generate::Arguments),
    GenerateKey(generate_key::Arguments),
    Encrypt(encrypt::Arguments),
    Decrypt(decrypt::Arguments),
    Dump(dump::Arguments),
    Get(get::Arguments),
    Check(check::Arguments),
    Repair(repair::Arguments),
    Patch(patch::Arguments),
    Diff(diff::Arguments),
    #[command(subcommand)]
    Mfg(mfg::Command),
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Generate(arguments) => generate::run(arguments),
        Command::GenerateKey(arguments) => generate_key::run(arguments),
        Command::Encrypt(arguments) => encrypt::run(arguments),
        Command::Decrypt(arguments) => decrypt::run(arguments),
        Command::Dump(arguments) => dump::run(arguments),
        Command::Get(arguments) => get::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Repair(arguments) => repair::run(arguments),
        Command::Patch(arguments) => patch::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Mfg(command) => mfg::run(command),
    }
}
