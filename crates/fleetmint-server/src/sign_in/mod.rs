//! Signing in at the page with a token, and out: a session begins and ends, and the audit trail says so.

pub(crate) mod http;

use zeroize::Zeroizing;

use crate::access::{self, Caller};
use crate::app::App;
use crate::audit::{self, Reason};
use crate::database;
use crate::operation::Operation;
use crate::secret::Secret;
use crate::sessions::{self, SessionToken, Sessions};
use crate::source::Source;

/// The purpose of the key that the page seals its backups with.
const PAGE_BACKUPS: &str = "page backups";

/// Why nobody was signed in or out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Refused(#[from] access::Error),
    #[error(transparent)]
    Audit(#[from] audit::Error),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Refused(_) => "unauthorized",
            Self::Audit(error) => error.reason(),
            Self::Database(error) => error.reason(),
        }
    }
}

/// Begins a session for the owner of a token. The sessions of `replaced` end: their cookies are overwritten.
///
/// # Errors
/// [`Error::Refused`] if it is not the administrator's token.
pub async fn sign_in(
    app: &App,
    source: Source,
    token: Secret,
    replaced: Vec<sessions::Hash>,
) -> Result<SessionToken, Error> {
    let principal = app.gate.owner(token.expose().trim()).await?;
    let caller = Caller {
        principal,
        signed_in: None,
        source,
    };
    let record = caller.record(app.clock.now(), Operation::CreateSession);
    let gate = app.gate.clone();
    audit::change(&app.database, record, move |connection, _| {
        if !gate.is_stored(connection, token.expose().trim())? {
            return Err(access::Error::Unauthorized.into());
        }
        Sessions::end_these(connection, &replaced)?;
        Ok(gate.sessions().begin(connection)?)
    })
    .await
}

/// Ends the caller's session, and no other. A call with a token of its own has none to end.
///
/// # Errors
/// The database's.
pub async fn sign_out(app: &App, caller: &Caller) -> Result<(), Error> {
    let Some(session) = caller.signed_in.as_ref().map(|signed_in| signed_in.session.clone()) else {
        return Ok(());
    };
    let record = caller.record(app.clock.now(), Operation::DeleteSession);
    audit::change(&app.database, record, move |connection, _| {
        Ok(Sessions::end(connection, &session)?)
    })
    .await
}

/// The key that the page seals its backups with: the same for everybody who is signed in, and derived from the master
/// key, so that a backup can be opened after the next sign-in. It returns only after the audit record is on the disk.
///
/// # Errors
/// The audit's.
pub async fn backup_key(app: &App, caller: &Caller) -> Result<Zeroizing<[u8; 32]>, Error> {
    let record = caller.record(app.clock.now(), Operation::GetBackupKey);
    let seal = app.seal.clone();
    app.audit
        .disclose(record, move |_, _| Ok(seal.derived_key(PAGE_BACKUPS)))
        .await
}
