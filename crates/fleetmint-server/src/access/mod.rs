//! Who may call.

/// Knows the administrator's token.
#[derive(Debug)]
pub struct Access {}

/// Who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Administrator,
}
