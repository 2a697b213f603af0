//! The client-credentials grant (RFC 6749 §4.4): a client authenticates itself and gets a signed token.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{Builtin, Error, random_id, store};
use crate::clock::Clock;
use crate::database::{self, Connection};
use crate::secret::Secret;
use crate::source::Source;

/// How long a token is valid.
pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_secs(300);

/// How many failures of one client from one address are allowed in one [`WINDOW`].
pub(super) const FAILURES_MAX: u32 = 10;

/// It begins with the first failure.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// The 64 bytes of a signature in base64url.
const SIGNATURE_LEN: usize = 86;

/// Failures are counted by this many first characters of a client id; no client has a longer one.
const CLIENT_ID_MAX: usize = 128;

/// What a client authenticates itself with.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
}

/// Why a client gets no token.
#[derive(Debug)]
pub(crate) enum Denied {
    /// The client is unknown or disabled, or its secret is wrong; the answer does not say which.
    Invalid,
    /// The same, after too many failures.
    TooOften {
        wait: Duration,
    },
    Provider(Error),
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    /// The client that the token was issued to, as OpenID Connect names it.
    azp: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
}

impl Builtin {
    /// Checks a client's secret. A failure counts towards the limit of its client and address.
    ///
    /// The right secret is always accepted: otherwise anyone who shares the device's address could lock it out.
    pub(crate) fn authenticate(
        &self,
        connection: &mut Connection,
        credentials: &Credentials,
        source: Source,
        clock: &dyn Clock,
    ) -> Result<(), Denied> {
        let client_id = &credentials.client_id;
        let enabled = store::find(connection, client_id)
            .map_err(|error| Denied::Provider(error.into()))?
            .is_some_and(|client| client.enabled);
        let secrets = store::secrets(connection, client_id).map_err(|error| Denied::Provider(error.into()))?;
        let given = credentials.client_secret.expose().as_bytes();
        let (mut matches, now) = (false, clock.now());
        for row in secrets.iter().filter(|row| row.is_live(now)) {
            match self.open(client_id, row) {
                Ok(secret) => matches |= bool::from(secret.expose().as_bytes().ct_eq(given)),
                Err(Error::SecretMissing { .. }) => {}
                Err(error) => return Err(Denied::Provider(error)),
            }
        }
        if enabled && matches {
            return Ok(());
        }
        let key = (client_id.chars().take(CLIENT_ID_MAX).collect(), source.subscriber());
        let (failures, at) = (&self.0.failures, clock.monotonic());
        if let Some(wait) = failures.wait(&key, at) {
            return Err(Denied::TooOften { wait });
        }
        failures.add(&key, at);
        Err(Denied::Invalid)
    }

    /// Signs a token for a client that was authenticated.
    pub(crate) fn issue(&self, issuer: &str, client_id: &str, now: Timestamp) -> Result<Secret, Error> {
        let keys = self.0.keys.current();
        let header = Header {
            alg: "ES256".to_owned(),
            typ: "JWT".to_owned(),
            kid: keys.kid().to_owned(),
        };
        let claims = Claims {
            iss: issuer.to_owned(),
            sub: client_id.to_owned(),
            azp: client_id.to_owned(),
            aud: self.0.audience.clone(),
            iat: now.as_second(),
            exp: now.as_second().saturating_add(LIFETIME.as_secs()),
            jti: random_id(self.0.random.as_ref()),
        };
        let (header, claims) = (encode(&header)?, encode(&claims)?);
        // With its full capacity from the start: a text that grows leaves copies behind.
        let mut token = String::with_capacity(header.len() + claims.len() + SIGNATURE_LEN + 2);
        for part in [&header, ".", &claims] {
            token.push_str(part);
        }
        let signature = keys.sign(token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(Secret::new(token))
    }

    /// The client that this token was issued to, if it is one of our valid tokens.
    ///
    /// # Errors
    /// Only the database's, which is asked for the keys of other processes.
    pub(crate) async fn subject(&self, token: &str, now: Timestamp) -> Result<Option<String>, database::Error> {
        let Some(read) = SignedToken::read(token) else {
            return Ok(None);
        };
        // This is checked before the signature, because an unknown key costs a query.
        let is_ours = read.header.alg == "ES256" && self.0.issuer.as_ref() == Some(&read.claims.iss);
        if !is_ours || now.as_second() >= read.claims.exp {
            return Ok(None);
        }
        let keys = &self.0.keys;
        let is_valid = keys
            .verify(&read.header.kid, read.message.as_bytes(), &read.signature, now)
            .await?;
        Ok(is_valid.then_some(read.claims.sub))
    }
}

/// The parts of a token, none of them verified yet.
struct SignedToken<'a> {
    header: Header,
    claims: Claims,
    message: &'a str,
    signature: Vec<u8>,
}

impl<'a> SignedToken<'a> {
    fn read(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        Some(Self {
            header: decode(header)?,
            claims: decode(claims)?,
            message,
            signature: BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

fn encode(part: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_vec(part).map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
