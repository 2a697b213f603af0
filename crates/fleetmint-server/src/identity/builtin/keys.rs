//! The keys that tokens are signed with: ECDSA on P-256 with SHA-256 (ES256, RFC 7518 §3.4).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
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
use crate::seal::{OpenError, Place, Seal, sha256};

/// Why there are no signing keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
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

/// The newest key signs; the others still verify.
pub(super) struct Keys {
    newest: SigningKey,
    older: Vec<SigningKey>,
    /// ring signs with its own randomness: ECDSA gives its key away if a nonce is ever predictable, so it takes none.
    random: SystemRandom,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all().map(|key| &key.jwk.kid)).finish()
    }
}

impl Keys {
    /// Reads the keys; makes the first where there is none.
    pub(super) fn start(database: &Database, seal: &Seal, now: Timestamp) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        // One transaction, which no other one may come between (SERIALIZABLE): of two servers that start on an empty
        // database, the second finds the first's key.
        database.write_blocking(|connection| {
            let mut keys = Vec::new();
            for row in store::signing_keys(connection)? {
                let pkcs8 = seal.open(place(&row.kid), &row.secret)?;
                keys.push(SigningKey::read(&pkcs8, &random).ok_or(KeyError::Damaged { kid: row.kid })?);
            }
            let mut keys = keys.into_iter();
            let newest = match keys.next() {
                Some(newest) => newest,
                None => {
                    let first = create(connection, seal, &random, now)?;
                    let record = Entry::of_start(now, Operation::CreateSigningKey);
                    audit::insert(connection, &record, Outcome::Succeeded)?;
                    first
                }
            };
            Ok(Self {
                newest,
                older: keys.collect(),
                random,
            })
        })
    }

    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    /// The public keys, newest first.
    pub(super) fn jwks(&self) -> Vec<Jwk> {
        self.all().map(|key| key.jwk.clone()).collect()
    }

    /// The id of the key that signs.
    pub(super) fn kid(&self) -> &str {
        &self.newest.jwk.kid
    }

    /// Signs: the two numbers, 32 bytes each, one after the other, as JWS wants them.
    pub(super) fn sign(&self, message: &[u8]) -> impl AsRef<[u8]> + use<> {
        match self.newest.pair.sign(&self.random, message) {
            Ok(signature) => signature,
            Err(cause) => random::end_process(cause),
        }
    }

    /// Whether the key of this id signed the message.
    pub(super) fn verify(&self, kid: &str, message: &[u8], signature: &[u8]) -> bool {
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

fn create(
    connection: &mut Connection,
    seal: &Seal,
    system: &SystemRandom,
    now: Timestamp,
) -> Result<SigningKey, KeyError> {
    let pkcs8 = match EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, system) {
        Ok(pkcs8) => pkcs8,
        Err(cause) => random::end_process(cause),
    };
    let key = SigningKey::read(pkcs8.as_ref(), system).ok_or_else(|| KeyError::Damaged {
        kid: "just created".into(),
    })?;
    let sealed = seal.seal(place(&key.jwk.kid), pkcs8.as_ref());
    store::insert_signing_key(connection, &key.jwk.kid, &sealed, now)?;
    Ok(key)
}

fn place(kid: &str) -> Place<'_> {
    Place {
        table: "signing_keys",
        row: kid,
        column: "secret",
    }
}
