//! An authenticated caller.

use crate::operation::Role;
use crate::sessions::SignedIn;
use crate::source::Source;

/// Who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Administrator,
}

impl Principal {
    /// What they may do.
    pub const fn role(self) -> Role {
        match self {
            Self::Administrator => Role::Administrator,
        }
    }

    /// The name in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
        }
    }
}

/// An authenticated caller, with the address of the call.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    /// The session of somebody who is signed in at the page; `None` if the call has a token of its own.
    pub signed_in: Option<SignedIn>,
    /// The address that the call came from.
    pub source: Source,
}
