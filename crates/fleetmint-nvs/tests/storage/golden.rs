//! The 122 images of `reference/golden`: read-write and read-only listings, repairs bit for bit, and the library's own
//! figures about its flash operations, its pages and how full they are.

use crate::reference::{Case, cases, comparable, wanted};
use fleetmint_nvs::Error;
use fleetmint_nvs::storage::{FlashOps, Mode, ReadOnlySlice, SliceFlash, Storage};
use sha2::{Digest, Sha256};

fn failures(what: &str, count: usize, check: impl Fn(&Case) -> Option<Result<(), String>>) {
    let cases = cases("golden");
    assert_eq!(cases.len(), 122);
    let mut checked = 0;
    let mut bad = Vec::new();
    for case in &cases {
        match check(case) {
            None => continue,
            Some(Ok(())) => {}
            Some(Err(why)) => bad.push(format!("{}: {why}", case.name)),
        }
        checked += 1;
    }
    assert!(
        bad.is_empty(),
        "{} of {checked} {what} differ:\n{}",
        bad.len(),
        bad.join("\n")
    );
    assert_eq!(checked, count, "{what}");
}

fn code(error: &Error) -> &'static str {
    error.esp().map_or("none", |code| code.name())
}

fn same(got: &[String], want: &[String]) -> Result<(), String> {
    let (mut got, mut want) = (got.to_vec(), want.to_vec());
    got.sort();
    want.sort();
    if got == want {
        return Ok(());
    }
    let cut = |text: &&String| text.chars().take(160).collect::<String>();
    let extra: Vec<_> = got
        .iter()
        .filter(|one| !want.contains(one))
        .map(|one| cut(&one))
        .collect();
    let missing: Vec<_> = want
        .iter()
        .filter(|one| !got.contains(one))
        .map(|one| cut(&one))
        .collect();
    Err(format!(
        "extra {extra:#?} missing {missing:#?} ({} and {})",
        got.len(),
        want.len()
    ))
}

fn wanted_entries(case: &Case) -> Vec<String> {
    let of = |name: &str| case.json[name].as_array().cloned().unwrap_or_default();
    of("entries").iter().chain(&of("not_iterated")).map(wanted).collect()
}

/// The read-write entries, without those that are missing read-only and with those that are listed instead.
fn wanted_read_only(case: &Case) -> Vec<String> {
    let readonly = &case.json["readonly"];
    let of = |json: &serde_json::Value, name: &str| json[name].as_array().cloned().unwrap_or_default();
    let name = |entry: &serde_json::Value| {
        ["namespace", "namespace_hex", "key", "key_hex", "type"].map(|field| entry[field].to_string())
    };
    let own = of(readonly, "entries");
    let mut entries = if own.is_empty() { of(&case.json, "entries") } else { own };
    for gone in of(readonly, "entries_not_shown") {
        let at = entries.iter().position(|entry| name(entry) == name(&gone)).unwrap();
        entries.remove(at);
    }
    entries.extend(of(readonly, "entries_shown_instead"));
    entries.extend(of(&case.json, "not_iterated"));
    entries.iter().map(wanted).collect()
}

fn ops(json: &serde_json::Value) -> FlashOps {
    let count = |name: &str| json[name].as_u64().unwrap_or(0) as usize;
    FlashOps {
        writes: count("writes"),
        erases: count("erases"),
    }
}

#[test]
fn read_write_every_listing_equals_the_librarys() {
    failures("listings", 122, |case| {
        let mut image = case.image();
        let opened = Storage::open_as_firmware(SliceFlash::new(&mut image), Mode::ReadWrite, case.cipher());
        Some(match opened {
            Err(error) if code(&error) == case.init() => Ok(()),
            Err(error) => Err(format!("{error}, not {}", case.init())),
            Ok(_) if case.init() != "ESP_OK" => Err(format!("opened, not {}", case.init())),
            Ok(mut storage) => {
                let before = storage.ops();
                let got: Vec<_> = storage.list().unwrap().iter().map(comparable).collect();
                let after = storage.ops();
                let read = FlashOps {
                    writes: after.writes - before.writes,
                    erases: after.erases - before.erases,
                };
                same(&got, &wanted_entries(case)).and_then(|()| {
                    // Reading an orphan by its wrong name has other effects than reading it in place.
                    let orphans = case.json["entries"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|one| one["orphan"] == true);
                    let want = ops(&case.json["read_flash_ops"]);
                    if read == want || orphans {
                        Ok(())
                    } else {
                        Err(format!("read did {read:?}, not {want:?}"))
                    }
                })
            }
        })
    });
}

#[test]
fn read_only_every_listing_equals_the_librarys() {
    failures("listings", 122, |case| {
        let image = case.image();
        let readonly = &case.json["readonly"];
        let init = readonly["init"].as_str().unwrap();
        let opened = Storage::open_as_firmware(ReadOnlySlice::new(&image), Mode::ReadOnly, case.cipher());
        Some(match opened {
            Err(error) if code(&error) == init => Ok(()),
            Err(error) => Err(format!("{error}, not {init}")),
            Ok(_) if init != "ESP_OK" => Err(format!("opened, not {init}")),
            Ok(mut storage) => {
                let got: Vec<_> = storage.list().unwrap().iter().map(comparable).collect();
                same(&got, &wanted_read_only(case))
            }
        })
    });
}

#[test]
fn every_image_is_repaired_bit_for_bit() {
    failures("repairs", 119, |case| {
        if case.init() != "ESP_OK" {
            return None;
        }
        let mut image = case.image();
        let storage = Storage::open_as_firmware(SliceFlash::new(&mut image), Mode::ReadWrite, case.cipher()).unwrap();
        let (got, want) = (storage.ops(), ops(&case.json["init_flash_ops"]));
        let noted = storage.repairs().len();
        drop(storage);
        let sum = hex::encode(Sha256::digest(&image));
        let wanted = case.json["sha256_after_init"]
            .as_str()
            .unwrap_or(case.json["sha256"].as_str().unwrap());
        Some(if sum != wanted {
            Err("the image differs".to_owned())
        } else if got != want {
            Err(format!("{got:?}, not {want:?}"))
        } else if (noted == 0) != (want == FlashOps::default()) {
            Err(format!("{noted} repairs noted for {want:?}"))
        } else {
            Ok(())
        })
    });
}

#[test]
fn the_figures_of_every_image_equal_the_librarys() {
    failures("figures", 119, |case| {
        if case.init() != "ESP_OK" {
            return None;
        }
        let mut image = case.image();
        let storage = Storage::open_as_firmware(SliceFlash::new(&mut image), Mode::ReadWrite, case.cipher()).unwrap();
        let (got, want) = (storage.stats(), &case.json["stats"]);
        let wanted = |name: &str| want[name].as_u64().unwrap_or(u64::MAX) as usize;
        let fits = got.used_entries == wanted("used_entries")
            && got.free_entries == wanted("free_entries")
            && got.available_entries == wanted("available_entries")
            && got.total_entries == wanted("total_entries")
            && got.namespace_count == wanted("namespace_count");
        Some(if fits {
            Ok(())
        } else {
            Err(format!("{got:?}, not {want}"))
        })
    });
}
