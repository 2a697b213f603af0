//! What JavaScript gives: keys and lists of changes.

use fleetmint_board::answers::ProblemReport;
use fleetmint_board::plan::PartitionKeys;
use fleetmint_board::wiped::Wiped;
use fleetmint_nvs::crypt::{Keys, Xts};
#[cfg(feature = "inspector")]
use fleetmint_nvs::csv::{self, Action, Encoding, Row, Source};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use crate::answer::{Answer, Problem};

/// Keys: `[bytes]` are given, `[name, bytes, name, bytes, …]` were found on a chip.
pub(crate) fn keys(list: &Array) -> Answer<PartitionKeys> {
    if list.length() == 1 {
        let given = wiped(&list.get(0))?;
        return Ok(PartitionKeys::Given(
            Keys::decode(given.as_ref()).map_err(|error| Problem::from(&error))?,
        ));
    }
    let mut on_chip = Vec::new();
    let mut number = 0;
    while number < list.length() {
        on_chip.push((text(&list.get(number))?, wiped(&list.get(number + 1))?));
        number += 2;
    }
    Ok(PartitionKeys::OnChip(on_chip))
}

/// The cipher of a partition, by the keys among these that are its own.
pub(crate) fn cipher(list: &Array, partition: &[u8]) -> Answer<Option<Xts>> {
    let keys = keys(list)?.of(partition).map_err(|refusal| Problem::from(&refusal))?;
    Ok(keys.map(|keys| keys.xts()))
}

/// A list of changes: the bytes of a CSV, or five texts for each call: what it does, namespace, key, encoding, value. Each
/// call is two rows, the first of which opens its namespace.
#[cfg(feature = "inspector")]
pub(crate) fn changes(changes: &JsValue) -> Answer<Vec<Row>> {
    const TEXTS: u32 = 5;
    if let Some(table) = changes.dyn_ref::<Uint8Array>() {
        let table = wiped(table)?;
        return csv::read_changes(table.as_ref()).map_err(|error| problem(error.to_string()));
    }
    let texts: &Array = changes
        .dyn_ref()
        .ok_or_else(|| problem(String::from("no list of changes")))?;
    let mut rows = Vec::new();
    for call in 0..texts.length() / TEXTS {
        let text = |number: u32| text(&texts.get(call * TEXTS + number));
        let line = call as usize + 1;
        rows.push(Row {
            line,
            key: text(1)?,
            action: Action::Namespace,
        });
        let action = match text(0)?.as_str() {
            "set" => {
                let name = text(3)?;
                let encoding =
                    Encoding::of_name(&name).ok_or_else(|| problem(format!("no encoding is named {name:?}")))?;
                let source = Source::Text(text(4)?);
                Action::Set { encoding, source }
            }
            "delete" => Action::Delete,
            "delete-all" => Action::DeleteAll,
            other => return Err(problem(format!("no call is named {other:?}"))),
        };
        rows.push(Row {
            line,
            key: text(2)?,
            action,
        });
    }
    Ok(rows)
}

fn problem(message: String) -> Problem {
    ProblemReport::new("change", message).into()
}

fn text(value: &JsValue) -> Answer<String> {
    value.as_string().ok_or_else(|| problem(String::from("not a text")))
}

fn wiped(value: &JsValue) -> Answer<Wiped> {
    let array: &Uint8Array = value.dyn_ref().ok_or_else(|| problem(String::from("no bytes")))?;
    let mut bytes = Wiped::filled(0, array.length() as usize);
    array.copy_to(bytes.as_mut());
    Ok(bytes)
}
