//! `fleetmint login`: stores a token for a server.

use std::io::{self, IsTerminal};

use clap::Args;
use zeroize::Zeroizing;

use crate::client::{Address, LoginFile, Server, Token};
use crate::exit::Failure;
use crate::system_error::reason;
use crate::terminal::say;

/// Store the token for a server
///
/// The token is asked for on the terminal, or read from standard input if that is no terminal: never from an argument, which
/// other users could see. It is stored after the server has accepted it, in the file login.json of
/// $XDG_CONFIG_HOME/fleetmint, or ~/.config/fleetmint, which only you can read. From then on the other commands use this
/// server where none is named.
///
/// The server of a command is the first of these: the option --server, the variable FLEETMINT_URL, the server of the last
/// login, and the one that runs with the folder fleetmint-data here.
///
/// Its token is the first of these: the variable FLEETMINT_TOKEN, the file that FLEETMINT_TOKEN_FILE names, the login, and
/// fleetmint-data/admin-token. A token is only sent to its own server: one of the variables needs a server that is named too.
///
/// FLEETMINT_CA_FILE names a PEM file with the authorities that are trusted instead of the system's.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  fleetmint login https://fleetmint.example.com
  pass fleetmint/token | fleetmint login https://fleetmint.example.com")]
pub(crate) struct Arguments {
    /// The server's URL
    url: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let address =
        Address::parse(&arguments.url).map_err(|rule| Failure::unusable(format_args!("the server's URL {rule}")))?;
    // Whether a login can be stored is known before anybody types a token.
    LoginFile::read()?;
    let token = token(&address)?;
    let server = Server::with(address.clone(), token.clone())?;
    server.check_token()?;
    let (logins, ()) = LoginFile::change(|logins| logins.add(&address, token))?;
    say(format_args!(
        "logged in to {address}; the token is stored in {}",
        logins.path().display()
    ));
    Ok(())
}

fn token(address: &Address) -> Result<Token, Failure> {
    if !io::stdin().is_terminal() {
        return Token::read_standard_input();
    }
    let text = rpassword::prompt_password(format!("Token for {address}: "))
        .map(Zeroizing::new)
        .map_err(|error| Failure::unusable(format_args!("the terminal: {}", reason(&error))))?;
    Token::new(&text).map_err(|rule| Failure::unusable(format_args!("the token {rule}")))
}
