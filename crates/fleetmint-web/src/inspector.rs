//! What the inspector asks beyond what provisioning does.

use fleetmint_board::answers::{FileReport, ProblemReport};
use fleetmint_board::credentials;
use fleetmint_board::flash_dump::{self, Wanted};
use fleetmint_board::patch;
use fleetmint_board::plan;
use fleetmint_board::report::{self, CheckReport, ExactValue, MapReport};
use fleetmint_nvs::check::{self, Options};
use fleetmint_nvs::diff;
use js_sys::{Array, Uint8Array};
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{Problem, bytes, json, json_and_bytes};
use crate::board;
use crate::image::{mode, open, opened};
use crate::input;

/// What a file from a chip is, and where in it the NVS partition and its keys are.
#[wasm_bindgen]
pub fn identify(
    file: &[u8],
    partition: Option<String>,
    table_offset: Option<usize>,
    force: bool,
) -> Result<String, JsValue> {
    let wanted = Wanted {
        partition: partition.as_deref(),
        table_offset,
        force,
    };
    let located = flash_dump::locate(file, &wanted).map_err(|error| Problem::from(&error))?;
    Ok(json(&FileReport::new(file, &located)))
}

/// One value.
#[wasm_bindgen]
pub fn value(mut image: Vec<u8>, keys: &Array, index: usize, readonly: bool, force: bool) -> Result<String, JsValue> {
    let (_, listed) = open(&mut image, keys, readonly, force)?;
    let listed = listed.get(index).ok_or_else(|| {
        let message = format!("the partition has {} values, and none is number {index}", listed.len());
        Problem::from(ProblemReport::new("no-such-entry", message))
    })?;
    Ok(json(&ExactValue::from(listed)))
}

/// What is wrong with a partition.
#[wasm_bindgen]
pub fn check(mut image: Vec<u8>, keys: &Array, readonly: bool, fleetmint: bool) -> Result<String, JsValue> {
    // Keys that do not fit are a finding.
    let cipher = input::cipher(keys, &image).unwrap_or_default();
    let options = Options {
        mode: mode(readonly),
        cipher: cipher.as_ref(),
        ..Options::default()
    };
    let report = check::check_with(&image, options).map_err(|error| Problem::from(&error))?;
    let credentials = match fleetmint {
        true => open(&mut image, keys, report.read_write.is_err(), false)
            .map_or_else(|_| Vec::new(), |(_, listed)| credentials::check(&listed)),
        false => Vec::new(),
    };
    Ok(json(&CheckReport::new(0, &report, &credentials)))
}

/// Each page and each of its slots.
#[wasm_bindgen]
pub fn map(image: &[u8], keys: &Array) -> Result<String, JsValue> {
    let cipher = input::cipher(keys, image).unwrap_or_default();
    let listed = open(&mut image.to_vec(), keys, false, false).map_or_else(|_| Vec::new(), |(_, listed)| listed);
    Ok(json(&MapReport::new(image, cipher.as_ref(), &listed)))
}

/// What differs between two partitions.
#[wasm_bindgen]
pub fn difference(
    mut a: Vec<u8>,
    a_keys: &Array,
    mut b: Vec<u8>,
    b_keys: &Array,
    reveal: bool,
    salt: &[u8],
) -> Result<String, JsValue> {
    let ((_, a), (_, b)) = (open(&mut a, a_keys, false, false)?, open(&mut b, b_keys, false, false)?);
    let differences = diff::diff(&a, &b);
    Ok(match reveal {
        true => json(&report::exact(&differences)),
        false => json(&report::masked(&differences, salt)),
    })
}

/// The partition as the firmware would leave it after a list of changes, and what that did.
#[wasm_bindgen]
pub fn patch(mut image: Vec<u8>, keys: &Array, changes: &JsValue, salt: &[u8], force: bool) -> Result<Array, JsValue> {
    #[derive(Serialize)]
    struct Report {
        rows: usize,
        absent: usize,
        repairs: usize,
        changed_sectors: Vec<usize>,
        differences: Vec<report::MaskedKey<'static>>,
    }
    let rows = input::changes(changes)?;
    let cipher = input::cipher(keys, &image)?;
    let made = patch::rows(&mut image, cipher.as_ref(), &rows, salt, force).map_err(|error| Problem::from(&error))?;
    let report = Report {
        rows: made.rows,
        absent: made.absent,
        repairs: made.repairs,
        changed_sectors: made.changed_sectors,
        differences: made.differences,
    };
    Ok(json_and_bytes(&report, &image))
}

/// The partition as the firmware's start would leave it.
#[wasm_bindgen]
pub fn repair(mut image: Vec<u8>, keys: &Array, force: bool) -> Result<Uint8Array, JsValue> {
    let cipher = input::cipher(keys, &image)?;
    opened(&mut image, cipher, false, force, |_| Ok(()))?;
    Ok(bytes(&image))
}

/// As `plan`, for a list of changes.
#[expect(clippy::too_many_arguments, reason = "a call of JavaScript, which names them")]
#[wasm_bindgen]
pub fn plan_changes(
    name: String,
    offset: usize,
    size: usize,
    partition: Vec<u8>,
    keys: &Array,
    changes: &JsValue,
    overwrite: bool,
    salt: &[u8],
) -> Result<Array, JsValue> {
    let rows = input::changes(changes)?;
    let wanted = plan::Wanted::Changes {
        rows: &rows,
        read_file: &mut |_| Err(String::from("there are no files here: give the value itself")),
    };
    Ok(board::planned(
        (name, offset, size),
        partition,
        keys,
        wanted,
        overwrite,
        salt,
    )?)
}
