//! `fleetmint model`: one file per subcommand.

mod create;
mod delete;
mod edit;
mod list;
mod show;

use clap::Subcommand;

use crate::client::Model;
use crate::exit::Failure;
use crate::override_arguments::{shown_names, shown_values};
use crate::records::Record;

/// List, show, create, change and delete device models
///
/// A model is a type of device: its code is a part of its devices' client ids, and its values apply to all of them. MODEL is a
/// model's id or its code.
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
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Create(arguments) => create::run(arguments),
        Command::Edit(arguments) => edit::run(arguments),
        Command::Delete(arguments) => delete::run(arguments),
    }
}

impl Record for Model {
    type Json = Self;

    fn json(&self) -> &Self {
        self
    }

    fn names() -> Vec<String> {
        let first = ["id", "code", "name"].map(str::to_owned);
        let last = ["created_at", "updated_at"].map(str::to_owned);
        first.into_iter().chain(shown_names()).chain(last).collect()
    }

    fn values(&self) -> Vec<String> {
        let first = [self.id.to_string(), self.code.clone(), self.name.clone()];
        let last = [self.created_at.clone(), self.updated_at.clone()];
        let values = shown_values(&self.provisioning);
        first.into_iter().chain(values).chain(last).collect()
    }
}
