//! The built-in identity provider.

/// The built-in identity provider: clients, their secrets and the signing keys live in the database.
#[derive(Debug)]
pub struct Builtin {}
