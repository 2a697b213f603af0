//! What differs between two listings, as text and as JSON; values are masked unless they are asked for.

use fleetmint_nvs::diff::{Difference, fingerprint};
use fleetmint_nvs::storage::Listed;
use serde::Serialize;

use super::json::{Name, Shown};
use crate::exit::Failure;
use crate::terminal::shown;

/// Characters of a line that are shown.
const SHOWN: usize = 400;

/// How values are shown.
pub(super) enum Values {
    /// By type, size and a fingerprint, with a new salt for each report: equal values of one report have equal ones,
    /// and nobody can try values against them later.
    Masked([u8; 16]),
    /// As they are.
    Revealed,
}

impl Values {
    pub(super) fn masked() -> Result<Self, Failure> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)
            .map_err(|error| Failure::unusable(format_args!("the operating system gives no randomness: {error}")))?;
        Ok(Self::Masked(salt))
    }
}

/// A line for each.
pub(super) fn text(differences: &[Difference<'_>], values: &Values) -> String {
    let mut text = String::new();
    for difference in differences {
        let line = match values {
            Values::Masked(salt) => difference.masked(salt).to_string(),
            Values::Revealed => difference.revealed().to_string(),
        };
        text.push_str(&shown(&line, SHOWN));
        text.push('\n');
    }
    text
}

#[derive(Serialize)]
pub(super) struct Changed<'a> {
    change: &'static str,
    #[serde(flatten)]
    name: Name<'a>,
    /// Of what no getter reaches, as another namespace has the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    ns_index: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Side>,
}

#[derive(Serialize)]
struct Side {
    #[serde(rename = "type")]
    value_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(flatten)]
    shown: Shown,
}

/// For programs: `change` (added, removed, changed, type-changed), the names, and what was `before` and `after`.
pub(super) fn json<'a>(differences: &[Difference<'a>], values: &Values) -> Vec<Changed<'a>> {
    let side = |listed: &Listed| {
        let (fingerprint, shown) = match (values, listed.stored()) {
            (Values::Masked(salt), Ok(value)) => (Some(fingerprint(salt, value).to_string()), Shown::default()),
            (_, stored) => (None, stored.into()),
        };
        Side {
            value_type: listed.value_type.name(),
            size: listed.stored_size(),
            fingerprint,
            shown,
        }
    };
    differences
        .iter()
        .filter_map(|difference| {
            Some(Changed {
                change: difference.change().name(),
                name: difference.entry()?.into(),
                ns_index: difference
                    .entry()
                    .filter(|entry| entry.unreachable.is_some())
                    .map(|entry| entry.ns_index),
                before: difference.before.map(side),
                after: difference.after.map(side),
            })
        })
        .collect()
}
