//! The traps of ESP-IDF's library: what it does without reporting it.

use super::finding::{Finding, FindingKind};
use crate::error::Error;
use crate::key::RawName;
use crate::layout::NAMESPACE_ANY;
use crate::sorted::sort_by;
use crate::storage::{Flash, Storage, ValueType};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Reads every value, and reports those that an application can't read, or reads otherwise than it would expect.
pub(super) fn of_values<F: Flash>(storage: &mut Storage<F>, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let mut types: BTreeMap<(RawName, RawName), ValueType> = BTreeMap::new();
    let mut unreachable: Vec<(u8, RawName)> = Vec::new();
    storage.visit(|listed| {
        let kind = if listed.unreachable.is_some() {
            unreachable.push((listed.ns_index, listed.key));
            return;
        } else if listed.orphan {
            FindingKind::Orphan
        } else if let Err(code) = listed.value {
            FindingKind::Unreadable { code }
        } else if listed.repeat {
            FindingKind::Duplicate
        } else if let Some(other) = types.insert((listed.namespace, listed.key), listed.value_type) {
            FindingKind::TwoTypes { other }
        } else {
            return;
        };
        findings.push(Finding::of_value(&listed, kind));
    })?;
    of_twin_namespaces(storage, unreachable, findings);
    if storage.namespaces().any(|(_, index)| index == NAMESPACE_ANY) || storage.uses_index(NAMESPACE_ANY) {
        findings.push(Finding::of_partition(FindingKind::NamespaceAny));
    }
    Ok(())
}

/// Namespaces that can't be read, because the getters find another one with the same name first.
fn of_twin_namespaces<F: Flash>(
    storage: &Storage<F>,
    mut unreachable: Vec<(u8, RawName)>,
    findings: &mut Vec<Finding>,
) {
    // Each key once, sorted by namespace index; for each index in the order of the flash.
    let mut seen = BTreeSet::new();
    unreachable.retain(|one| seen.insert(*one));
    sort_by(&mut unreachable, |(a, _), (b, _)| a.cmp(b));
    let mut first: BTreeMap<RawName, u8> = BTreeMap::new();
    let mut reported = [false; 256];
    for (name, index) in storage.namespaces() {
        let reached = *first.entry(name).or_insert(index);
        // An index with a second name can be reached by that name.
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

/// Repairs that a read-only start tried and failed to make, and then ignored.
pub(super) fn of_read_only<F: Flash>(storage: &Storage<F>, findings: &mut Vec<Finding>) {
    findings.extend(storage.repairs().iter().map(Finding::of_read_only));
}
