//! `fleetmint model`, one file per subcommand.

mod create;
mod delete;
mod edit;
mod list;
mod show;
