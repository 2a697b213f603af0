//! Files and partitions.

use fleetmint_board::answers::{FileReport, ProblemReport};
use fleetmint_board::credentials;
use fleetmint_board::flash_dump::{self, Wanted, check_nvs};
use fleetmint_board::patch;
use fleetmint_board::report::{self, Around, CheckReport, ExactValue, ListingReport, MapReport};
use fleetmint_nvs::check::{self, Options};
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::diff;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Listed, Metered, Mode, SliceFlash, Storage};
use js_sys::{Array, Uint8Array};
use md5::{Digest, Md5};
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{Answer, Problem, bytes, json, json_and_bytes};
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

/// The values of a partition, without the values themselves.
#[wasm_bindgen]
pub fn entries(mut image: Vec<u8>, keys: &Array, readonly: bool, force: bool) -> Result<String, JsValue> {
    let (around, listed) = open(&mut image, keys, readonly, force)?;
    Ok(json(&ListingReport::new(&around, &listed)))
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

/// The MD5 of bytes, in hexadecimal.
#[wasm_bindgen]
pub fn md5(content: &[u8]) -> String {
    hex::encode(Md5::digest(content))
}

const fn mode(readonly: bool) -> Mode {
    match readonly {
        true => Mode::ReadOnly,
        false => Mode::ReadWrite,
    }
}

/// Opens a partition as the firmware does, and lists it. Repairs are made in `image`.
pub(crate) fn open(image: &mut [u8], keys: &Array, readonly: bool, force: bool) -> Answer<(Around, Vec<Listed>)> {
    let cipher = input::cipher(keys, image)?;
    let (pages, encrypted) = (image.len() / PAGE_SIZE, cipher.is_some());
    opened(image, cipher, readonly, force, |mut storage| {
        let around = Around::new(&storage, pages, encrypted);
        Ok((around, storage.list()?))
    })
}

/// The one kind of flash that all calls open, so that the module has the code for one.
type InMemory<'a> = Metered<SliceFlash<'a>, &'a mut dyn FnMut(usize) -> bool>;

fn opened<T>(
    image: &mut [u8],
    cipher: Option<Xts>,
    readonly: bool,
    force: bool,
    with: impl FnOnce(Storage<InMemory<'_>>) -> Result<T, fleetmint_nvs::Error>,
) -> Answer<T> {
    if !force {
        check_nvs(image).map_err(|error| ProblemReport::new("not-nvs", error.to_string()))?;
    }
    let mut unlimited = |_| true;
    let flash: InMemory<'_> = Metered::new(SliceFlash::new(image), &mut unlimited);
    let open = match force {
        true => Storage::open_as_firmware,
        false => Storage::open,
    };
    let storage = open(flash, mode(readonly), cipher);
    storage.and_then(with).map_err(|error| Problem::from(&error))
}
