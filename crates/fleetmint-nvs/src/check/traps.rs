//! The traps of ESP-IDF's library: what it does without a word.

use super::credentials;
use super::finding::{Finding, FindingKind};
use crate::error::Error;
use crate::key::RawName;
use crate::layout::NAMESPACE_ANY;
use crate::storage::{Flash, Storage, ValueType};
use alloc::vec::Vec;

/// Reads every value.
pub(super) fn of_values<F: Flash>(storage: &mut Storage<F>, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let mut names: Vec<(RawName, RawName, ValueType, usize)> = Vec::new();
    let mut credentials = credentials::Credentials::default();
    let mut found = Vec::new();
    storage.visit(|listed| {
        if listed.orphan {
            found.push(Finding::of_value(&listed, FindingKind::Orphan));
        } else if let Err(code) = listed.value {
            found.push(Finding::of_value(&listed, FindingKind::Unreadable { code }));
        } else if listed.repeat {
            found.push(Finding::of_value(&listed, FindingKind::Duplicate));
        } else {
            credentials.see(&listed);
            names.push((listed.namespace, listed.key, listed.value_type, found.len()));
            // A place for it, in case another type of the name comes up.
            found.push(Finding::of_value(
                &listed,
                FindingKind::TwoTypes {
                    other: listed.value_type,
                },
            ));
        }
    })?;
    let mut two_types = alloc::vec![None; found.len()];
    names.sort_by_key(|(namespace, key, _, place)| (*namespace, *key, *place));
    for pair in names.windows(2) {
        if let [(namespace, key, other, _), (same_namespace, same_key, _, place)] = pair
            && (namespace, key) == (same_namespace, same_key)
            && let Some(two_types) = two_types.get_mut(*place)
        {
            *two_types = Some(*other);
        }
    }
    for (mut finding, other) in found.into_iter().zip(two_types) {
        if let FindingKind::TwoTypes { .. } = finding.kind {
            let Some(other) = other else { continue };
            finding.kind = FindingKind::TwoTypes { other };
        }
        findings.push(finding);
    }
    credentials.judge(findings);
    if storage.namespaces().any(|(_, index)| index == NAMESPACE_ANY) || storage.uses_index(NAMESPACE_ANY) {
        findings.push(Finding::of_partition(FindingKind::NamespaceAny));
    }
    Ok(())
}

/// How much is left.
pub(super) fn of_space<F: Flash>(storage: &Storage<F>, findings: &mut Vec<Finding>) {
    if storage.stats().available_entries == 0 {
        findings.push(Finding::of_partition(FindingKind::NoRoom));
    }
}

/// Repairs that a read-only start tried, failed at, and ignored.
pub(super) fn of_read_only<F: Flash>(storage: &Storage<F>, findings: &mut Vec<Finding>) {
    findings.extend(storage.repairs().iter().map(Finding::of_read_only));
}
