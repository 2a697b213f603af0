//! `fleetmint device edit`.

use clap::Args;

use super::Shown;
use crate::client::{DeviceChange, Options, Server};
use crate::exit::Failure;
use crate::override_arguments::ChangeArguments;
use crate::records::{self, FormatArgument};

/// Change a device
///
/// What no option names stays as it is. The device gets new values when its board is flashed the next time.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The device's id, key or client id
    device: String,

    /// The new name
    #[arg(long)]
    name: Option<String>,

    /// The new serial
    #[arg(long, conflicts_with = "no_serial")]
    serial: Option<String>,

    /// Remove the serial
    #[arg(long)]
    no_serial: bool,

    #[command(flatten)]
    values: ChangeArguments,

    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let provisioning = arguments.values.read()?;
    let serial = match &arguments.serial {
        Some(serial) => Some(Some(serial.as_str())),
        None => arguments.no_serial.then_some(None),
    };
    if arguments.name.is_none() && serial.is_none() && provisioning.is_empty() {
        return Err(Failure::unusable(
            "there is nothing to change: no option names a new value",
        ));
    }
    let server = Server::open(&arguments.server)?;
    let device = server.device(&arguments.device)?;
    let change = DeviceChange {
        name: arguments.name.as_deref(),
        serial,
        provisioning: &provisioning,
    };
    let device = server.change_device(device.id, &change)?;
    records::print_one(arguments.format.format, &Shown::one(&server, device)?)
}
