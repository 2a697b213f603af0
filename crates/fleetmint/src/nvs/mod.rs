//! `fleetmint nvs`: one file per subcommand; `arguments` holds what several of them take.

mod arguments;
mod check;
mod decrypt;
mod diff;
mod differences;
mod dump;
mod encrypt;
mod generate;
mod generate_key;
mod get;
mod json;
mod patch;
mod repair;

use clap::Subcommand;

use crate::exit::Failure;

/// Make, read, check, repair and change NVS partition images
#[derive(Debug, Subcommand)]
#[command(
    long_about = "Makes, reads, checks, repairs and changes images of ESP-IDF's NVS partitions, without a server.\n\n\
        generate, generate-key, encrypt and decrypt take the arguments of Espressif's nvs_partition_gen.py and write the \
        same bytes. The others see an image as the firmware's own NVS library does.\n\n\
        Where a file is named, - is standard input or standard output; a file of that name is ./-. An output never is one of \
        the inputs, and only its owner can read it.\n\n\
        Exit codes: 0 done, 1 the answer is no, 2 the input or the call is unusable."
)]
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
    }
}
