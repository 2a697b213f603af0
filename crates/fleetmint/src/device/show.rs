//! `fleetmint device show`.

use clap::Args;

use super::Shown;
use crate::client::{Options, Server};
use crate::exit::Failure;
use crate::records::{self, FormatArgument};

/// Show a device
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The device's id, key or client id
    device: String,

    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = Server::open(&arguments.server)?;
    let device = server.device(&arguments.device)?;
    records::print_one(arguments.format.format, &Shown::one(&server, device)?)
}
