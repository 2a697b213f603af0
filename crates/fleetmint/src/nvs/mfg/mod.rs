//! `fleetmint nvs mfg`: the images of a production run, as Espressif's `mfg_gen.py`.
//!
//! ```text
//! generate ──► check ──► work       pass 1: every image in memory; all errors; nothing is written
//!    │           │         │
//!    │           ├──► names, keys   what the files of a device are called; its encryption keys
//!    │           ▼
//!    └─────► write ──► files, tar   pass 2: the files, or one archive; the manifest last
//!                │
//!                └──► label_output ──► labels      codes, their table, and the sheets
//! ```

mod check;
mod existing;
mod files_read;
mod generate;
mod generate_key;
mod keys;
mod label_output;
mod labels;
mod manifest;
mod names;
mod run;
mod tar;
mod work;
mod write;

use clap::Subcommand;

use crate::exit::Failure;

/// Create the images of a production run, as mfg_gen.py does
///
/// Two tables describe a run: the configuration names the keys, the values have a device in each row. Every row is checked
/// before the first file is written.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Generate(Box<generate::Arguments>),
    GenerateKey(generate_key::Arguments),
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Generate(arguments) => generate::run(arguments),
        Command::GenerateKey(arguments) => generate_key::run(arguments),
    }
}
