//! `fleetmint admin`: one file per subcommand.

mod reset_token;

use clap::Subcommand;

use crate::exit::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    ResetToken(reset_token::ResetToken),
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::ResetToken(command) => reset_token::run(command),
    }
}
