//! `fleetmint model edit`.

use clap::Args;

use crate::client::{ModelChange, Options, Server};
use crate::exit::Failure;
use crate::override_arguments::ChangeArguments;
use crate::records::{self, FormatArgument};

/// Change a device model
///
/// What no option names stays as it is. Devices get new values when their boards are flashed the next time.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model's id or code
    model: String,

    /// The new name
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    values: ChangeArguments,

    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let provisioning = arguments.values.read()?;
    if arguments.name.is_none() && provisioning.is_empty() {
        return Err(Failure::unusable(
            "there is nothing to change: no option names a new value",
        ));
    }
    let server = Server::open(&arguments.server)?;
    let model = server.model(&arguments.model)?;
    let change = ModelChange {
        name: arguments.name.as_deref(),
        provisioning: &provisioning,
    };
    let model = server.change_model(model.id, &change)?;
    records::print_one(arguments.format.format, &model)
}
