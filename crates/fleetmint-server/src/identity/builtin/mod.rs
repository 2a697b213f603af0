//! The built-in identity provider.

mod store;

use jiff::Timestamp;
use std::sync::Arc;
use zeroize::Zeroizing;

use super::{Client, Error};
use crate::app::Random;
use crate::database::Connection;
use crate::seal::{Place, Seal};
use crate::secret::Secret;

/// The built-in identity provider: clients, their secrets and the signing keys live in the database.
///
/// What it does to a client happens in the caller's transaction, so that a device and its client come and go together.
#[derive(Clone, Debug)]
pub struct Builtin {
    seal: Seal,
    random: Arc<dyn Random>,
}

impl Builtin {
    pub fn new(seal: Seal, random: Arc<dyn Random>) -> Self {
        Self { seal, random }
    }

    /// Makes a client with this secret.
    ///
    /// # Errors
    /// There is a client of this name ([`Error::ForeignClient`]); no randomness; the database's.
    pub fn create(
        &self,
        connection: &mut Connection,
        client: Client<'_>,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<(), Error> {
        store::insert_client(connection, client, now)?;
        self.add_secret(connection, client.client_id, secret, now)
    }

    /// Adds a secret to those that a client has.
    fn add_secret(
        &self,
        connection: &mut Connection,
        client_id: &str,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<(), Error> {
        let id = super::new_secret(&*self.random)?;
        let sealed = self.seal.seal(place(id.expose()), secret.expose().as_bytes())?;
        Ok(store::insert_secret(connection, id.expose(), client_id, &sealed, now)?)
    }

    /// The newest of a client's secrets, whether the client is enabled or not.
    ///
    /// # Errors
    /// [`Error::ClientMissing`], [`Error::SecretMissing`]; it does not open; the database's.
    pub fn secret(&self, connection: &mut Connection, client_id: &str) -> Result<Secret, Error> {
        let missing = || Error::SecretMissing {
            client_id: client_id.to_owned(),
        };
        let Some((id, sealed)) = store::newest_secret(connection, client_id)? else {
            return Err(if store::has_client(connection, client_id)? {
                missing()
            } else {
                Error::ClientMissing {
                    client_id: client_id.to_owned(),
                }
            });
        };
        let opened = self.seal.open(place(&id), &sealed)?;
        let text = Zeroizing::new(String::from_utf8(opened.to_vec()).map_err(|_| missing())?);
        if text.trim().is_empty() {
            Err(missing())
        } else {
            Ok(Secret::new(text.as_str().to_owned()))
        }
    }

    /// Removes a client and its secrets; one that is not there is no error.
    ///
    /// # Errors
    /// Only the database's.
    pub fn delete(&self, connection: &mut Connection, client_id: &str) -> Result<(), Error> {
        Ok(store::delete_client(connection, client_id)?)
    }
}

/// Where a secret is sealed: its own id is known before its row is written.
fn place(secret_id: &str) -> Place<'_> {
    Place {
        table: "client_secrets",
        row: secret_id,
        column: "secret",
    }
}
