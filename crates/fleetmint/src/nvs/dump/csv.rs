//! The listing as a table that `generate` takes back.

use std::collections::BTreeSet;

use fleetmint_nvs::RawName;
use fleetmint_nvs::csv::Writer;
use fleetmint_nvs::image;
use fleetmint_nvs::storage::{Listed, Value};

use crate::exit::Failure;
use crate::terminal::warn;

/// A table with the values, sorted as `entries` are; namespaces without any come last.
pub(super) fn listing(
    path: &str,
    entries: &[Listed],
    namespaces: impl Iterator<Item = RawName>,
) -> Result<String, Failure> {
    let cannot = |name: &RawName, reason: &dyn std::fmt::Display| {
        Failure::no(format_args!(
            "{path}: a table can't carry \"{name}\": {reason}; --format json shows it"
        ))
    };
    let mut table = Writer::new();
    let mut keys = BTreeSet::new();
    let mut written = BTreeSet::new();
    for entry in entries {
        let (namespace, key) = (entry.namespace, entry.key);
        if entry.orphan {
            warn(format_args!(
                "{path}: \"{key}\" is left out: no namespace has its index {}",
                entry.ns_index
            ));
            continue;
        }
        if entry.repeat {
            continue;
        }
        let value = match &entry.value {
            Ok(value) => value,
            Err(error) => {
                warn(format_args!(
                    "{path}: \"{key}\" of \"{namespace}\" is left out: the firmware can't read it ({error})"
                ));
                continue;
            }
        };
        if !keys.insert((namespace, key)) {
            return Err(cannot(
                &key,
                &format_args!("namespace \"{namespace}\" has it in several types"),
            ));
        }
        let value = match value {
            Value::Number(number) => image::Value::Number(*number),
            Value::Str(bytes) => {
                image::Value::Str(std::str::from_utf8(bytes).map_err(|_| cannot(&key, &"its text is not UTF-8"))?)
            }
            Value::Blob(bytes) => image::Value::Blob(bytes),
        };
        // The writer's error names the key or the namespace.
        table
            .item(namespace, key, value)
            .map_err(|error| Failure::no(format_args!("{path}: {error}; --format json shows it")))?;
        written.insert(namespace);
    }
    for namespace in namespaces {
        if written.insert(namespace) {
            table
                .namespace(namespace)
                .map_err(|error| Failure::no(format_args!("{path}: {error}; --format json shows it")))?;
        }
    }
    Ok(table.finish())
}
