//! `fleetmint logout`: deletes a stored token.

use clap::Args;

use crate::client::{Address, LoginFile};
use crate::exit::Failure;
use crate::terminal::say;

/// Delete the stored token for a server
///
/// The token stays valid: it is deleted here only.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The server's URL [default: the server of the last login]
    url: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let logins = LoginFile::read()?;
    let address = match &arguments.url {
        Some(url) => {
            Some(Address::parse(url).map_err(|rule| Failure::unusable(format_args!("the server's URL {rule}")))?)
        }
        None => logins.server()?,
    };
    let none = |server: &str| Failure::no(format_args!("{}: there is no login{server}", logins.path().display()));
    let Some(address) = address else {
        return Err(none(" to log out from; name a server"));
    };
    let missing = none(&format!(" to {address}"));
    if logins.token(&address).is_none() {
        return Err(missing);
    }
    let (_, removed) = LoginFile::change(|logins| logins.remove(&address))?;
    if !removed {
        return Err(missing);
    }
    say(format_args!("logged out from {address}"));
    Ok(())
}
