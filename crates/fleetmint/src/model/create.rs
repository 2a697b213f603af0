//! `fleetmint model create`.

use clap::Args;

use crate::client::{NewModel, Options, Server};
use crate::exit::Failure;
use crate::override_arguments::ValueArguments;
use crate::records::{self, FormatArgument};

/// Create a device model
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint model create tempsensor --name 'Temperature sensor'
  pass wifi/site | fleetmint model create gateway --name Gateway \\
    --wifi-ssid Site --wifi-password-file -")]
pub(crate) struct Arguments {
    /// The code: 1 to 50 of a-z, 0-9 and _; it never changes
    code: String,

    /// The name [default: the code]
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    values: ValueArguments,

    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = Server::open(&arguments.server)?;
    let model = server.create_model(&NewModel {
        code: &arguments.code,
        name: arguments.name.as_ref().unwrap_or(&arguments.code),
        provisioning: &arguments.values.read()?,
    })?;
    records::print_one(arguments.format.format, &model)
}
