//! The administrator's token: created or taken from the settings when the server starts, and reset.
//!
//! The token is in a file of the data folder, its digest in the database, and both must agree: somebody who can write
//! only one of them cannot bring back a token that was reset. If the operator has deleted the file, only the database
//! decides.
//!
//! Whatever makes a token invalid ends all sessions in the same transaction.
//!
//! Each change has two audit records: one of the attempt, before the new token is valid, and one of the outcome.

use std::path::PathBuf;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::credential::{self, Form};
use super::stored_token::{StoredToken, TokenKind};
use crate::audit::{self, Entry, Outcome, Reason};
use crate::clock::Clock;
use crate::data_folder::{self, DataFolder};
use crate::database::{self, Connection, Database};
use crate::failpoint::{Step, reach};
use crate::operation::Operation;
use crate::random::Random;
use crate::seal::{Seal, sha256};
use crate::secret::Secret;
use crate::sessions::Sessions;

/// The source of a reset in the audit trail, where calls have an address.
const RESET: &str = "fleetmint admin reset-token";

/// Why the administrator's token cannot be created, read or reset.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(
        "the administrator token is the setting access.bootstrap_token; change it there, or take it out of the \
         settings and start the server once, before a token can be reset"
    )]
    Bootstrap,
    #[error(
        "another process changed the administrator token at the same time, so this change was given up; if that was not \
         meant, try again"
    )]
    ChangedMeanwhile,
    /// The token was replaced all the same, and the next start completes the row.
    #[error("the new token is in {} and valid, but the record of its end could not be written: {cause}", path.display())]
    Unrecorded { path: PathBuf, cause: database::Error },
    #[error(transparent)]
    Folder(#[from] data_folder::Error),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for TokenError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Bootstrap => "forbidden",
            Self::ChangedMeanwhile | Self::Folder(_) => "unavailable",
            Self::Unrecorded { cause: error, .. } | Self::Database(error) => error.reason(),
        }
    }
}

/// Where the administrator's token comes from, after a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenOrigin {
    /// The setting `access.bootstrap_token`.
    Setting,
    /// This start created it and stored it in the data folder.
    Created,
    /// An earlier start created it.
    Existing,
    /// There is no valid token: nothing proves that this program wrote the database's row, or the file holds another
    /// token.
    Unproven,
}

/// The administrator's token as a running server knows it: its digest, never the token itself.
#[derive(Debug)]
pub(super) struct AdministratorToken {
    kind: TokenKind,
    form: Form,
    digest: [u8; 32],
}

impl AdministratorToken {
    fn of_setting(seal: &Seal, token: &Secret) -> Self {
        Self {
            kind: TokenKind::Setting,
            form: Form::of(token.expose()),
            digest: TokenKind::Setting.digest(seal, token.expose()),
        }
    }

    fn generated(kind: TokenKind, digest: [u8; 32]) -> Self {
        let form = match kind {
            TokenKind::Generated => Form::AdministratorToken,
            TokenKind::GeneratedWithoutPrefix | TokenKind::Setting => Form::Other,
        };
        Self { kind, form, digest }
    }

    pub(super) fn is_setting(&self) -> bool {
        self.kind == TokenKind::Setting
    }

    /// Whether a caller's token of this form is the administrator's. A token of another form is not even digested.
    ///
    /// The digest is under the newest master key, which is tried first, unless the token's file is deleted: then it is the
    /// one of the row, which may be under an older key.
    pub(super) fn is(&self, seal: &Seal, form: Form, token: &str) -> bool {
        form == self.form && self.kind.is_digest(seal, token, &self.digest)
    }
}

/// Reads and changes the token's file and its row.
#[derive(Clone, Debug)]
pub struct TokenStore {
    pub database: Database,
    pub folder: DataFolder,
    pub seal: Seal,
    pub random: Arc<dyn Random>,
    pub clock: Arc<dyn Clock>,
}

impl TokenStore {
    /// The token of a server that starts: the setting, or the one of an earlier start, or a new one.
    pub(super) fn start(
        &self,
        bootstrap_token: Option<&Secret>,
    ) -> Result<(Option<AdministratorToken>, TokenOrigin), TokenError> {
        let _alone = self.folder.lock_admin_token()?;
        if let Some(token) = bootstrap_token {
            self.take_setting(token)?;
            let token = AdministratorToken::of_setting(&self.seal, token);
            return Ok((Some(token), TokenOrigin::Setting));
        }
        match self.database.read_blocking(StoredToken::read)? {
            Some(stored) if !stored.is_of_setting() => {
                let token = self.existing(&stored)?;
                if matches!(&token, Some(token) if token.kind == TokenKind::GeneratedWithoutPrefix) {
                    tracing::info!(
                        "the administrator token is one of an earlier version, without the prefix fma_; it stays valid \
                         until `fleetmint admin reset-token` replaces it"
                    );
                }
                let origin = match &token {
                    Some(_) => TokenOrigin::Existing,
                    None => {
                        self.database.write_blocking(Sessions::end_all)?;
                        TokenOrigin::Unproven
                    }
                };
                Ok((token, origin))
            }
            Some(_) | None => {
                let mut created = None;
                self.replace(&self.record_of_start(Operation::CreateAdminToken), |token| {
                    created = Some(token);
                })?;
                Ok((created, TokenOrigin::Created))
            }
        }
    }

    /// Replaces the token while no server runs with this data folder. A server that starts meanwhile waits.
    ///
    /// # Errors
    /// [`data_folder::Error::Locked`] if a server runs; [`TokenError::Bootstrap`] while the settings name the token; those
    /// of the database and of the data folder.
    pub fn reset_without_server(&self, actor: &str, bootstrap_token_is_set: bool) -> Result<(), TokenError> {
        let _alone = self.folder.lock_admin_token()?;
        drop(self.folder.lock()?);
        self.reset(actor, bootstrap_token_is_set, |_| ())
    }

    /// Replaces the token, unless this is `refused` because settings name the token. `take_effect` is called as soon as
    /// the file holds the new one.
    pub(super) fn reset(
        &self,
        actor: &str,
        refused: bool,
        take_effect: impl FnOnce(AdministratorToken),
    ) -> Result<(), TokenError> {
        let record = Entry {
            at: self.clock.now(),
            actor: actor.to_owned().into(),
            action: Operation::ResetAdminToken,
            device_id: None,
            model_id: None,
            source: RESET.into(),
        };
        if refused {
            let refused = Err(TokenError::Bootstrap);
            self.record_outcome(&record, None, &refused)?;
            return refused;
        }
        self.replace(&record, take_effect)
    }

    fn record_of_start(&self, action: Operation) -> Entry {
        Entry::of_start(self.clock.now(), action)
    }

    /// Makes the token of the settings the administrator's, unless it is already.
    fn take_setting(&self, token: &Secret) -> Result<(), TokenError> {
        let digest = TokenKind::Setting.digest(&self.seal, token.expose());
        let stored = StoredToken::settled(TokenKind::Setting, digest);
        let before = self.database.read_blocking(StoredToken::read)?;
        if before.as_ref() == Some(&stored) && self.folder.admin_token()?.is_none() {
            return Ok(());
        }
        let record = self.record_of_start(Operation::SetAdminToken);
        let attempt = self.database.write_blocking::<_, TokenError>(|connection| {
            let attempt = audit::start(connection, &record)?;
            store(connection, before.as_ref(), &stored)?;
            Sessions::end_all(connection)?;
            Ok(attempt)
        });
        // A generated token is no longer valid.
        let (attempt, deleted) = match attempt {
            Ok(attempt) => (
                Some(attempt),
                self.folder.delete_admin_token().map_err(TokenError::from),
            ),
            Err(error) => (None, Err(error)),
        };
        self.record_outcome(&record, attempt, &deleted)?;
        deleted
    }

    /// The token that was generated earlier, if its file and its row agree. Replaces a row of an earlier version, and
    /// completes an interrupted reset.
    fn existing(&self, stored: &StoredToken) -> Result<Option<AdministratorToken>, TokenError> {
        let Some(token) = self.folder.admin_token()? else {
            return Ok(match *stored {
                StoredToken::Authentic { kind, digest, .. } => Some(AdministratorToken::generated(kind, digest)),
                StoredToken::Plain { .. } | StoredToken::Damaged { .. } => None,
            });
        };
        let token = token.expose();
        let is_proven = match stored {
            StoredToken::Authentic { .. } => stored.proves(&self.seal, token),
            // An attacker who can write the database could have written this hash, but not the file.
            StoredToken::Plain { hash, .. } => sha256(token.as_bytes()).ct_eq(hash).into(),
            StoredToken::Damaged { .. } => false,
        };
        if !is_proven {
            return Ok(None);
        }
        let kind = TokenKind::of_generated(token);
        let digest = kind.digest(&self.seal, token);
        let settled = StoredToken::settled(kind, digest);
        if *stored != settled {
            let record = self.record_of_start(Operation::KeepAdminToken);
            self.database.write_blocking::<_, TokenError>(|connection| {
                store(connection, Some(stored), &settled)?;
                Sessions::end_all(connection)?;
                Ok(audit::insert(connection, &record, Outcome::Succeeded)?)
            })?;
        }
        Ok(Some(AdministratorToken::generated(kind, digest)))
    }

    /// Generates a token and replaces the old one.
    ///
    /// ```text
    /// row: both digests ─► file: the new token ─► `take_effect` ─► row: the new digest
    /// ```
    ///
    /// If the process dies between two of these, the token in the file is valid at the next start, and the other is not.
    ///
    /// Others with the same data folder wait for its lock. Another process with the same database and another data folder
    /// may change the row in between: then the file that was written here is deleted, since its token is not valid.
    fn replace(&self, record: &Entry, take_effect: impl FnOnce(AdministratorToken)) -> Result<(), TokenError> {
        let kind = TokenKind::Generated;
        let begun = match self.begin(record, kind) {
            Ok(begun) => begun,
            Err(error) => return self.failed(record, None, error),
        };
        let attempt = begun.attempt;
        reach(Step::ResetBegun);
        if let Err(error) = self.folder.write_admin_token(&begun.token) {
            return self.failed(record, Some(attempt), error.into());
        }
        reach(Step::ResetFile);
        take_effect(AdministratorToken::generated(kind, begun.digest));
        let settled = self.database.write_blocking::<_, TokenError>(|connection| {
            let settled = StoredToken::settled(kind, begun.digest);
            store(connection, begun.row.as_ref(), &settled)?;
            Sessions::end_all(connection)?;
            Ok(audit::end(
                connection,
                record,
                attempt,
                Outcome::Succeeded,
                self.clock.now(),
            )?)
        });
        match settled {
            Ok(()) => {}
            // The operation did not fail, so its record stays open.
            Err(TokenError::Database(cause)) if begun.row.is_some() => {
                let path = self.folder.admin_token_path();
                return Err(TokenError::Unrecorded { path, cause });
            }
            Err(error) => {
                if matches!(error, TokenError::ChangedMeanwhile)
                    && let Err(error) = self.folder.delete_admin_token()
                {
                    tracing::warn!("a file with a token that is not valid could not be deleted: {error}");
                }
                return self.failed(record, Some(attempt), error);
            }
        }
        reach(Step::ResetDone);
        Ok(())
    }

    /// Generates a token, records the attempt, and stores the token's digest beside the old one.
    fn begin(&self, record: &Entry, kind: TokenKind) -> Result<Begun, TokenError> {
        let mut random = Zeroizing::new([0; 32]);
        self.random.fill(random.as_mut());
        let token = credential::administrator_token(&random);
        let new = kind.digest(&self.seal, &token);
        let (attempt, row) = self.database.write_blocking::<_, TokenError>(|connection| {
            let attempt = audit::start(connection, record)?;
            let read = StoredToken::read(connection)?;
            let row = match &read {
                Some(StoredToken::Authentic { kind, digest, .. }) => StoredToken::Authentic {
                    kind: *kind,
                    digest: *digest,
                    next: Some(new),
                },
                // No token matches the row.
                Some(StoredToken::Plain { .. } | StoredToken::Damaged { .. }) => StoredToken::settled(kind, new),
                // The first token. Until it has a row, each start creates another one.
                None => return Ok((attempt, None)),
            };
            store(connection, read.as_ref(), &row)?;
            Ok((attempt, Some(row)))
        })?;
        Ok(Begun {
            token,
            digest: new,
            attempt,
            row,
        })
    }

    /// Records a failure, and returns it.
    fn failed(&self, record: &Entry, attempt: Option<i64>, error: TokenError) -> Result<(), TokenError> {
        let failed = Err(error);
        self.record_outcome(record, attempt, &failed)?;
        failed
    }

    /// Records the outcome of an attempt, or in one record that an operation was refused before its attempt was recorded.
    fn record_outcome<T>(
        &self,
        record: &Entry,
        attempt: Option<i64>,
        result: &Result<T, TokenError>,
    ) -> Result<(), TokenError> {
        let (outcome, at) = (Outcome::of(result), self.clock.now());
        let recorded = self
            .database
            .write_blocking::<_, database::Error>(|connection| match attempt {
                Some(id) => audit::end(connection, record, id, outcome, at),
                None => audit::insert(connection, record, outcome),
            });
        match recorded {
            // The failure itself is reported: it is more useful than the error that it could not be recorded.
            Err(error) if result.is_err() => {
                tracing::error!(action = record.action.name(), %error, "a failed operation could not be recorded");
                Ok(())
            }
            recorded => Ok(recorded?),
        }
    }
}

/// A change of the token that has a record, and whose new token is not in the file yet.
struct Begun {
    token: Zeroizing<String>,
    digest: [u8; 32],
    /// The id of the attempt's record.
    attempt: i64,
    /// The row as it was left.
    row: Option<StoredToken>,
}

/// Replaces the row that was `read`.
///
/// # Errors
/// [`TokenError::ChangedMeanwhile`] if it is another one by now; the database's.
fn store(connection: &mut Connection, read: Option<&StoredToken>, new: &StoredToken) -> Result<(), TokenError> {
    match new.replace(connection, read)? {
        true => Ok(()),
        false => Err(TokenError::ChangedMeanwhile),
    }
}
