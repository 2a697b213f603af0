//! The listing for people.

use fleetmint_nvs::entry::Number;
use fleetmint_nvs::storage::{Listed, Stats, Value};

use crate::terminal::{count, shown, table};

/// Characters of a value that are shown: enough for a URL or a certificate's beginning.
const SHOWN: usize = 160;

/// A table, and how full the partition is.
pub(super) fn listing(entries: &[Listed], stats: &Stats) -> String {
    let rows = entries.iter().map(|entry| {
        [
            if entry.orphan {
                format!("(index {})", entry.ns_index)
            } else {
                shown(&entry.namespace.to_string(), SHOWN)
            },
            shown(&entry.key.to_string(), SHOWN),
            entry.value_type.name().to_string(),
            entry.size.map_or_else(String::new, |size| size.to_string()),
            format!("{}{}", value(entry), remark(entry)),
        ]
    });
    let mut text = if entries.is_empty() {
        String::from("no values\n")
    } else {
        table(["NAMESPACE", "KEY", "TYPE", "SIZE", "VALUE"], &[3], rows)
    };
    text.push_str(&format!(
        "\n{} in {}; {} of {} entries in use, {} available\n",
        count(entries.len(), "value"),
        count(stats.namespace_count, "namespace"),
        stats.used_entries,
        stats.total_entries,
        stats.available_entries
    ));
    text
}

fn value(entry: &Listed) -> String {
    match &entry.value {
        Ok(Value::Number(number)) => number_text(*number),
        Ok(Value::Str(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => shown(text, SHOWN),
            Err(_) => shown(&bytes.escape_ascii().to_string(), SHOWN),
        },
        Ok(Value::Blob(bytes)) => shown(&hex::encode(bytes), SHOWN),
        Err(error) => error.name().to_string(),
    }
}

pub(super) fn number_text(number: Number) -> String {
    match number {
        Number::U8(n) => n.to_string(),
        Number::I8(n) => n.to_string(),
        Number::U16(n) => n.to_string(),
        Number::I16(n) => n.to_string(),
        Number::U32(n) => n.to_string(),
        Number::I32(n) => n.to_string(),
        Number::U64(n) => n.to_string(),
        Number::I64(n) => n.to_string(),
        Number::Float(n) => format!("{n:?}"),
        Number::Double(n) => format!("{n:?}"),
    }
}

fn remark(entry: &Listed) -> &'static str {
    match (entry.orphan, entry.repeat, entry.iterated) {
        (true, ..) => "  (orphan: no namespace has this index)",
        (_, true, _) => "  (again: the firmware reads the first)",
        (.., false) => "  (old format: the firmware's iterator leaves it out)",
        _ => "",
    }
}
