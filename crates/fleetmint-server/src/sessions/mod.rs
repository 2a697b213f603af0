//! People who are signed in at the page: a row in the database and a cookie in the browser.
//!
//! ```text
//! cookie    32 random bytes, base64url
//! row       id = SHA-256 of these bytes │ proof under the master key │ created_at │ expires_at
//! ```
//!
//! Nothing about a session is cached: each call reads its row, so that a session that ended on one server has ended on
//! all of them. Whoever can read the database cannot sign in with it (the hash), and whoever can write it cannot insert
//! a session of their own (the proof).

pub(crate) mod cookie;
mod store;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::database::{self, Connection, Database};
use crate::random::Random;
use crate::seal::{Seal, sha256};
use cookie::Kind;

/// How long a session lives without a call.
const IDLE: SignedDuration = SignedDuration::from_hours(8);

/// How long a session lives in all.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A call moves the end of its session only by at least this much, so that few calls write.
const STEP: SignedDuration = SignedDuration::from_mins(1);

/// The pause between two deletions of expired sessions.
const SWEEP_PERIOD: Duration = Duration::from_secs(60 * 60);

/// The random bytes of a session's token.
const TOKEN_LEN: usize = 32;

/// The number of base64url characters for [`TOKEN_LEN`] bytes.
const ENCODED_LEN: usize = 43;

/// The purpose of a row's proof.
const PROOF: &str = "session";

/// The purpose of the number in the cookie's name.
const COOKIE: &str = "session cookie";

/// The SHA-256 of a session's token.
pub type Hash = [u8; 32];

/// A session that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    id: Hash,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl Session {
    /// When it ends if no other call comes.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// When it ends if a call comes now.
    fn end(&self, now: Timestamp) -> Timestamp {
        let at = |from: Timestamp, time| from.checked_add(time).unwrap_or(Timestamp::MAX);
        at(now, IDLE).min(at(self.created_at, LIFETIME))
    }

    /// What the proof is of: a row with another token or another beginning needs another proof.
    fn proven(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let (id, created_at) = bytes.split_at_mut(32);
        id.copy_from_slice(&self.id);
        created_at.copy_from_slice(&self.created_at.as_microsecond().to_be_bytes());
        bytes
    }
}

/// Somebody who is signed in: the session, and the cookie that showed it.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub(crate) session: Session,
    pub(crate) cookie: Kind,
}

/// The token of a session.
#[derive(Clone)]
pub struct SessionToken(Zeroizing<[u8; TOKEN_LEN]>);

impl SessionToken {
    fn generate(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; TOKEN_LEN]);
        random.fill(bytes.as_mut());
        Self(bytes)
    }

    /// The token in the value of a cookie, if the value has the form of one.
    fn read(value: &[u8]) -> Option<Self> {
        if value.len() != ENCODED_LEN {
            return None;
        }
        // One byte more than a token has, as the decoder estimates.
        let mut bytes = Zeroizing::new([0; TOKEN_LEN + 1]);
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(value, bytes.as_mut()).ok()?;
        let token = bytes.get(..length)?.try_into().ok()?;
        Some(Self(Zeroizing::new(token)))
    }

    /// The value of the cookie.
    fn text(&self) -> Zeroizing<String> {
        // With its full capacity from the start: a string that grows leaves copies behind that nothing wipes.
        let mut text = Zeroizing::new(String::with_capacity(ENCODED_LEN));
        BASE64_URL_SAFE_NO_PAD.encode_string(self.0.as_ref(), &mut text);
        text
    }

    fn hash(&self) -> Hash {
        sha256(self.0.as_ref())
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// All sessions. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Sessions(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    database: Database,
    seal: Seal,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    names: cookie::Names,
}

impl Sessions {
    pub fn new(database: Database, seal: Seal, random: Arc<dyn Random>, clock: Arc<dyn Clock>) -> Self {
        let names = cookie::Names::of(&seal.keyed_digest(COOKIE, b""));
        Self(Arc::new(Parts {
            database,
            seal,
            random,
            clock,
            names,
        }))
    }

    /// The names of the cookies of this service.
    pub(crate) fn cookies(&self) -> &cookie::Names {
        &self.0.names
    }

    /// Begins a session, in the transaction that records the sign-in.
    ///
    /// # Errors
    /// Only the database's.
    pub(crate) fn begin(&self, connection: &mut Connection) -> Result<SessionToken, database::Error> {
        let now = self.0.clock.now();
        store::delete_expired(connection, now)?;
        let token = SessionToken::generate(&*self.0.random);
        let mut session = Session {
            id: token.hash(),
            created_at: now,
            expires_at: now,
        };
        session.expires_at = session.end(now);
        let proof = self.0.seal.keyed_digest(PROOF, &session.proven());
        store::insert(connection, &session, &proof)?;
        Ok(token)
    }

    /// The first session of these that has not ended, by the request's cookies. A call moves its end.
    ///
    /// # Errors
    /// Only the database's.
    pub(crate) async fn of(&self, headers: &HeaderMap) -> Result<Option<SignedIn>, database::Error> {
        let shown = self.0.names.sessions(headers);
        let ids: Vec<Hash> = shown.iter().map(|(_, id)| *id).collect();
        let stored = self
            .0
            .database
            .read(move |connection| store::find(connection, &ids))
            .await?;
        // Only rows that exist are looked at again, and those are this service's own.
        let now = self.0.clock.now();
        let in_order = shown.iter().flat_map(|(cookie, id)| {
            let with_id = stored.iter().filter(move |stored| stored.session.id == *id);
            with_id.map(move |stored| (*cookie, stored))
        });
        let Some((cookie, stored)) = { in_order }.find(|(_, stored)| self.goes_on(stored, now)) else {
            return Ok(None);
        };
        let mut session = stored.session.clone();
        let end = session.end(now);
        if end >= session.expires_at.checked_add(STEP).unwrap_or(Timestamp::MAX) {
            session.expires_at = end;
            self.extend(session.id, end).await;
        }
        Ok(Some(SignedIn { session, cookie }))
    }

    /// Whether this program inserted the row, and its session has not ended.
    fn goes_on(&self, stored: &store::Stored, now: Timestamp) -> bool {
        let store::Stored { session, proof } = stored;
        let has_ended = now >= session.expires_at || now >= session.end(Timestamp::MAX);
        !has_ended && self.0.seal.is_keyed_digest(PROOF, &session.proven(), proof)
    }

    /// Moves the end of a session. If that fails, the call is answered all the same: the session only ends sooner.
    async fn extend(&self, id: Hash, end: Timestamp) {
        let moved = self
            .0
            .database
            .write(move |connection| store::extend(connection, &id, end))
            .await;
        if let Err(error) = moved {
            tracing::warn!(%error, "the end of a session could not be moved; it stays as it was");
        }
    }

    /// Ends a session and no other, in the transaction that records it.
    ///
    /// # Errors
    /// Only the database's.
    pub(crate) fn end(connection: &mut Connection, session: &Session) -> Result<(), database::Error> {
        store::delete(connection, &[session.id])
    }

    /// Ends the sessions of these tokens, as far as there are any.
    ///
    /// # Errors
    /// Only the database's.
    pub(crate) fn end_these(connection: &mut Connection, ids: &[Hash]) -> Result<(), database::Error> {
        store::delete(connection, ids)
    }

    /// Ends all sessions, in the transaction that makes the token invalid that they were begun with.
    ///
    /// # Errors
    /// Only the database's.
    pub(crate) fn end_all(connection: &mut Connection) -> Result<(), database::Error> {
        store::delete_all(connection)
    }

    /// Deletes expired sessions at intervals, until it is dropped.
    pub async fn sweep(self) {
        loop {
            let now = self.0.clock.now();
            let swept = self
                .0
                .database
                .write(move |connection| store::delete_expired(connection, now))
                .await;
            if let Err(error) = swept {
                tracing::warn!(%error, "expired sessions could not be deleted; this is tried again later");
            }
            tokio::time::sleep(SWEEP_PERIOD).await;
        }
    }
}
