//! `fleetmint device export`: a table of the devices that `import` takes.

use std::path::PathBuf;

use clap::Args;
use fleetmint_board::provisioning::Setting;

use super::table::Column;
use crate::client::{Device, DeviceFilter, Models, Options, Server};
use crate::exit::Failure;
use crate::override_arguments::{MASK, is_secret, shown};
use crate::{files, records, terminal};

/// Write the devices as a table that `fleetmint device import` takes
///
/// The table has no secrets: a Wi-Fi password, and a broker's user name and password, are *** in it. An import refuses such a
/// row until the secret is put in. A value that is empty on purpose, so that devices do not get the model's, is not in the
/// table either; a warning counts them.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint device export devices.csv
  fleetmint device export --model tempsensor > tempsensors.csv

Ids, keys and client ids are in `fleetmint device list --format csv`: an import creates new ones.")]
pub(crate) struct Arguments {
    /// The table to write; - is standard output
    #[arg(value_name = "OUT.csv", default_value = "-")]
    output: PathBuf,

    /// Only devices of this model: its id or code
    #[arg(long)]
    model: Option<String>,

    /// Replace OUT.csv even if it is a table, or holds keys
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = Server::open(&arguments.server)?;
    let models = Models::all(&server)?;
    let model = arguments.model.as_ref().map(|model| models.find(model)).transpose()?;
    let filter = DeviceFilter {
        model: model.map(|model| model.id),
        ..DeviceFilter::default()
    };
    let devices = server.devices(filter, usize::MAX)?;
    let names: Vec<String> = Column::all().map(|column| column.name().to_owned()).collect();
    let rows = devices.iter().map(|device| row(device, &models));
    let table = records::csv(&names, rows)?;
    if files::is_standard(&arguments.output) {
        terminal::print_data(&table)?;
    } else {
        files::write(&arguments.output, &table, arguments.force)?;
        let devices = terminal::count(devices.len(), "device");
        terminal::say(format_args!("{}: {devices}", files::created(&arguments.output)));
    }
    warn(&devices);
    Ok(())
}

fn row(device: &Device, models: &Models) -> Vec<String> {
    let value = |column| match column {
        Column::Model => models.code(device.device_model_id),
        Column::Name => device.name.clone(),
        Column::Serial => device.serial.clone().unwrap_or_default(),
        Column::Override(setting) => match shown(&device.provisioning, setting) {
            Some("set") if is_secret(setting) => MASK.to_owned(),
            Some("empty") if is_secret(setting) => String::new(),
            value => value.unwrap_or_default().to_owned(),
        },
    };
    Column::all().map(value).collect()
}

/// What the table does not have.
fn warn(devices: &[Device]) {
    let count = |has: fn(Setting, &str) -> bool| {
        let has = |device: &&Device| {
            let mut values = Setting::OVERRIDABLE
                .into_iter()
                .filter_map(|setting| Some((setting, shown(&device.provisioning, setting)?)));
            values.any(|(setting, value)| has(setting, value))
        };
        devices.iter().filter(has).count()
    };
    let masked = count(|setting, value| match is_secret(setting) {
        true => value == "set",
        false => value.contains(MASK),
    });
    let empty = count(|setting, value| value.is_empty() || is_secret(setting) && value == "empty");
    if masked > 0 {
        terminal::warn(format_args!(
            "secrets of {} are {MASK} in the table",
            terminal::count(masked, "device")
        ));
    }
    if empty > 0 {
        terminal::warn(format_args!(
            "values of {} that are empty on purpose are not in the table",
            terminal::count(empty, "device")
        ));
    }
}
