//! The server over HTTP: where it is, the token, the calls, and its problems as errors.
//!
//! ```text
//! --server, environment ──► address ──┐
//! environment, login_file, ──► token ─┴─► connection ──► devices, models, flashes     error: a problem as one line
//! local_server
//! ```
//!
//! A token is only sent to the server that it was given for: one of the environment to the server that is named there or on
//! the command line, one of the login file to the server of that login, and one of a data folder to the server that runs
//! with it.

mod address;
mod connection;
mod devices;
mod error;
mod find;
#[cfg_attr(
    not(feature = "cable"),
    allow(dead_code, reason = "only commands with a board call them")
)]
mod flashes;
mod login_file;
mod models;
mod overrides;
mod page;
mod token;

use clap::Args;

pub(crate) use address::Address;
pub(crate) use connection::Server;
pub(crate) use devices::{Device, DeviceChange, DeviceFilter, NewDevice};
pub(crate) use error::Error;
#[cfg(feature = "cable")]
pub(crate) use flashes::{BeginError, FlashEnd, FlashOutcome, FlashPartition, FlashStart, Verified};
pub(crate) use login_file::LoginFile;
pub(crate) use models::{Model, ModelChange, Models, NewModel};
pub(crate) use overrides::{Override, OverridesChange};
pub(crate) use token::Token;

/// Which server.
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The server's URL [default: FLEETMINT_URL, the server of the last login, or the one that runs with the folder
    /// fleetmint-data here]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}
