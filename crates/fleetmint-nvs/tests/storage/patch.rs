//! The 94 cases of `reference/patch`: the flash after a list of changes, bit for bit, and the errors by name and row.

use crate::reference::{Case, cases, comparable, wanted};
use fleetmint_nvs::csv;
use fleetmint_nvs::storage::{FlashOps, Mode, PatchFault, SliceFlash, Storage};

fn no_files(_path: &str) -> Result<Vec<u8>, &'static str> {
    Err("the reference cases have no files")
}

/// The image after the changes, and the flash operations of the start and of the changes; or the row and error.
fn patch(case: &Case) -> Result<(Vec<u8>, FlashOps, FlashOps), (usize, String)> {
    let mut image = case.file(&format!("{}.before.bin", case.name));
    let rows = csv::read_changes(&case.file(&format!("{}.csv", case.name))).unwrap();
    let opened = Storage::open_as_firmware(SliceFlash::new(&mut image), Mode::ReadWrite, case.cipher());
    let mut storage = opened.map_err(|error| (0, error.to_string()))?;
    let start = storage.ops();
    storage.patch(&rows, no_files).map_err(|error| {
        let PatchFault::Call(cause) = &error.cause else {
            panic!("{}: {error}", case.name)
        };
        (error.row, cause.esp().unwrap().name().to_owned())
    })?;
    let all = storage.ops();
    drop(storage);
    let changes = FlashOps {
        writes: all.writes - start.writes,
        erases: all.erases - start.erases,
    };
    Ok((image, start, changes))
}

fn ops(json: &serde_json::Value) -> FlashOps {
    let count = |name: &str| json[name].as_u64().unwrap_or(0) as usize;
    FlashOps {
        writes: count("writes"),
        erases: count("erases"),
    }
}

fn check(case: &Case) -> Result<(), String> {
    let wanted_error = case.json["error"].as_str();
    match (patch(case), wanted_error) {
        // A tool refuses changes for which the library uses only a part of a name.
        (Err((_, error)), None) if case.json.get("quirk").is_some() && error.contains("KEY_TOO_LONG") => Ok(()),
        (Err((row, error)), Some(code)) if error.contains(code) && case.json["row"].as_u64() == Some(row as u64) => {
            Ok(())
        }
        (Err((row, error)), _) => Err(format!("row {row}: {error}, not {wanted_error:?}")),
        (Ok(_), Some(code)) => Err(format!("no error, not {code}")),
        (Ok((image, start, changes)), None) => {
            if image != case.file(&format!("{}.after.bin", case.name)) {
                return Err("the image differs".to_owned());
            }
            let (want_start, want_changes) = (ops(&case.json["init_flash_ops"]), ops(&case.json["change_flash_ops"]));
            if (start, changes) != (want_start, want_changes) {
                return Err(format!(
                    "{start:?} and {changes:?}, not {want_start:?} and {want_changes:?}"
                ));
            }
            Ok(())
        }
    }
}

#[test]
fn after_every_list_of_changes_the_flash_equals_the_librarys() {
    let cases = cases("patch");
    assert_eq!(cases.len(), 94);
    let bad: Vec<_> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|why| format!("{}: {why}", case.name)))
        .collect();
    assert!(
        bad.is_empty(),
        "{} of {} differ:\n{}",
        bad.len(),
        cases.len(),
        bad.join("\n")
    );
}

#[test]
fn after_every_list_of_changes_the_listing_equals_the_librarys() {
    for case in cases("patch") {
        if case.json["error"].is_string() {
            continue;
        }
        let mut image = case.file(&format!("{}.after.bin", case.name));
        let opened = Storage::open_as_firmware(SliceFlash::new(&mut image), Mode::ReadWrite, case.cipher());
        if let Some(code) = case.json["reload_error"].as_str() {
            assert_eq!(opened.unwrap_err().esp().unwrap().name(), code, "{}", case.name);
            continue;
        }
        let mut got: Vec<_> = opened.unwrap().list().unwrap().iter().map(comparable).collect();
        let of = |name: &str| case.json[name].as_array().cloned().unwrap_or_default();
        let mut want: Vec<_> = of("entries").iter().chain(&of("not_iterated")).map(wanted).collect();
        got.sort();
        want.sort();
        assert_eq!(got, want, "{}", case.name);
    }
}
