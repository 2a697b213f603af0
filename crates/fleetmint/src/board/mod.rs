//! `fleetmint board`: one file per subcommand; `flash` and `nvs` have what several of them read of a chip.

mod backup;
mod flash;
mod info;
mod list;
mod nvs;
mod restore;
#[cfg(feature = "client")]
mod verify;

use clap::Subcommand;

#[cfg(feature = "client")]
pub(crate) use flash::{TableSource, finish};

use crate::exit::Failure;

/// Look at the board on the USB cable, and back up and restore its flash
///
/// The board needs no special firmware: the commands reset it into download mode, use Espressif's loader, and reset it again
/// at the end.
///
/// Exit codes: 0 done, 1 the answer is no, 2 the input, the call or the connection is unusable.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Info(info::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    #[cfg(feature = "client")]
    Verify(verify::Arguments),
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments),
        Command::Info(arguments) => info::run(arguments),
        Command::Backup(arguments) => backup::run(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        #[cfg(feature = "client")]
        Command::Verify(arguments) => verify::run(arguments),
    }
}
