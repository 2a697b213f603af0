//! The listing for programs.

use fleetmint_nvs::storage::Listed;

use super::super::json::{Entry, lines};
use crate::exit::Failure;

/// An array, one value a line.
pub(super) fn listing(entries: &[Listed]) -> Result<String, Failure> {
    lines(entries.iter().map(Entry::from))
}
