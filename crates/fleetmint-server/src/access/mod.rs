//! Who may call.

use jiff::Timestamp;

use crate::audit::Entry;
use crate::database::{self, Database};
use crate::operation::Operation;

/// Knows the administrator's token.
#[derive(Debug)]
pub struct Access {}

/// Who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Administrator,
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

impl Access {
    /// Who sends this `Authorization` header.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn authenticate(&self, _database: &Database, _authorization: Option<&[u8]>) -> Result<Principal, Error> {
        Err(Error::Unauthorized)
    }
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
    pub source: String,
}

impl Caller {
    /// The audit record of what they do.
    pub fn record(&self, at: Timestamp, action: Operation, device_id: Option<i64>) -> Entry {
        Entry {
            at,
            actor: self.principal.name().to_owned(),
            action,
            device_id,
            source: self.source.clone(),
        }
    }
}
