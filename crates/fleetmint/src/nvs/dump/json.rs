//! The listing for programs.

use fleetmint_nvs::storage::Listed;
use serde::Serialize;

use super::super::json::{Name, Shown, lines};
use crate::exit::Failure;

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    name: Name<'a>,
    #[serde(rename = "type")]
    value_type: &'static str,
    #[serde(flatten)]
    shown: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    ns_index: u8,
    #[serde(skip_serializing_if = "is_false")]
    orphan: bool,
    #[serde(skip_serializing_if = "is_false")]
    repeat: bool,
    #[serde(skip_serializing_if = "is_true")]
    iterated: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_true(flag: &bool) -> bool {
    *flag
}

/// An array, one value a line.
pub(super) fn listing(entries: &[Listed]) -> Result<String, Failure> {
    lines(entries.iter().map(|listed| Entry {
        name: listed.into(),
        value_type: listed.value_type.name(),
        shown: listed.into(),
        size: listed.size,
        ns_index: listed.ns_index,
        orphan: listed.orphan,
        repeat: listed.repeat,
        iterated: listed.iterated,
    }))
}
