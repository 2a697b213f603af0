//! `fleetmint model list`.

use clap::Args;

use crate::client::{Options, Server};
use crate::exit::Failure;
use crate::records::{self, FormatArgument};

/// List the device models
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only models whose code or name contains this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// The order: id, code, name or created_at, with - before it for descending
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
    let most = arguments.limit.unwrap_or(usize::MAX);
    let models = server.models(arguments.search.as_deref(), arguments.sort.as_deref(), most)?;
    records::print_all(arguments.format.format, &models, ["id", "code", "name", "created_at"])
}
