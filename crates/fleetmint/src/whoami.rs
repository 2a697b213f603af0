//! `fleetmint whoami`: the server and the token that the other commands use.

use clap::Args;
use serde::Serialize;

use crate::client::{Options, Server};
use crate::exit::Failure;
use crate::records::{self, FormatArgument, Record};

/// Show which server and which token the commands use, and whether the server accepts it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    format: FormatArgument,

    #[command(flatten)]
    server: Options,
}

#[derive(Debug, Serialize)]
struct Caller {
    server: String,
    /// Where it was found, never the token.
    token_from: String,
}

impl Record for Caller {
    type Json = Self;

    fn json(&self) -> &Self {
        self
    }

    fn names() -> Vec<String> {
        ["server", "token_from"].map(str::to_owned).into()
    }

    fn values(&self) -> Vec<String> {
        vec![self.server.clone(), self.token_from.clone()]
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let server = Server::open(&arguments.server)?;
    server.check_token()?;
    let caller = Caller {
        server: server.address().to_string(),
        token_from: server.token_source().to_string(),
    };
    records::print_one(arguments.format.format, &caller)
}
