//! The listing as a table for people.

use std::fmt::Write as _;
use std::iter;

use fleetmint_board::wiped::WipedText;
use fleetmint_nvs::storage::{Listed, Stats, Value};
use zeroize::Zeroizing;

use crate::terminal::{count, shown, table};

/// Characters of a value that are shown: enough for a URL or the beginning of a certificate.
const VALUE_MAX: usize = 160;

/// The table, and how full the partition is.
pub(super) fn listing(entries: &[&Listed], stats: &Stats) -> impl Iterator<Item = WipedText> {
    let row = |entry: &&Listed| {
        [
            if entry.orphan {
                format!("(index {})", entry.ns_index)
            } else {
                shown(&entry.namespace.to_string(), VALUE_MAX)
            },
            shown(&entry.key.to_string(), VALUE_MAX),
            entry.value_type.name().to_string(),
            entry.stored_size().map_or_else(String::new, |size| size.to_string()),
            [value(entry).as_str(), remark(entry)].concat(),
        ]
    };
    let none = entries.is_empty().then(|| WipedText::from(String::from("no values\n")));
    let values = (!entries.is_empty()).then(|| {
        let header = ["NAMESPACE", "KEY", "TYPE", "SIZE", "VALUE"];
        table(header, &[3], move || entries.iter().map(row))
    });
    let summary = format!(
        "\n{} in {}; {} of {} entries in use, {} available\n",
        count(entries.len(), "value"),
        count(stats.namespace_count, "namespace"),
        stats.used_entries,
        stats.total_entries,
        stats.available_entries
    );
    none.into_iter()
        .chain(values.into_iter().flatten())
        .chain(iter::once(WipedText::from(summary)))
}

fn value(entry: &Listed) -> Zeroizing<String> {
    Zeroizing::new(match entry.stored() {
        Ok(Value::Number(number)) => number.to_string(),
        Ok(Value::Str(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => shown(text, VALUE_MAX),
            Err(_) => {
                let mut escaped = WipedText::default();
                // Writing to memory does not fail.
                let _ = write!(escaped, "{}", bytes.escape_ascii());
                shown(&escaped, VALUE_MAX)
            }
        },
        Ok(Value::Blob(bytes)) => shown(&Zeroizing::new(hex::encode(bytes)), VALUE_MAX),
        Err(error) => error.name().to_string(),
    })
}

fn remark(entry: &Listed) -> &'static str {
    if entry.unreachable.is_some() {
        return "  (unreachable: the getters read another namespace of this name)";
    }
    match (entry.orphan, entry.repeat, entry.iterated) {
        (true, ..) => "  (orphan: no namespace has this index)",
        (_, true, _) => "  (again: the firmware reads the first)",
        (.., false) => "  (old format: the firmware's iterator leaves it out)",
        _ => "",
    }
}
