//! The keys that tokens are signed with: ECDSA on P-256 with SHA-256 (ES256, RFC 7518 §3.4).

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::store;
use crate::audit::{self, Entry, Outcome};
use crate::database::{self, Connection, Database};
use crate::operation::Operation;
use crate::random;
use crate::seal::{OpenError, Seal, SealedAt, sha256};

/// Why the signing keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("the signing key {kid} in the database is damaged")]
    Damaged { kid: String },
    #[error(transparent)]
    Sealed(#[from] OpenError),
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// A public key as verifiers read it (RFC 7517).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Jwk {
    #[schema(example = "EC")]
    kty: &'static str,
    #[schema(example = "P-256")]
    crv: &'static str,
    /// The coordinates of the point, base64url of 32 bytes each.
    x: String,
    y: String,
    #[schema(example = "ES256")]
    alg: &'static str,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    purpose: &'static str,
    /// The key's thumbprint (RFC 7638).
    kid: String,
}

struct SigningKey {
    pair: EcdsaKeyPair,
    jwk: Jwk,
}

/// The signing keys of the database, as of the last reading. Another process may add one at any time.
pub(super) struct Keys {
    database: Database,
    seal: Seal,
    read: Mutex<Arc<KeySet>>,
    /// The time when a token with an unknown key or a call for the public list last caused a reading.
    asked_at: Mutex<Option<Timestamp>>,
}

/// The pause after a reading: otherwise anyone could cause a reading with each call.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The signing keys at one moment. The newest signs; the others still verify.
pub(super) struct KeySet {
    newest: SigningKey,
    older: Vec<SigningKey>,
    /// ring signs with its own randomness: ECDSA reveals its key if a nonce is ever predictable, so it accepts none.
    random: SystemRandom,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.current().kids()).finish()
    }
}

impl Keys {
    /// Reads the keys, and creates the first in a new database.
    pub(super) fn start(database: &Database, seal: &Seal, now: Timestamp) -> Result<Self, SigningKeyError> {
        let keys = database.write_blocking(|connection| {
            if let Some(keys) = KeySet::read(connection, seal)? {
                return Ok(keys);
            }
            if create_first(connection, seal, now)? {
                let record = Entry::of_start(now, Operation::CreateSigningKey);
                audit::insert(connection, &record, Outcome::Succeeded)?;
            }
            // Another server may have created it since the database was read.
            let keys = KeySet::read(connection, seal)?;
            Ok::<_, SigningKeyError>(keys.ok_or(database::Error::Busy)?)
        })?;
        Ok(Self {
            database: database.clone(),
            seal: seal.clone(),
            read: Mutex::new(Arc::new(keys)),
            asked_at: Mutex::default(),
        })
    }

    /// The keys as of the last reading.
    pub(super) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.read.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys for the public list. They are read again, but not within [`PAUSE`] after the last reading; if the database
    /// fails, the keys stay as they were.
    pub(super) async fn published(&self, now: Timestamp) -> Arc<KeySet> {
        if !self.may_ask(now) {
            return self.current();
        }
        self.latest().await.unwrap_or_else(|error| {
            tracing::error!(%error, "the signing keys could not be read again; those known are published");
            self.current()
        })
    }

    /// The keys as the database has them now.
    ///
    /// # Errors
    /// The database's alone: a key that does not open is logged, and the keys stay as they were.
    async fn latest(&self) -> Result<Arc<KeySet>, database::Error> {
        let current = self.current();
        let (known, seal) = (Arc::clone(&current), self.seal.clone());
        let read = move |connection: &mut Connection| {
            // Opening keys takes far longer than comparing their names.
            let kids = store::signing_key_ids(connection)?;
            if kids.iter().map(String::as_str).eq(known.kids()) {
                return Ok(None);
            }
            KeySet::read(connection, &seal)
        };
        let read = self.database.read(read).await;
        match read {
            Ok(Some(keys)) => {
                tracing::info!(
                    newest = keys.kid(),
                    "the signing keys were read again: they had changed"
                );
                let keys = Arc::new(keys);
                *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
                Ok(keys)
            }
            Ok(None) => Ok(current),
            Err(SigningKeyError::Database(error)) => Err(error),
            Err(error) => {
                tracing::error!(%error, "the signing keys have changed, and cannot be read");
                Ok(current)
            }
        }
    }

    /// Whether the key of this id signed the message. If the id is unknown, the database is asked for new keys, but not
    /// again within [`PAUSE`].
    ///
    /// # Errors
    /// Only the database's.
    pub(super) async fn verify(
        &self,
        kid: &str,
        message: &[u8],
        signature: &[u8],
        now: Timestamp,
    ) -> Result<bool, database::Error> {
        let mut keys = self.current();
        if !keys.has(kid) && self.may_ask(now) {
            keys = self.latest().await?;
        }
        Ok(keys.verify(kid, message, signature))
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back does not prolong the pause.
        let is_recent = |at: Timestamp| (SignedDuration::ZERO..PAUSE).contains(&now.duration_since(at));
        if asked_at.is_some_and(is_recent) {
            return false;
        }
        *asked_at = Some(now);
        true
    }
}

impl KeySet {
    /// `None` if the database has no key.
    fn read(connection: &mut Connection, seal: &Seal) -> Result<Option<Self>, SigningKeyError> {
        let random = SystemRandom::new();
        let mut keys = Vec::new();
        for row in store::signing_keys(connection)? {
            let pkcs8 = seal.open(sealed_at(&row.kid), &row.secret)?;
            keys.push(SigningKey::read(&pkcs8, &random).ok_or(SigningKeyError::Damaged { kid: row.kid })?);
        }
        let mut keys = keys.into_iter();
        Ok(keys.next().map(|newest| Self {
            newest,
            older: keys.collect(),
            random,
        }))
    }

    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    fn kids(&self) -> impl Iterator<Item = &str> {
        self.all().map(|key| key.jwk.kid.as_str())
    }

    fn has(&self, kid: &str) -> bool {
        self.kids().any(|known| known == kid)
    }

    /// The public keys, newest first.
    pub(super) fn jwks(&self) -> Vec<Jwk> {
        self.all().map(|key| key.jwk.clone()).collect()
    }

    /// The id of the key that signs.
    pub(super) fn kid(&self) -> &str {
        &self.newest.jwk.kid
    }

    /// Signs: the two numbers, 32 bytes each, one after the other, as JWS requires.
    pub(super) fn sign(&self, message: &[u8]) -> impl AsRef<[u8]> + use<> {
        match self.newest.pair.sign(&self.random, message) {
            Ok(signature) => signature,
            Err(cause) => random::end_process(cause),
        }
    }

    fn verify(&self, kid: &str, message: &[u8], signature: &[u8]) -> bool {
        self.all().find(|key| key.jwk.kid == kid).is_some_and(|key| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.pair.public_key().as_ref())
                .verify(message, signature)
                .is_ok()
        })
    }
}

impl SigningKey {
    fn read(pkcs8: &[u8], random: &SystemRandom) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, random).ok()?;
        // An uncompressed point (SEC 1 §2.3.3): 04, then 32 bytes of x, then 32 of y.
        let (_, point) = pair.public_key().as_ref().split_first()?;
        let (x, y) = point.split_at_checked(32)?;
        let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y));
        // RFC 7638 §3: the required members in the order of their names, without blanks.
        let thumbprint = sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
        let jwk = Jwk {
            kty: "EC",
            crv: "P-256",
            x,
            y,
            alg: "ES256",
            purpose: "sig",
            kid: BASE64_URL_SAFE_NO_PAD.encode(thumbprint),
        };
        Some(Self { pair, jwk })
    }
}

/// Creates the first key, unless there is one. Says whether there was none.
fn create_first(connection: &mut Connection, seal: &Seal, now: Timestamp) -> Result<bool, SigningKeyError> {
    let system = SystemRandom::new();
    let pkcs8 = match EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &system) {
        Ok(pkcs8) => pkcs8,
        Err(cause) => random::end_process(cause),
    };
    let key = SigningKey::read(pkcs8.as_ref(), &system).ok_or_else(|| SigningKeyError::Damaged {
        kid: "just created".into(),
    })?;
    let sealed = seal.seal(sealed_at(&key.jwk.kid), pkcs8.as_ref());
    Ok(store::insert_first_signing_key(connection, &key.jwk.kid, &sealed, now)?)
}

fn sealed_at(kid: &str) -> SealedAt<'_> {
    SealedAt {
        table: "signing_keys",
        row: kid,
        column: "secret",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::prelude::*;
    use crate::database::race::Race;
    use crate::database::schema::signing_keys;
    use crate::random::SystemRandom as SecretBytes;
    use crate::seal::MasterKey;

    #[tokio::test]
    async fn another_processs_key_verifies_without_a_restart_and_unknown_keys_cause_few_readings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleetmint.db");
        let database = Database::open(&path).unwrap();
        let seal = Seal::new(&MasterKey::generate(&SecretBytes), Arc::new(SecretBytes));
        let start = Timestamp::UNIX_EPOCH;
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let keys = Keys::start(&database, &seal, start).unwrap();
        let first = keys.current().kid().to_owned();

        let other = Database::attach(&path).unwrap();
        let add = |seconds| {
            other
                .write_blocking::<_, SigningKeyError>(|connection| {
                    // The one before is not the first any more, so that another can be created.
                    diesel::update(signing_keys::table)
                        .set(signing_keys::is_first.eq(None::<bool>))
                        .execute(connection)
                        .unwrap();
                    assert!(create_first(connection, &seal, at(seconds))?);
                    Ok(())
                })
                .unwrap();
            keys_of(&other, &seal)
        };
        let verifies = async |by: &KeySet, seconds| {
            let signature = by.sign(b"message");
            let verified = keys.verify(by.kid(), b"message", signature.as_ref(), at(seconds));
            verified.await.unwrap()
        };

        let second = add(1);
        assert_ne!(second.kid(), first);
        assert!(verifies(&second, 10).await);
        let forged = keys
            .verify(second.kid(), b"another", second.sign(b"message").as_ref(), at(10))
            .await;
        assert!(!forged.unwrap());
        assert_eq!(keys.current().kid(), second.kid(), "the newest signs");

        // Within the pause nothing is read; after it, it is.
        let third = add(2);
        assert!(!verifies(&third, 14).await);
        assert!(verifies(&third, 15).await);

        // The same for the public list.
        let published = async |seconds| {
            let keys = keys.published(at(seconds)).await;
            keys.kids().map(str::to_owned).collect::<Vec<_>>()
        };
        let fourth = add(3);
        let before = [third.kid(), second.kid(), &first];
        assert_eq!(published(19).await, before);
        let all = [fourth.kid(), third.kid(), second.kid(), &first];
        assert_eq!(published(20).await, all);
        assert!(verifies(&fourth, 20).await);

        // A clock that was set back does not prolong the pause.
        assert!(!verifies(&add(4), 21).await);
        assert!(verifies(&keys_of(&other, &seal), 1).await);

        // The list is published even if the database fails.
        let known = published(1).await;
        other
            .write_blocking::<_, database::Error>(|connection| {
                diesel::sql_query("DROP TABLE signing_keys").execute(connection)?;
                Ok(())
            })
            .unwrap();
        assert!(keys.latest().await.is_err());
        assert_eq!(published(100).await, known);
    }

    #[test]
    fn of_those_who_create_the_first_key_one_does() {
        let seal = Seal::new(&MasterKey::generate(&SecretBytes), Arc::new(SecretBytes));
        for _ in 0..5 {
            let race = Race::new("");
            race.has_one_winner(|connection| create_first(connection, &seal, Timestamp::UNIX_EPOCH).unwrap());
            let keys = race.alone(|connection| store::signing_keys(connection).unwrap());
            assert_eq!(keys.len(), 1);
        }
    }

    fn keys_of(database: &Database, seal: &Seal) -> Arc<KeySet> {
        Keys::start(database, seal, Timestamp::UNIX_EPOCH).unwrap().current()
    }
}
