//! `fleetmint device list`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::Shown;
use crate::client::{DeviceFilter, Models, Options, Server};
use crate::exit::Failure;
use crate::records::{self, FormatArgument};

/// List the devices
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint device list --model tempsensor
  fleetmint device list --format csv > devices.csv
  fleetmint device list --format json | jq -r '.[].client_id'")]
pub(crate) struct Arguments {
    /// Only devices of this model: its id or code
    #[arg(long)]
    model: Option<String>,

    /// Only the device with this serial
    // The server takes an empty one as none, and would list all devices.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    serial: Option<String>,

    /// Only devices whose key, client id, name or serial contains this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// The order: id, key, name, device_model_id, created_at or updated_at, with - before it for descending
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,

    /// How many at most [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,

    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = Server::open(&arguments.server)?;
    let models = Models::all(&server)?;
    let model = arguments.model.as_ref().map(|model| models.find(model)).transpose()?;
    let filter = DeviceFilter {
        model: model.map(|model| model.id),
        serial: arguments.serial.as_deref(),
        search: arguments.search.as_deref(),
        sort: arguments.sort.as_deref(),
    };
    let devices = server.devices(filter, arguments.limit.unwrap_or(usize::MAX))?;
    let shown: Vec<Shown> = devices
        .into_iter()
        .map(|device| Shown {
            model: models.code(device.device_model_id),
            device,
        })
        .collect();
    let columns = ["id", "key", "name", "serial", "model", "board"];
    records::print_all(arguments.format.format, &shown, columns)
}
