//! `fleetmint model show`.

use clap::Args;

use crate::client::{Options, Server};
use crate::exit::Failure;
use crate::records::{self, FormatArgument};

/// Show a device model
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model's id or code
    model: String,

    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = Server::open(&arguments.server)?.model(&arguments.model)?;
    records::print_one(arguments.format.format, &model)
}
