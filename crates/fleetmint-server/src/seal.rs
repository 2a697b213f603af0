//! Secrets at rest: sealed with an AEAD under the master key.

/// Seals and opens secrets under the master key.
#[derive(Debug)]
pub struct Seal {}

/// Where a sealed secret is kept: what is sealed for one place does not open at another.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub table: &'static str,
    /// A name of the row that is known before the row is written: a model's code, a device's key, a secret's id.
    pub row: &'a str,
    pub column: &'static str,
}
