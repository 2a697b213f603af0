//! The built-in identity provider: clients, their secrets and the signing keys are rows of the database.
//!
//! The functions that take a connection run in the caller's transaction, so that a device and its client are created and
//! deleted together.

pub(crate) mod form;
mod keys;
mod store;
mod token;

use std::sync::Arc;

use jiff::Timestamp;

use super::{Client, Error, Repair, Status, new_secret};
use crate::config::Settings;
use crate::database::{self, Connection, Database};
use crate::operation::Operation;
use crate::random::Random;
use crate::seal::{Seal, SealedAt, sha256};
use crate::secret::Secret;
use crate::source::Source;

use crate::failures::Failures;
use keys::Keys;

pub(crate) use keys::Jwk;
pub use keys::SigningKeyError;
pub(crate) use store::SecretRow;
pub(crate) use token::{Credentials, Denied, LIFETIME};

/// The built-in identity provider. Cloning is cheap: all clones share the same keys and limits.
#[derive(Clone, Debug)]
pub struct Builtin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `iss` of its tokens. Without it, while `server.public_url` is not known, no tokens are issued.
    issuer: Option<String>,
    /// `aud` of its tokens.
    audience: String,
    keys: Keys,
    failures: Failures<(String, Source)>,
    seal: Seal,
    random: Arc<dyn Random>,
}

impl Builtin {
    /// Reads the signing keys, and creates the first in a new database.
    ///
    /// # Errors
    /// The database's; a signing key that is damaged or does not open.
    pub fn start(
        database: &Database,
        settings: &Settings,
        seal: &Seal,
        random: &Arc<dyn Random>,
        now: Timestamp,
    ) -> Result<Self, SigningKeyError> {
        Ok(Self(Arc::new(Inner {
            issuer: settings.server.public_url.clone(),
            audience: settings.identity.audience.clone(),
            keys: Keys::start(database, seal, now)?,
            failures: Failures::new(token::FAILURES_MAX, token::WINDOW),
            seal: seal.clone(),
            random: Arc::clone(random),
        })))
    }

    /// The issuer of its tokens; `None` while `server.public_url` is not known.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// The public keys that its tokens are verified with, newest first. A key that another process adds appears after a
    /// few seconds.
    pub(crate) async fn jwks(&self, now: Timestamp) -> Vec<Jwk> {
        self.0.keys.published(now).await.jwks()
    }

    /// Where devices get their tokens; `None` while `server.public_url` is not known.
    pub fn token_url(&self) -> Option<String> {
        let path = Operation::IssueToken.path();
        self.0.issuer.as_ref().map(|issuer| format!("{issuer}{path}"))
    }

    /// Creates a client with one secret.
    ///
    /// # Errors
    /// [`Error::ForeignClient`] if there is a client of this name; the database's.
    pub fn create(
        &self,
        connection: &mut Connection,
        client: Client<'_>,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<(), Error> {
        if !store::insert(connection, client, now)? {
            return Err(foreign(client.client_id));
        }
        match self.add_secret(
            connection,
            client.client_id,
            &random_id(self.0.random.as_ref()),
            secret,
            now,
        )? {
            true => Ok(()),
            false => Err(database::Error::Busy.into()),
        }
    }

    /// Deletes a client and its secrets, if it exists.
    ///
    /// # Errors
    /// Only the database's.
    pub fn delete(&self, connection: &mut Connection, client_id: &str) -> Result<(), Error> {
        Ok(store::delete(connection, client_id)?)
    }

    /// The client's newest secret, whether the client is enabled or not.
    ///
    /// # Errors
    /// [`Error::ClientMissing`], [`Error::SecretMissing`], [`Error::Seal`]; the database's.
    pub fn secret(&self, connection: &mut Connection, client_id: &str) -> Result<Secret, Error> {
        let newest = store::secrets(connection, client_id)?.into_iter().next();
        self.secret_of(connection, client_id, newest.as_ref())
    }

    /// The same, from a row that was already read.
    pub(crate) fn secret_of(
        &self,
        connection: &mut Connection,
        client_id: &str,
        newest: Option<&SecretRow>,
    ) -> Result<Secret, Error> {
        match newest {
            Some(row) => self.open(client_id, row),
            None if store::find(connection, client_id)?.is_none() => Err(client_missing(client_id)),
            None => Err(secret_missing(client_id)),
        }
    }

    /// The client's current state.
    ///
    /// # Errors
    /// Only the database's.
    pub fn status(&self, connection: &mut Connection, client: Client<'_>) -> Result<Status, Error> {
        let Some(row) = store::find(connection, client.client_id)? else {
            return Ok(Status::ABSENT);
        };
        let secret = self.secret(connection, client.client_id).is_ok();
        Ok(Status {
            exists: true,
            name: true,
            enabled: row.enabled,
            ours: row.device_key == client.device_key,
            flows: true,
            bearer: true,
            scope: true,
            secret,
            token: row.enabled && secret,
            refusal: None,
        })
    }

    /// Repairs the client, and returns what was repaired: by this call, where others repair it at the same time.
    ///
    /// # Errors
    /// [`Error::ForeignClient`] if the client is another device's; the database's.
    pub fn sync(&self, connection: &mut Connection, client: Client<'_>, now: Timestamp) -> Result<Vec<Repair>, Error> {
        let id = client.client_id;
        let is_created = store::insert(connection, client, now)?;
        // Unless another call deletes the client, it exists now.
        let row = store::find(connection, id)?.ok_or(database::Error::Busy)?;
        if row.device_key != client.device_key {
            return Err(foreign(id));
        }
        let mut repairs = Vec::new();
        if is_created {
            repairs.push(Repair::Created);
        }
        if !row.enabled && store::enable(connection, id)? {
            repairs.push(Repair::Enabled);
        }
        let newest = store::secrets(connection, id)?.into_iter().next();
        let is_usable = newest.as_ref().is_some_and(|newest| self.open(id, newest).is_ok());
        let secret = || new_secret(self.0.random.as_ref());
        let is_set =
            !is_usable && self.add_secret(connection, id, &id_of_repair(id, newest.as_ref()), &secret(), now)?;
        if is_set && !is_created {
            repairs.push(Repair::SecretSet);
        }
        Ok(repairs)
    }

    /// Enables or disables the client: a disabled one gets no tokens.
    ///
    /// # Errors
    /// [`Error::ClientMissing`]; the database's.
    pub fn set_enabled(&self, connection: &mut Connection, client_id: &str, enabled: bool) -> Result<(), Error> {
        if store::set_enabled(connection, client_id, enabled)? {
            Ok(())
        } else {
            Err(client_missing(client_id))
        }
    }

    /// Adds a secret, unless there is one with this id. Says whether there was none.
    fn add_secret(
        &self,
        connection: &mut Connection,
        client_id: &str,
        id: &str,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let row = secret_row(client_id, id);
        let sealed = self.0.seal.seal(secret_place(&row), secret.expose().as_bytes());
        Ok(store::insert_secret(connection, id, client_id, &sealed, now)?)
    }

    fn open(&self, client_id: &str, row: &SecretRow) -> Result<Secret, Error> {
        if row.secret.is_empty() {
            return Err(secret_missing(client_id));
        }
        let name = secret_row(client_id, &row.id);
        let bytes = self.0.seal.open(secret_place(&name), &row.secret)?;
        match std::str::from_utf8(&bytes) {
            Ok("") | Err(_) => Err(secret_missing(client_id)),
            Ok(text) => Ok(Secret::new(text.to_owned())),
        }
    }
}

fn client_missing(client_id: &str) -> Error {
    Error::ClientMissing {
        client_id: client_id.to_owned(),
    }
}

fn secret_missing(client_id: &str) -> Error {
    Error::SecretMissing {
        client_id: client_id.to_owned(),
    }
}

fn foreign(client_id: &str) -> Error {
    Error::ForeignClient {
        client_id: client_id.to_owned(),
    }
}

/// The name under which a secret is sealed. It contains the client, so that a row cannot be used for another client.
fn secret_row(client_id: &str, id: &str) -> String {
    format!("{client_id}/{id}")
}

fn secret_place(row: &str) -> SealedAt<'_> {
    SealedAt {
        table: "client_secrets",
        row,
        column: "secret",
    }
}

/// The id of a secret that a repair adds where the newest one cannot be used: 16 bytes in hexadecimal. It follows from the
/// newest one's id, so that of repairs at the same time the primary key lets one add a secret.
fn id_of_repair(client_id: &str, newest: Option<&SecretRow>) -> String {
    let before = newest.map_or("", |newest| newest.id.as_str());
    // A client id holds no line feed.
    let digest = sha256(format!("{client_id}\n{before}").as_bytes());
    let (id, _) = digest.as_chunks::<16>();
    id.first()
        .map(|id| format!("{:032x}", u128::from_be_bytes(*id)))
        .unwrap_or_default()
}

/// 16 random bytes in hexadecimal.
fn random_id(random: &dyn Random) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::database::prelude::*;
    use crate::database::race::Race;
    use crate::database::schema::client_secrets;
    use crate::random::SystemRandom;
    use crate::seal::MasterKey;

    const CLIENT: Client<'_> = Client {
        client_id: "iotdevice-m-a0000001",
        device_key: "a0000001",
        provider_ref: None,
    };

    fn builtin(race: &Race) -> Builtin {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let seal = Seal::new(&MasterKey::generate(&*random), Arc::clone(&random));
        Builtin(Arc::new(Inner {
            issuer: None,
            audience: String::new(),
            keys: Keys::start(race.database(), &seal, Timestamp::UNIX_EPOCH).unwrap(),
            failures: Failures::new(token::FAILURES_MAX, token::WINDOW),
            seal,
            random,
        }))
    }

    /// By all writers at once: how often each repair was reported, and the secrets that there are then.
    fn sync_at_once(race: &Race, builtin: &Builtin, now: Timestamp) -> (Vec<Repair>, Vec<SecretRow>) {
        let repairs = race.run(|connection| builtin.sync(connection, CLIENT, now).unwrap());
        let secrets = race.alone(|connection| store::secrets(connection, CLIENT.client_id).unwrap());
        (repairs.into_iter().flatten().collect(), secrets)
    }

    #[test]
    fn of_those_who_repair_a_client_one_does_and_there_is_one_secret() {
        for _ in 0..5 {
            let race = Race::new("");
            let builtin = builtin(&race);
            let (repairs, secrets) = sync_at_once(&race, &builtin, Timestamp::UNIX_EPOCH);
            assert_eq!(secrets.len(), 1);
            assert_eq!(repairs.iter().filter(|repair| **repair == Repair::Created).count(), 1);

            // Disabled, and with a secret that does not open.
            race.alone(|connection| {
                builtin.set_enabled(connection, CLIENT.client_id, false).unwrap();
                diesel::update(client_secrets::table)
                    .set(client_secrets::secret.eq(b"damaged".as_slice()))
                    .execute(connection)
                    .unwrap();
            });
            let (mut repairs, secrets) =
                sync_at_once(&race, &builtin, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1));
            assert_eq!(secrets.len(), 2);
            repairs.sort_by_key(|repair| *repair == Repair::SecretSet);
            assert_eq!(repairs, [Repair::Enabled, Repair::SecretSet]);
            race.alone(|connection| builtin.secret(connection, CLIENT.client_id).unwrap());
            let (repairs, secrets) = sync_at_once(&race, &builtin, Timestamp::UNIX_EPOCH);
            assert_eq!((repairs, secrets.len()), (vec![], 2));
        }
    }
}
