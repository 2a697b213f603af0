//! Who may call.

mod credential;
pub(crate) mod http;
mod own_page;
pub(crate) mod refusals;
mod stored_token;
#[cfg(test)]
mod tests;
mod token;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;

use crate::database::{self, Connection};
use crate::identity::Identity;
use crate::secret::Secret;

pub use crate::caller::{Caller, Principal};
use credential::{Form, bearer};
pub use http::Gate;
pub use refusals::Refusals;
use stored_token::StoredToken;
use token::AdministratorToken;
pub use token::{TokenError, TokenOrigin, TokenStore};

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No `Authorization`, not `Bearer`, an unknown token, or no session that goes on.
    #[error("no valid token")]
    Unauthorized,
    /// A call by cookie that does not come from the service's own page, and why not.
    #[error("{0}")]
    OtherPage(&'static str),
    /// The valid token of a device.
    #[error("the token is a device's, {client_id}")]
    Device { client_id: String },
    /// The role of the caller does not suffice.
    #[error("the caller's role does not allow the operation")]
    Forbidden,
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// Recognizes callers. Cloning is cheap: all clones share the same state.
///
/// Only the running server changes the administrator's token, so it keeps the token's digest in memory and reads
/// neither the database nor the token's file for a call.
#[derive(Clone, Debug)]
pub struct Access(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: TokenStore,
    /// `None` while nothing proves which token is the administrator's.
    administrator: RwLock<Option<AdministratorToken>>,
    /// Locked during a reset.
    resetting: Mutex<()>,
}

impl Access {
    /// Determines the administrator's token: the setting, or the one of an earlier start, or a new one.
    ///
    /// # Errors
    /// The database's and the data folder's.
    pub fn start(store: TokenStore, bootstrap_token: Option<&Secret>) -> Result<(Self, TokenOrigin), TokenError> {
        let (administrator, origin) = store.start(bootstrap_token)?;
        let access = Self(Arc::new(Shared {
            store,
            administrator: RwLock::new(administrator),
            resetting: Mutex::default(),
        }));
        Ok((access, origin))
    }

    /// The caller who sent this `Authorization` header (RFC 6750 §2.1).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn authenticate(
        &self,
        authorization: Option<&[u8]>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Principal, Error> {
        let token = authorization.and_then(bearer).ok_or(Error::Unauthorized)?;
        self.owner(token, identity, now).await
    }

    /// The owner of a token.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) async fn owner(&self, token: &str, identity: &Identity, now: Timestamp) -> Result<Principal, Error> {
        let form = Form::of(token);
        if self.is_administrator(form, token) {
            return Ok(Principal::Administrator);
        }
        match (form, identity) {
            (Form::Jwt, Identity::Builtin(builtin)) => match builtin.subject(token, now).await? {
                Some(client_id) => Err(Error::Device { client_id }),
                None => Err(Error::Unauthorized),
            },
            _ => Err(Error::Unauthorized),
        }
    }

    /// Whether the database still has this administrator's token, in the transaction that begins a session with it: a
    /// reset ends all sessions in the transaction that replaces the token's row, so none outlives it.
    ///
    /// # Errors
    /// Only the database's.
    pub(crate) fn is_stored(&self, connection: &mut Connection, token: &str) -> Result<bool, database::Error> {
        let stored = StoredToken::read(connection)?;
        Ok(stored.is_some_and(|stored| stored.proves(&self.0.store.seal, token)))
    }

    fn is_administrator(&self, form: Form, token: &str) -> bool {
        let administrator = self.0.administrator.read().unwrap_or_else(PoisonError::into_inner);
        administrator
            .as_ref()
            .is_some_and(|administrator| administrator.is(&self.0.store.seal, form, token))
    }

    /// Replaces the administrator's token by a new one. When this returns, the new token is in the data folder and
    /// valid, and the old one is invalid. Blocks on the disk.
    ///
    /// `actor` is who asked for it, for the audit trail; `bootstrap_token_is_set` says that their settings name a token.
    ///
    /// # Errors
    /// [`TokenError::Bootstrap`] while settings name the token; those of the database and of the data folder.
    pub fn reset(&self, actor: &str, bootstrap_token_is_set: bool) -> Result<(), TokenError> {
        let _one_at_a_time = self.0.resetting.lock().unwrap_or_else(PoisonError::into_inner);
        let administrator = &self.0.administrator;
        let is_setting = administrator
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .is_some_and(AdministratorToken::is_setting);
        let refused = is_setting || bootstrap_token_is_set;
        self.0.store.reset(actor, refused, |token| {
            *administrator.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
        })
    }
}
