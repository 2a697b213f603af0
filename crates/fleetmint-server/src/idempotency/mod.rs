//! Calls that create something and may be repeated: the first answer to a call with an `Idempotency-Key` is stored for
//! a day, and the same call gets it again.
//!
//! The key's row is written in the transaction that creates the row of the model or device itself. With Keycloak that
//! is the row of the intent: the key's row then waits for its answer while the device's row waits for its client, and
//! both are deleted if the reconciler undoes the creation. So even after a crash, the key is either free again or has
//! its answer.
//!
//! Only successful calls are stored. A call that failed leaves nothing behind, and may be repeated as if it were new.

pub(crate) mod http;
mod store;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::access::Caller;
use crate::app::App;
use crate::audit::Reason;
use crate::database::{self, Connection};
use crate::seal::KeyedDigests;

/// How long an answer is stored.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The pause between two deletions of expired answers.
const SWEEP_PERIOD: Duration = Duration::from_secs(60 * 60);

/// A call, identified by its key.
#[derive(Clone, Debug)]
pub struct Call {
    /// Each caller has its own keys.
    caller: String,
    key: String,
    /// Digests of the operation and the body under the master keys: a password in the body could be guessed from a
    /// plain digest.
    fingerprint: KeyedDigests,
    at: Timestamp,
}

impl Call {
    /// `what` names the operation, and the resource that its path names.
    pub(crate) fn new(app: &App, caller: &Caller, what: &str, key: String, body: &[u8]) -> Self {
        Self {
            caller: caller.principal.name().to_owned(),
            key,
            fingerprint: app.seal.keyed_digests(what, body),
            at: app.clock.now(),
        }
    }
}

/// The stored answer. It contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub etag: String,
    pub body: Vec<u8>,
}

/// A creation that happens once, even if it is requested several times.
#[derive(Debug)]
pub struct Once<T> {
    pub(crate) call: Call,
    /// The answer that describes what was created.
    pub(crate) render: fn(&T) -> Answer,
}

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self {
            call: self.call.clone(),
            render: self.render,
        }
    }
}

impl<T> Once<T> {
    /// Stores the answer, in the transaction that completes the creation.
    ///
    /// # Errors [`Error::UnderWay`] if the same call has been answered in the meantime: then this creation must be
    /// undone.
    pub(crate) fn store(&self, connection: &mut Connection, created: &T) -> Result<(), Error> {
        match store::put(connection, &self.call, &(self.render)(created))? {
            true => Ok(()),
            false => Err(Error::UnderWay),
        }
    }
}

/// The result of a call to create something.
#[derive(Clone, Debug)]
pub enum OnceOutcome<T> {
    Created(T),
    /// It was created by the same call before.
    Repeated(Answer),
}

/// Why a call with a key was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the first call with this key is still in progress")]
    UnderWay,
    #[error("this key was used for another call")]
    OtherCall,
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::UnderWay => "being-changed",
            Self::OtherCall => "idempotency-key-reused",
            Self::Database(error) => error.reason(),
        }
    }
}

/// The answer to the same call, if there was one before. Must be called in the transaction that creates; [`take`] and
/// [`Once::store`] then check whether the key is still free.
pub(crate) fn earlier(connection: &mut Connection, call: &Call) -> Result<Option<Answer>, Error> {
    store::sweep(connection, expired_at(call.at))?;
    match store::find(connection, call)? {
        None => Ok(None),
        Some((fingerprint, _)) if !call.fingerprint.contain(&fingerprint) => Err(Error::OtherCall),
        Some((_, None)) => Err(Error::UnderWay),
        Some((_, answer)) => Ok(answer),
    }
}

/// Reserves the key for a device before its client is created, in the transaction of the intent.
///
/// # Errors [`Error::UnderWay`] if another call has reserved it in the meantime: then the intent must be undone.
pub(crate) fn take(connection: &mut Connection, call: &Call, device_id: i64) -> Result<(), Error> {
    match store::take(connection, call, device_id)? {
        true => Ok(()),
        false => Err(Error::UnderWay),
    }
}

/// Frees the key of a creation that is undone, in the transaction that deletes the device's row. A stored answer stays.
pub(crate) fn free(connection: &mut Connection, device_id: i64) -> Result<(), database::Error> {
    store::free(connection, device_id)
}

/// Deletes expired answers at intervals, until it is dropped.
pub async fn sweep(app: App) {
    loop {
        let expired = expired_at(app.clock.now());
        let swept = app
            .database
            .write::<_, database::Error>(move |connection| store::sweep(connection, expired))
            .await;
        if let Err(error) = swept {
            tracing::warn!(%error, "expired answers could not be deleted; this is tried again later");
        }
        tokio::time::sleep(SWEEP_PERIOD).await;
    }
}

fn expired_at(now: Timestamp) -> Timestamp {
    now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN)
}
