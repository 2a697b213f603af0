//! `fleetmint admin`: one file per subcommand.

mod backup;
mod reset_token;

use clap::Subcommand;

use crate::exit::Failure;
use crate::standard_output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Backup(backup::Backup),
    ResetToken(reset_token::ResetToken),
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    standard_output::expect()?;
    match command {
        Command::Backup(command) => backup::run(command),
        Command::ResetToken(command) => reset_token::run(command),
    }
}
