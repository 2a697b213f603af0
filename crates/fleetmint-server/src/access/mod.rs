//! Who may call.

pub(crate) mod refusals;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::app::{NoRandomness, Random};
use crate::audit::{self, Entry, Outcome, Reason};
use crate::data_folder::{self, DataFolder, TokenFile};
use crate::database::{self, Connection, Database};
use crate::identity::Identity;
use crate::instance;
use crate::operation::Operation;
use crate::seal::sha256;
use crate::secret::Secret;
use crate::source::Source;

pub use refusals::Refusals;

/// The row of `instance` that holds [`Stored`].
const ADMINISTRATOR: &str = "administrator_token";

/// Who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Administrator,
}

impl Principal {
    /// The name in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
        }
    }
}

/// A caller who has shown who they are.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    /// The address that the call came from.
    pub source: Source,
}

impl Caller {
    /// The audit record of what they do.
    pub fn record(&self, at: Timestamp, action: Operation) -> Entry {
        Entry {
            at,
            actor: self.principal.name().into(),
            action,
            device_id: None,
            model_id: None,
            source: self.source.to_string().into(),
        }
    }
}

/// Why a call is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No `Authorization`, not `Bearer`, or a token that is nobody's.
    #[error("no valid token")]
    Unauthorized,
    /// The valid token of a device.
    #[error("the token is a device's, {client_id}")]
    Device { client_id: String },
    #[error(transparent)]
    Database(#[from] database::Error),
}

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
    NoRandomness(#[from] NoRandomness),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for TokenError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Bootstrap => "forbidden",
            Self::Folder(_) => "unavailable",
            Self::NoRandomness(_) => "internal-error",
            Self::Database(error) => error.reason(),
        }
    }
}

/// What the audit trail has in place of a caller's address.
const RESET: &str = "fleetmint admin reset-token";

/// Where the administrator token is, after a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// It is the setting `access.bootstrap_token`.
    Bootstrap,
    /// A new one was made and kept in the data folder.
    Made,
    /// It is the one that was made earlier.
    Kept,
}

/// How long what was read is remembered, even while nothing says that it changed.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(1);

/// Knows the administrator's token: its hash, in the database, where a reset beside the running server changes it.
#[derive(Clone, Debug)]
pub struct Access {
    database: Database,
    folder: DataFolder,
    known: Arc<Mutex<Option<Known>>>,
}

/// The hash that was read last, and when. A reset first puts another file in the place of the token's: as long as the
/// file is the one whose token has this hash, nothing has changed.
#[derive(Debug)]
struct Known {
    hash: [u8; 32],
    /// `None` where the token is the settings', which no other process changes.
    file: Option<TokenFile>,
    read_at: Timestamp,
}

impl Known {
    fn holds(&self, now: Timestamp) -> bool {
        (SignedDuration::ZERO..REMEMBERED).contains(&now.duration_since(self.read_at))
            && self.file.as_ref().is_none_or(TokenFile::is_current)
    }
}

/// The hash of the administrator token, and where the token comes from.
struct Stored {
    from_settings: bool,
    hash: [u8; 32],
}

impl Stored {
    const SETTINGS: u8 = b's';
    const MADE: u8 = b'm';

    fn read(connection: &mut Connection) -> Result<Option<Self>, database::Error> {
        let Some(bytes) = instance::get(connection, ADMINISTRATOR)? else {
            return Ok(None);
        };
        let parts = bytes
            .split_first()
            .and_then(|(from, hash)| Some((from, hash.try_into().ok()?)));
        match parts {
            Some((&from, hash)) => Ok(Some(Self {
                from_settings: from == Self::SETTINGS,
                hash,
            })),
            None => Err(database::Error::Other(format!("instance {ADMINISTRATOR} is damaged"))),
        }
    }

    fn write(&self, connection: &mut Connection) -> Result<(), database::Error> {
        let mut bytes = vec![if self.from_settings { Self::SETTINGS } else { Self::MADE }];
        bytes.extend_from_slice(&self.hash);
        instance::put(connection, ADMINISTRATOR, &bytes)
    }
}

impl Access {
    /// Sees to it that there is an administrator token: the setting's if there is one, else one that was made.
    ///
    /// # Errors
    /// The database's and the data folder's.
    pub fn start(
        database: &Database,
        folder: &DataFolder,
        bootstrap_token: Option<&Secret>,
        random: &dyn Random,
    ) -> Result<(Self, Token), TokenError> {
        let access = Self {
            database: database.clone(),
            folder: folder.clone(),
            known: Arc::default(),
        };
        let token = if let Some(token) = bootstrap_token {
            let stored = Stored {
                from_settings: true,
                hash: sha256(token.expose().as_bytes()),
            };
            database.write_blocking(|connection| stored.write(connection))?;
            // A token made earlier opens nothing any more.
            folder.remove_admin_token()?;
            Token::Bootstrap
        } else {
            match database.read(Stored::read)? {
                Some(stored) if !stored.from_settings => Token::Kept,
                Some(_) | None => {
                    make(database, folder, random, |_, _| Ok(()))?;
                    Token::Made
                }
            }
        };
        Ok((access, token))
    }

    /// Makes another administrator token, in place of the one before, also beside a running server. `actor` is who runs
    /// this, for the audit trail.
    ///
    /// # Errors
    /// [`TokenError::Bootstrap`] while the setting is the token; the database's and the data folder's.
    pub fn reset(
        database: &Database,
        folder: &DataFolder,
        bootstrap_token: Option<&Secret>,
        random: &dyn Random,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let record = Entry {
            at: now,
            actor: actor.to_owned().into(),
            action: Operation::ResetAdminToken,
            device_id: None,
            model_id: None,
            source: RESET.into(),
        };
        let reset = if bootstrap_token.is_some() {
            Err(TokenError::Bootstrap)
        } else {
            // The running server may have the setting where this process has not.
            let runs = matches!(folder.lock(), Err(data_folder::Error::Locked { .. }));
            make(database, folder, random, |connection, before| match before {
                Some(stored) if stored.from_settings && runs => Err(TokenError::Bootstrap),
                _ => Ok(audit::insert(connection, &record, Outcome::Succeeded)?),
            })
        };
        if let Err(error) = &reset {
            let outcome = Outcome::Failed(error.reason());
            database.write_blocking::<_, database::Error>(|connection| audit::insert(connection, &record, outcome))?;
        }
        reset
    }

    /// Who sends this `Authorization` header (RFC 6750 §2.1). A reset takes effect at once.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn authenticate(
        &self,
        authorization: Option<&[u8]>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Principal, Error> {
        let token = authorization.and_then(bearer).ok_or(Error::Unauthorized)?;
        if self.is_administrator(&sha256(token.as_bytes()), now)? {
            return Ok(Principal::Administrator);
        }
        match identity {
            Identity::Builtin(builtin) => match builtin.subject(token, now) {
                Some(client_id) => Err(Error::Device { client_id }),
                None => Err(Error::Unauthorized),
            },
            Identity::Keycloak(_) => Err(Error::Unauthorized),
        }
    }

    fn is_administrator(&self, hash: &[u8; 32], now: Timestamp) -> Result<bool, database::Error> {
        if let Some(known) = &*self.known()
            && known.holds(now)
            && known.hash.ct_eq(hash).into()
        {
            return Ok(true);
        }
        // Opened before the hash is read: a reset after that is seen by the file.
        let mut file = self.folder.admin_token_file();
        let stored = self.database.read(Stored::read)?;
        let Some(stored) = stored.filter(|stored| stored.hash.ct_eq(hash).into()) else {
            return Ok(false);
        };
        let settled = match &mut file {
            // While a reset is under way, the file is already another's.
            Ok(Some(file)) => file
                .token()
                .is_ok_and(|token| sha256(token.expose().as_bytes()).ct_eq(hash).into()),
            Ok(None) => stored.from_settings,
            Err(_) => false,
        };
        if settled {
            *self.known() = Some(Known {
                hash: stored.hash,
                file: file.ok().flatten(),
                read_at: now,
            });
        }
        Ok(true)
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands after `Bearer `.
fn bearer(authorization: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(authorization).ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty())
}

/// Makes a token of 32 random bytes and keeps its hash in the database and itself in the data folder, unless `check`
/// objects to what was there before. If the file cannot be written, the database keeps the token before.
fn make(
    database: &Database,
    folder: &DataFolder,
    random: &dyn Random,
    check: impl FnOnce(&mut Connection, Option<&Stored>) -> Result<(), TokenError>,
) -> Result<(), TokenError> {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(bytes.as_mut())?;
    let token = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref()));
    let stored = Stored {
        from_settings: false,
        hash: sha256(token.as_bytes()),
    };
    database.write_blocking(|connection| {
        let before = Stored::read(connection)?;
        check(connection, before.as_ref())?;
        stored.write(connection)?;
        folder.write_admin_token(&token)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::SystemRandom;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_token_is_remembered_only_while_its_file_is_there() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(root.path()).unwrap();
        let database = Database::open(&root.path().join("database")).unwrap();
        let random = SystemRandom::default();
        let (access, _) = Access::start(&database, &folder, None, &random).unwrap();
        let hash = |token: &str| sha256(token.trim().as_bytes());
        let read = || std::fs::read_to_string(folder.admin_token_path()).unwrap();

        let first = hash(&read());
        assert!(access.is_administrator(&first, at(0)).unwrap());
        assert!(access.known.lock().unwrap().is_some());
        // Another process has made another token.
        Access::reset(&database, &folder, None, &random, "os:alice", at(0)).unwrap();
        let second = hash(&read());
        assert!(!access.is_administrator(&first, at(0)).unwrap());
        assert!(access.is_administrator(&second, at(0)).unwrap());

        // It is just making one: the file is there, the database still has the token before.
        *access.known.lock().unwrap() = None;
        folder.write_admin_token("the next one").unwrap();
        assert!(access.is_administrator(&second, at(0)).unwrap());
        assert!(access.known.lock().unwrap().is_none());
        let third = Stored {
            from_settings: false,
            hash: hash("the next one"),
        };
        database.write_blocking(|connection| third.write(connection)).unwrap();
        assert!(!access.is_administrator(&second, at(0)).unwrap());
        assert!(access.is_administrator(&third.hash, at(0)).unwrap());

        // The database is another's, whose files are elsewhere.
        let fourth = Stored {
            from_settings: false,
            hash: hash("made elsewhere"),
        };
        database.write_blocking(|connection| fourth.write(connection)).unwrap();
        assert!(access.is_administrator(&fourth.hash, at(0)).unwrap());
        assert!(!access.is_administrator(&third.hash, at(1)).unwrap());
    }
}
