//! The listing as a table for `generate`.

use std::collections::BTreeSet;
use std::fmt::Display;

use fleetmint_nvs::RawName;
use fleetmint_nvs::csv::{Generator, Writer};
use fleetmint_nvs::image;
use fleetmint_nvs::layout::{PAGE_SIZE, PARTITION_MAX, Version};
use fleetmint_nvs::storage::{Listed, Value};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::terminal::warn;

/// A table with the values in the order of `entries`. Namespaces without values come last.
///
/// What a table cannot express is an error. With `partial` it is left out, with a warning.
pub(super) fn listing(
    path: &str,
    entries: &[&Listed],
    namespaces: impl Iterator<Item = (RawName, u8)>,
    partial: bool,
) -> Result<Zeroizing<String>, Failure> {
    // The writer's error names the key or the namespace.
    let cannot = |reason: &dyn Display| {
        if partial {
            warn(format_args!("{path}: {reason}; it is left out"));
            return Ok(());
        }
        Err(Failure::no(format_args!(
            "{path}: {reason}; --format json shows it, --partial creates a table without it"
        )))
    };
    let mut table = Writer::new();
    // The values of one key with several types follow each other.
    let mut last = None;
    let mut written = BTreeSet::new();
    let namespaces: Vec<(RawName, u8)> = namespaces.collect();
    let mut twins = BTreeSet::new();
    for entry in entries {
        if entry.unreachable.is_some() {
            if twins.insert(entry.ns_index) {
                cannot(&twin(entry, &namespaces))?;
            }
            continue;
        }
        if entry.repeat {
            continue;
        }
        match expressed(entry, last) {
            Ok(value) => match table.item(entry.namespace, entry.key, value) {
                Ok(()) => {
                    last = Some((entry.namespace, entry.key));
                    written.insert(entry.namespace);
                }
                Err(error) => cannot(&error)?,
            },
            Err(reason) => cannot(&reason)?,
        }
    }
    for (namespace, _) in namespaces {
        if written.insert(namespace)
            && let Err(error) = table.namespace(namespace)
        {
            cannot(&error)?;
        }
    }
    if written.is_empty() {
        return Err(Failure::no(format_args!(
            "{path}: the partition is empty, and generate accepts no table without rows; an erased partition (0xFF bytes) is the same"
        )));
    }
    Ok(table.finish())
}

/// Warns if `generate` cannot create an image of the partition's size from the table: the firmware may have packed the values
/// closer, because it also uses the space that is left in older pages.
pub(super) fn warn_if_too_small(path: &str, table: &str, size: usize) {
    let Err(Misfit) = used(table, size) else { return };
    match used(table, PARTITION_MAX) {
        Ok(used) => warn(format_args!(
            "{path}: a partition of its size, {size:#x} bytes, is too small for generate to create an image from this table; it \
             needs {:#x} bytes",
            used + PAGE_SIZE
        )),
        Err(Misfit) => warn(format_args!("{path}: no partition is large enough for this table")),
    }
}

/// A table does not fit in an image.
struct Misfit;

/// Bytes in use in an image of this size that holds the values of the table.
fn used(table: &str, size: usize) -> Result<usize, Misfit> {
    let mut image = Zeroizing::new(vec![0; size]);
    let mut generator = Generator::new(&mut image, Version::V2).map_err(|_| Misfit)?;
    let no_files = |_: &str| Err::<Vec<u8>, _>("the table has no files");
    generator.add(table.as_bytes(), no_files).map_err(|_| Misfit)?;
    Ok(generator.finish())
}

/// Why a table cannot express the values of a namespace whose name another namespace has.
fn twin(entry: &Listed, namespaces: &[(RawName, u8)]) -> String {
    let first = namespaces.iter().find(|(name, _)| *name == entry.namespace);
    let first = first.map_or(entry.ns_index, |(_, index)| *index);
    format!(
        "a table cannot express namespace \"{}\": it exists twice (index {first} and {}), and a table would merge the two",
        entry.namespace, entry.ns_index
    )
}

/// The value in a table, or why a table cannot express it.
fn expressed(entry: &Listed, last: Option<(RawName, RawName)>) -> Result<image::Value<'_>, String> {
    let (namespace, key) = (entry.namespace, entry.key);
    let cannot = |reason: &dyn Display| Err(format!("a table cannot express \"{key}\": {reason}"));
    if entry.orphan {
        return cannot(&format_args!("no namespace has its index {}", entry.ns_index));
    }
    if last == Some((namespace, key)) {
        return cannot(&format_args!(
            "namespace \"{namespace}\" has values of several types for it"
        ));
    }
    match &entry.value {
        Ok(Value::Number(number)) => Ok(image::Value::Number(*number)),
        Ok(Value::Str(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(image::Value::Str(text)),
            Err(_) => cannot(&"its text is not UTF-8"),
        },
        Ok(Value::Blob(bytes)) => Ok(image::Value::Blob(bytes)),
        Err(error) => cannot(&format_args!("the firmware cannot read it ({error})")),
    }
}
