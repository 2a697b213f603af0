//! `fleetmint board`: one file per subcommand; `connection` has what every command that uses the cable says when it fails.

mod backup;
mod connection;
mod info;
mod list;
mod restore;
#[cfg(all(feature = "client", feature = "serve"))]
mod verify;
