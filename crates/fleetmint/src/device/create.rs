//! `fleetmint device create`.

use clap::Args;

use super::Shown;
use crate::client::{NewDevice, Options, Server};
use crate::exit::Failure;
use crate::override_arguments::ValueArguments;
use crate::records::{self, FormatArgument};

/// Create a device, with its key, its OAuth2 client and the client's secret
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  fleetmint device create --model tempsensor --name Kitchen \\
    --serial SN-2026-000042")]
pub(crate) struct Arguments {
    /// The model's id or code
    #[arg(long)]
    model: String,

    /// The name
    #[arg(long)]
    name: String,

    /// Your own number for it, such as the one on its label; no two devices have the same
    #[arg(long)]
    serial: Option<String>,

    #[command(flatten)]
    values: ValueArguments,

    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let provisioning = arguments.values.read()?;
    let server = Server::open(&arguments.server)?;
    let model = server.model(&arguments.model)?;
    let new = NewDevice {
        device_model_id: model.id,
        name: &arguments.name,
        serial: arguments.serial.as_deref(),
        provisioning: &provisioning,
    };
    let shown = Shown {
        device: server.create_device(&new, None)?.device,
        model: model.code,
    };
    records::print_one(arguments.format.format, &shown)
}
