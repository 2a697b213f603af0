//! `fleetmint nvs patch`.

use serde_json::{Value as Json, json};

use crate::espressif::generator;
use crate::folder::Folder;
use crate::reference::cases;

#[test]
fn every_reference_case_as_espressif_s_library_leaves_it() {
    for case in cases("patch") {
        let test = Folder::new();
        let (before, changes) = (
            case.path(&format!("{}.before.bin", case.name)),
            case.path(&format!("{}.csv", case.name)),
        );
        let mut arguments = ["nvs", "patch", &before, &changes, "out.bin", "--force"]
            .map(String::from)
            .to_vec();
        arguments.extend(case.keys());
        let run = test.run(arguments);
        if case.json.get("quirk").is_some() {
            // A call that only works by an oddity of the library is refused.
            let line = run.refused(1);
            assert!(
                line.contains("KEY_TOO_LONG") || line.contains("one page cannot be changed"),
                "{}: {line}",
                case.name
            );
        } else if let Some(error) = case.json["error"].as_str() {
            let line = run.refused(1);
            assert!(line.contains(error), "{}: {line}", case.name);
            if let Some(row) = case.json["row"].as_u64().filter(|row| *row > 0) {
                assert!(line.contains(&format!("row {row} ")), "{}: {line}", case.name);
            }
        } else {
            run.done();
            let after = std::fs::read(case.path(&format!("{}.after.bin", case.name))).unwrap();
            assert!(test.read("out.bin") == after, "{}", case.name);
            continue;
        }
        assert_eq!(test.names(), [""; 0], "{}", case.name);
    }
}

fn provisioned() -> Folder {
    let folder = Folder::new();
    folder.write(
        "device.csv",
        "key,type,encoding,value\nprov,namespace,,\nclient_id,data,string,iot\nclient_secret,data,string,old-secret\n\
         app,namespace,,\ncounter,data,u32,7\n",
    );
    folder
        .line("fleetmint nvs generate device.csv device.bin 0x4000")
        .done();
    folder.write(
        "changes.csv",
        "key,type,encoding,value\nprov,namespace,,\nclient_secret,data,string,new-secret\ngone,delete,,\n",
    );
    folder
}

#[test]
fn one_value_changes_and_the_others_stay() {
    let folder = provisioned();
    let run = folder
        .line("fleetmint nvs patch device.bin changes.csv patched.bin")
        .done();
    assert!(
        run.stderr
            .contains("created patched.bin: 3 rows carried out, 1 of 4 sectors changed"),
        "{}",
        run.stderr
    );
    let csv = folder.line("fleetmint nvs dump patched.bin --format csv").done().stdout;
    assert_eq!(
        csv,
        "key,type,encoding,value\napp,namespace,,\ncounter,data,u32,7\n\
         prov,namespace,,\nclient_id,data,string,iot\nclient_secret,data,string,new-secret\n"
    );
}

#[test]
fn file_rows_count_from_the_current_folder() {
    let folder = provisioned();
    folder.write("certs/ca.der", [0x30, 0x82]);
    folder.write(
        "changes.csv",
        "key,type,encoding,value\nprov,namespace,,\nca,file,binary,certs/ca.der\n",
    );
    folder
        .line("fleetmint nvs patch device.bin changes.csv patched.bin")
        .done();
    let json = folder
        .line("fleetmint nvs dump patched.bin --format json")
        .done()
        .stdout;
    assert!(
        json.contains("\"key\":\"ca\",\"type\":\"blob\",\"value\":\"3082\""),
        "{json}"
    );
}

#[test]
fn lists_of_changes_that_make_no_sense() {
    let folder = provisioned();
    for (rows, said) in [
        ("a,data,u8,1\n", "row 1 (line 2): no namespace row comes before it"),
        (
            "prov,namespace,,\na,data,u8,x\n",
            "row 2, line 3: key \"a\": the value is not a number",
        ),
        (
            "prov,namespace,,\na,delete,u8,\n",
            "line 3: a delete row takes no encoding",
        ),
        (
            "prov,namespace,,\na,file,string,gone\n",
            "line 3: key \"a\": file \"gone\": no such file or directory",
        ),
        (
            "prov,namespace,,\na,erase,,\n",
            "line 3: key \"a\": type \"erase\" is none of",
        ),
    ] {
        folder.write("bad.csv", format!("key,type,encoding,value\n{rows}"));
        let line = folder.line("fleetmint nvs patch device.bin bad.csv out.bin").refused(2);
        assert!(line.contains("bad.csv: ") && line.contains(said), "{line}");
    }
    assert!(!folder.file("out.bin").exists());
}

#[test]
fn a_dry_run_shows_what_would_change_and_writes_nothing() {
    let folder = provisioned();
    let run = folder
        .line("fleetmint nvs patch device.bin changes.csv --dry-run")
        .done();
    assert_eq!(run.stderr, "");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(
        lines[0].starts_with("changed prov/client_secret: str of 11 bytes #"),
        "{}",
        run.stdout
    );
    assert_eq!(
        lines[1..],
        ["3 rows carried out, 1 of 4 sectors changed; nothing is written"]
    );
    assert!(
        !run.stdout.contains("secret\"") && !run.stdout.contains("new-secret"),
        "{}",
        run.stdout
    );
    assert_eq!(folder.names(), ["changes.csv", "device.bin", "device.csv"]);
    // The name of the output, as in the later call, is also left alone.
    let named = folder
        .line("fleetmint nvs patch device.bin changes.csv out.bin --dry-run")
        .done();
    assert!(
        named.stdout.ends_with("nothing is written\n") && !folder.file("out.bin").exists(),
        "{}",
        named.stdout
    );
    let none = folder.line("fleetmint nvs patch device.bin changes.csv");
    assert_eq!(none.exit, 2);
}

#[test]
fn a_report_for_programs() {
    let folder = provisioned();
    let run = folder
        .line("fleetmint nvs patch device.bin changes.csv patched.bin --format json")
        .done();
    let report: Json = serde_json::from_str(&run.stdout).unwrap();
    for (field, value) in [
        ("rows", 3),
        ("absent", 1),
        ("repairs", 0),
        ("sectors", 4),
        ("partition_offset", 0),
        ("erases", 0),
    ] {
        assert_eq!(report[field], value, "{field}");
    }
    assert_eq!(report["changed_sectors"], json!([0]));
    assert_eq!(report["diff"][0]["key"], "client_secret");
    assert!(
        !run.stdout.contains("new-secret") && !run.stdout.contains("old-secret"),
        "{}",
        run.stdout
    );
    let dry = folder
        .line("fleetmint nvs patch device.bin changes.csv --format json --dry-run")
        .done();
    let dry: Json = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!(dry["changed_sectors"], report["changed_sectors"]);
}

#[test]
fn the_reported_sectors_are_those_that_differ() {
    for case in cases("patch")
        .iter()
        .filter(|case| case.json["error"].is_null() && case.json.get("quirk").is_none())
    {
        let (before, changes) = (
            case.path(&format!("{}.before.bin", case.name)),
            case.path(&format!("{}.csv", case.name)),
        );
        let mut arguments = [
            "nvs",
            "patch",
            &before,
            &changes,
            "--dry-run",
            "--format",
            "json",
            "--force",
        ]
        .map(String::from)
        .to_vec();
        arguments.extend(case.keys());
        let run = Folder::new().run(arguments).done();
        let report: Json = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["changed_sectors"], case.json["changed_sectors"], "{}", case.name);
        assert_eq!(
            report["absent"].as_u64().unwrap() as usize,
            case.json["ignored_not_found_rows"].as_array().map_or(0, Vec::len),
            "{}",
            case.name
        );
    }
}

/// Why a patch is needed: a fresh image in place of the old one has no value of other software.
#[test]
fn beside_a_fresh_image_of_espressif_s_generator() {
    let test = Folder::new();
    let case = cases("patch")
        .into_iter()
        .find(|case| case.name == "foreign_reprov")
        .unwrap();
    let (before, changes) = (case.path("foreign_reprov.before.bin"), case.path("foreign_reprov.csv"));
    let lost = |image: &str| {
        let run = test.run(["nvs", "diff", &before, image, "--format", "json"]);
        let differences: Vec<Json> = serde_json::from_str(&run.stdout).unwrap();
        let foreign = differences.iter().filter(|one| one["namespace"] != "prov");
        foreign.filter(|one| one["change"] == "removed").count()
    };
    test.run(["nvs", "patch", &before, &changes, "patched.bin"]).done();
    assert_eq!(lost("patched.bin"), 0);
    test.write("changes.csv", std::fs::read(&changes).unwrap());
    let Some(theirs) = generator(test.path(), "generate changes.csv fresh.bin 0x4000") else {
        return;
    };
    theirs.done();
    assert_eq!(lost("fresh.bin"), 22);
}
