//! `fleetmint nvs`: one file per subcommand.

use clap::Subcommand;

use crate::exit::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match *command {}
}
