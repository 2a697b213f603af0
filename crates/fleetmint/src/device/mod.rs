//! `fleetmint device`: one file per subcommand; `table` has what `import` and `export` share.

mod create;
mod delete;
mod edit;
mod export;
mod image;
mod import;
mod list;
mod show;
mod table;

use clap::Subcommand;

use crate::client::{Device, Server};
use crate::exit::Failure;
use crate::override_arguments::{shown_names, shown_values};
use crate::records::Record;

/// List, show, create, change and delete devices, and get their images
///
/// DEVICE is a device's id, its key or its client id.
///
/// `fleetmint login --help` says how the server and the token are found.
///
/// Exit codes: 0 done, 1 the answer is no, 2 the input or the call is unusable.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Show(show::Arguments),
    Create(create::Arguments),
    Edit(edit::Arguments),
    Delete(delete::Arguments),
    Image(image::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Create(arguments) => create::run(arguments),
        Command::Edit(arguments) => edit::run(arguments),
        Command::Delete(arguments) => delete::run(arguments),
        Command::Image(arguments) => image::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Export(arguments) => export::run(arguments),
    }
}

/// A device, and the code of its model.
struct Shown {
    device: Device,
    model: String,
}

impl Shown {
    /// Asks the server for the model of one device.
    fn one(server: &Server, device: Device) -> Result<Self, Failure> {
        let model = server.model_with_id(device.device_model_id)?;
        Ok(Self {
            model: model.map_or_else(|| device.device_model_id.to_string(), |model| model.code),
            device,
        })
    }
}

impl Record for Shown {
    type Json = Device;

    fn json(&self) -> &Device {
        &self.device
    }

    fn names() -> Vec<String> {
        let first = ["id", "key", "client_id", "name", "serial", "model", "board"].map(str::to_owned);
        let last = ["created_at", "updated_at"].map(str::to_owned);
        first.into_iter().chain(shown_names()).chain(last).collect()
    }

    fn values(&self) -> Vec<String> {
        let device = &self.device;
        let first = [
            device.id.to_string(),
            device.key.clone(),
            device.client_id.clone(),
            device.name.clone(),
            device.serial.clone().unwrap_or_default(),
            self.model.clone(),
            device.board().unwrap_or_default().to_owned(),
        ];
        let last = [device.created_at.clone(), device.updated_at.clone()];
        let values = shown_values(&device.provisioning);
        first.into_iter().chain(values).chain(last).collect()
    }
}
