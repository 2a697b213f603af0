//! `fleetmint device delete`.

use clap::Args;

use crate::client::{Options, Server};
use crate::confirm::confirm;
use crate::exit::Failure;
use crate::terminal;

/// Delete a device and its OAuth2 client
///
/// What a board got from its image is worthless then: it gets no more tokens.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The device's id, key or client id
    device: String,

    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = Server::open(&arguments.server)?;
    let device = server.device(&arguments.device)?;
    let named = format!(
        "the device {} ({}) with its client {}",
        device.key, device.name, device.client_id
    );
    confirm(&format!("Delete {named}?"), arguments.yes)?;
    server.delete_device(device.id)?;
    terminal::say(format_args!("deleted {named}"));
    Ok(())
}
