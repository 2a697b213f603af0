//! How the administrator's token comes to be: made or taken from the settings when the server starts, and reset.
//!
//! Each change leaves the record of its attempt before the token opens anything, and of its outcome.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Access;
use super::stored::{Origin, Stored};
use crate::audit::{self, Entry, Outcome, Reason};
use crate::clock::Clock;
use crate::data_folder::{self, DataFolder};
use crate::database::{self, Database};
use crate::failpoint::{Step, reach};
use crate::operation::Operation;
use crate::random::Random;
use crate::seal::{Seal, sha256};
use crate::secret::Secret;

/// What the audit trail has in place of a caller's address.
const RESET: &str = "fleetmint admin reset-token";

/// Why there is no administrator token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(
        "the administrator token is the setting access.bootstrap_token; change it there, or take it out of the \
         settings and start the server once, before a token can be reset"
    )]
    Bootstrap,
    #[error(transparent)]
    Folder(#[from] data_folder::Error),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for TokenError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Bootstrap => "forbidden",
            Self::Folder(_) => "unavailable",
            Self::Database(error) => error.reason(),
        }
    }
}

/// Where the administrator token is, after a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// It is the setting `access.bootstrap_token`.
    Bootstrap,
    /// A new one was created and stored in the data folder.
    Made,
    /// It is the one that was made earlier.
    Kept,
    /// There is none: nothing proves that what the database has was written by this program, or the file holds another.
    Unproven,
}

/// Where the token is kept, and what a change of it needs.
#[derive(Clone, Copy, Debug)]
pub struct Keeping<'a> {
    pub database: &'a Database,
    pub folder: &'a DataFolder,
    pub seal: &'a Seal,
    pub random: &'a dyn Random,
    pub clock: &'a dyn Clock,
}

impl Access {
    /// Sees to it that there is an administrator token: the setting's if there is one, else one that was made.
    ///
    /// # Errors
    /// The database's and the data folder's.
    pub fn start(keeping: Keeping<'_>, bootstrap_token: Option<&Secret>) -> Result<(Self, Token), TokenError> {
        let _alone = keeping.folder.lock_admin_token()?;
        let token = if let Some(token) = bootstrap_token {
            keeping.set(token)?;
            Token::Bootstrap
        } else {
            match keeping.database.read_blocking(Stored::read)? {
                Some(stored) if !stored.is_from_settings() => keeping.keep(&stored)?,
                Some(_) | None => {
                    keeping.make(&keeping.started(Operation::CreateAdminToken), |_| Ok(()))?;
                    Token::Made
                }
            }
        };
        let access = Self {
            database: keeping.database.clone(),
            folder: keeping.folder.clone(),
            seal: keeping.seal.clone(),
            setting: bootstrap_token.cloned(),
            known: Arc::default(),
        };
        Ok((access, token))
    }

    /// Makes another administrator token, in place of the one before, also beside a running server. `actor` is who runs
    /// this, for the audit trail.
    ///
    /// # Errors
    /// [`TokenError::Bootstrap`] while the setting is the token; the database's and the data folder's.
    pub fn reset(keeping: Keeping<'_>, bootstrap_token: Option<&Secret>, actor: &str) -> Result<(), TokenError> {
        let record = Entry {
            at: keeping.clock.now(),
            actor: actor.to_owned().into(),
            action: Operation::ResetAdminToken,
            device_id: None,
            model_id: None,
            source: RESET.into(),
        };
        let _alone = keeping.folder.lock_admin_token()?;
        // The running server may have the setting where this process has not.
        let runs = matches!(keeping.folder.lock(), Err(data_folder::Error::Locked { .. }));
        keeping.make(&record, |before| {
            if bootstrap_token.is_some() || (runs && before.is_some_and(Stored::is_from_settings)) {
                return Err(TokenError::Bootstrap);
            }
            Ok(())
        })
    }
}

impl Keeping<'_> {
    fn started(&self, action: Operation) -> Entry {
        Entry::of_start(self.clock.now(), action)
    }

    /// Takes the token of the settings, unless it is taken already.
    fn set(&self, token: &Secret) -> Result<(), TokenError> {
        let stored = Stored::Authentic {
            origin: Origin::Settings,
            digest: Origin::Settings.digest(self.seal, token.expose()),
            next: None,
        };
        let before = self.database.read_blocking(Stored::read)?;
        if before.as_ref() == Some(&stored) && self.folder.admin_token_file()?.is_none() {
            return Ok(());
        }
        let record = self.started(Operation::SetAdminToken);
        let attempt = self.database.write_blocking::<_, database::Error>(|connection| {
            let attempt = audit::start(connection, &record)?;
            stored.write(connection)?;
            Ok(attempt)
        });
        // A token made earlier opens nothing any more.
        let removed = match &attempt {
            Ok(_) => self.folder.remove_admin_token().map_err(TokenError::from),
            Err(error) => Err(error.clone().into()),
        };
        self.end(&record, attempt.ok(), &removed)?;
        removed
    }

    /// Goes on with a token that was made earlier: authenticates the digest of an earlier version, and completes a reset
    /// that was cut short.
    fn keep(&self, stored: &Stored) -> Result<Token, TokenError> {
        let Some(file) = self.folder.admin_token_file()? else {
            return Ok(match stored {
                Stored::Authentic { .. } => Token::Kept,
                Stored::Plain { .. } | Stored::Damaged => Token::Unproven,
            });
        };
        let path = self.folder.admin_token_path();
        let token = file.token().map_err(|cause| data_folder::Error::Io { path, cause })?;
        let proven = match stored {
            Stored::Authentic { .. } => stored.is_of(self.seal, token.expose()),
            // Who can write the database could have put it there; what is in the file, they could not.
            Stored::Plain { hash, .. } => sha256(token.expose().as_bytes()).ct_eq(hash).into(),
            Stored::Damaged => false,
        };
        if !proven {
            return Ok(Token::Unproven);
        }
        let settled = Stored::made(Origin::Made.digest(self.seal, token.expose()));
        if *stored != settled {
            let record = self.started(Operation::KeepAdminToken);
            self.database.write_blocking::<_, database::Error>(|connection| {
                settled.write(connection)?;
                audit::insert(connection, &record, Outcome::Succeeded)
            })?;
        }
        Ok(Token::Kept)
    }

    /// Makes a token of 32 random bytes; keeps its digest in the database and itself in the data folder.
    ///
    /// ```text
    /// the digest beside the one before ─► the file ─► the digest in place of the one before
    /// ```
    ///
    /// Whatever dies between two of these, the token in the file is right, and the other one is not. `check` may object to what was there before.
    fn make(
        &self,
        record: &Entry,
        check: impl FnOnce(Option<&Stored>) -> Result<(), TokenError>,
    ) -> Result<(), TokenError> {
        let mut attempt = None;
        let made = self.make_within(record, check, &mut attempt);
        if made.is_err() {
            self.end(record, attempt, &made)?;
        }
        made
    }

    /// `attempt` gets the id of the attempt's record once that is on the disk. With success the outcome is, too.
    fn make_within(
        &self,
        record: &Entry,
        check: impl FnOnce(Option<&Stored>) -> Result<(), TokenError>,
        attempt: &mut Option<i64>,
    ) -> Result<(), TokenError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.random.fill(bytes.as_mut());
        let token = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref()));
        let digest = Origin::Made.digest(self.seal, &token);
        let id = self.database.write_blocking(|connection| {
            let before = Stored::read(connection)?;
            check(before.as_ref())?;
            let id = audit::start(connection, record)?;
            match before {
                Some(Stored::Authentic {
                    origin, digest: before, ..
                }) => Stored::Authentic {
                    origin,
                    digest: before,
                    next: Some(digest),
                }
                .write(connection)?,
                // What was there before opens nothing.
                Some(Stored::Plain { .. } | Stored::Damaged) => Stored::made(digest).write(connection)?,
                // The first token: until it is in the database too, the next start makes another.
                None => {}
            }
            Ok::<_, TokenError>(id)
        })?;
        *attempt = Some(id);
        reach(Step::ResetBegun);
        self.folder.write_admin_token(&token)?;
        reach(Step::ResetFile);
        self.database.write_blocking::<_, database::Error>(|connection| {
            Stored::made(digest).write(connection)?;
            audit::end(connection, record, id, Outcome::Succeeded, self.clock.now())
        })?;
        reach(Step::ResetDone);
        Ok(())
    }

    /// Records the outcome; of what could not even begin in one record.
    fn end<T>(&self, record: &Entry, attempt: Option<i64>, result: &Result<T, TokenError>) -> Result<(), TokenError> {
        let (outcome, at) = (Outcome::of(result), self.clock.now());
        let recorded = self
            .database
            .write_blocking::<_, database::Error>(|connection| match attempt {
                Some(id) => audit::end(connection, record, id, outcome, at),
                None => audit::insert(connection, record, outcome),
            });
        match recorded {
            // The failure itself tells more than that it could not be recorded.
            Err(error) if result.is_err() => {
                tracing::error!(action = record.action.name(), %error, "a failed operation could not be recorded");
                Ok(())
            }
            recorded => Ok(recorded?),
        }
    }
}
