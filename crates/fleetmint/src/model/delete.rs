//! `fleetmint model delete`.

use clap::Args;

use crate::client::{Options, Server};
use crate::confirm::confirm;
use crate::exit::Failure;
use crate::terminal;

/// Delete a device model that no device has
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model's id or code
    model: String,

    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = Server::open(&arguments.server)?;
    let model = server.model(&arguments.model)?;
    let named = format!("the device model {} ({})", model.code, model.name);
    confirm(&format!("Delete {named}?"), arguments.yes)?;
    server.delete_model(model.id)?;
    terminal::say(format_args!("deleted {named}"));
    Ok(())
}
