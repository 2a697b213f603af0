//! Which server is meant, and which token is for it.

use super::Options;
use super::address::Address;
use super::connection::Server;
use super::login_file::LoginFile;
use super::token::{self, Token, TokenSource};
use crate::exit::Failure;
use crate::local_server::{self, LocalServer};

const URL_VARIABLE: &str = "FLEETMINT_URL";

impl Server {
    /// The server that is meant, with its token. Nothing is sent yet.
    ///
    /// # Errors
    /// No server is named, there is no token for it, or one of both is unusable.
    pub(crate) fn open(options: &Options) -> Result<Self, Failure> {
        let named = named(options)?;
        let given = token::of_environment()?;
        let (address, (token, source)) = match (named, given) {
            (Some(address), Some(given)) => (address, given),
            (Some(address), None) => {
                let token = stored(&address)?;
                (address, token)
            }
            (None, Some((_, source))) => {
                return Err(Failure::unusable(format_args!(
                    "a token is given ({source}), but not the server that it is for: set {URL_VARIABLE}, or use --server"
                )));
            }
            (None, None) => unnamed()?,
        };
        Self::new(address, token, source)
    }

    /// A server that is logged in to, with a token that is not stored yet.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub(crate) fn with(address: Address, token: Token) -> Result<Self, Failure> {
        Self::new(address, token, TokenSource::Entered)
    }
}

/// The server that the command line or the environment names.
fn named(options: &Options) -> Result<Option<Address>, Failure> {
    let parsed =
        |name: &str, text: &str| Address::parse(text).map_err(|rule| Failure::unusable(format_args!("{name}: {rule}")));
    if let Some(text) = &options.server {
        return parsed("--server", text).map(Some);
    }
    let text = token::variable(URL_VARIABLE)?;
    text.map(|text| parsed(URL_VARIABLE, &text)).transpose()
}

/// The stored token for a server that is named.
fn stored(address: &Address) -> Result<(Token, TokenSource), Failure> {
    let logins = LoginFile::read()?;
    if let Some(token) = logins.token(address) {
        return Ok((token.clone(), TokenSource::Login(logins.path().to_owned())));
    }
    if let Ok(Some(local)) = local_server::find()
        && Address::parse(&local.url).is_ok_and(|here| here == *address)
    {
        return of_local(&local);
    }
    Err(Failure::unusable(format_args!(
        "there is no token for {address}: `fleetmint login {address}` stores one; FLEETMINT_TOKEN or FLEETMINT_TOKEN_FILE \
         gives one for a single call"
    )))
}

/// The server of the last login, else the one that runs with the data folder here.
fn unnamed() -> Result<(Address, (Token, TokenSource)), Failure> {
    let logins = LoginFile::read()?;
    if let Some(address) = logins.server()?
        && let Some(token) = logins.token(&address)
    {
        let source = TokenSource::Login(logins.path().to_owned());
        return Ok((address, (token.clone(), source)));
    }
    let Some(local) = local_server::find()? else {
        return Err(Failure::unusable(format_args!(
            "no server is named: use --server or {URL_VARIABLE}, log in with `fleetmint login URL`, or run this in the \
             folder that holds the {} of a running server",
            local_server::FOLDER
        )));
    };
    let address = Address::parse(&local.url)
        .map_err(|rule| Failure::unusable(format_args!("{}: {rule}", local.address_path.display())))?;
    Ok((address, of_local(&local)?))
}

fn of_local(local: &LocalServer) -> Result<(Token, TokenSource), Failure> {
    let path = &local.token_path;
    Ok((Token::read(path)?, TokenSource::DataFolder(path.clone())))
}
