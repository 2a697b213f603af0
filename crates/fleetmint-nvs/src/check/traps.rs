//! The traps of ESP-IDF's library: what it does without a word.

use super::finding::{Finding, FindingKind};
use crate::error::Error;
use crate::key::RawName;
use crate::layout::NAMESPACE_ANY;
use crate::storage::{Flash, Storage, ValueType};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Reads every value.
pub(super) fn of_values<F: Flash>(storage: &mut Storage<F>, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let mut names: Vec<(RawName, RawName, ValueType, usize)> = Vec::new();
    let mut found = Vec::new();
    let mut unreachable: Vec<(u8, RawName)> = Vec::new();
    storage.visit(|listed| {
        if listed.unreachable.is_some() {
            unreachable.push((listed.ns_index, listed.key));
        } else if listed.orphan {
            found.push(Finding::of_value(&listed, FindingKind::Orphan));
        } else if let Err(code) = listed.value {
            found.push(Finding::of_value(&listed, FindingKind::Unreadable { code }));
        } else if listed.repeat {
            found.push(Finding::of_value(&listed, FindingKind::Duplicate));
        } else {
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
    of_twin_namespaces(storage, unreachable, findings);
    if storage.namespaces().any(|(_, index)| index == NAMESPACE_ANY) || storage.uses_index(NAMESPACE_ANY) {
        findings.push(Finding::of_partition(FindingKind::NamespaceAny));
    }
    Ok(())
}

/// Namespaces whose name another one has that is found first: what they hold can't be read.
fn of_twin_namespaces<F: Flash>(
    storage: &Storage<F>,
    mut unreachable: Vec<(u8, RawName)>,
    findings: &mut Vec<Finding>,
) {
    // By index, in the order of the flash, each key once.
    let mut seen = BTreeSet::new();
    unreachable.retain(|one| seen.insert(*one));
    unreachable.sort_by_key(|(index, _)| *index);
    let mut first: BTreeMap<RawName, u8> = BTreeMap::new();
    let mut reported = [false; 256];
    for (name, index) in storage.namespaces() {
        let reached = *first.entry(name).or_insert(index);
        // An index that has another name too is reached by that.
        let is_reached = first.values().any(|reached| *reached == index);
        let Some(reported) = reported
            .get_mut(usize::from(index))
            .filter(|reported| !**reported && !is_reached)
        else {
            continue;
        };
        *reported = true;
        let begin = unreachable.partition_point(|(other, _)| *other < index);
        let keys = unreachable.get(begin..).unwrap_or_default().iter();
        let keys = keys
            .take_while(|(other, _)| *other == index)
            .map(|(_, key)| *key)
            .collect();
        findings.push(Finding::of_twin_namespace(name, reached, index, keys));
    }
}

/// Repairs that a read-only start tried, failed at, and ignored.
pub(super) fn of_read_only<F: Flash>(storage: &Storage<F>, findings: &mut Vec<Finding>) {
    findings.extend(storage.repairs().iter().map(Finding::of_read_only));
}
