//! An authenticated caller.

use crate::operation::Role;
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
    /// The address that the call came from.
    pub source: Source,
}
