//! `fleetmint nvs diff`.

use serde_json::{Value as Json, json};

use crate::folder::Folder;
use crate::reference::{cases, folder};

const BEFORE: &str = "\
key,type,encoding,value
wifi,namespace,,
ssid,data,string,workshop
password,data,string,old-password
channel,data,u8,6
retries,data,u8,3
";

const AFTER: &str = "\
key,type,encoding,value
app,namespace,,
counter,data,u32,1
wifi,namespace,,
password,data,string,new-password!
ssid,data,string,workshop
retries,data,string,3
";

fn images() -> Folder {
    let folder = Folder::new();
    for (name, table) in [("before", BEFORE), ("after", AFTER)] {
        folder.write("t.csv", table);
        folder
            .line(&format!("fleetmint nvs generate t.csv {name}.bin 0x3000"))
            .done();
    }
    folder
}

fn lines(folder: &Folder, arguments: &str) -> Vec<String> {
    let run = folder.line(&format!("fleetmint nvs diff {arguments}"));
    assert_eq!((run.exit, run.stderr.as_str()), (1, ""));
    run.stdout.lines().map(str::to_string).collect()
}

#[test]
fn by_namespace_and_key() {
    assert_eq!(
        lines(&images(), "before.bin after.bin --reveal"),
        [
            "added app/counter: u32 1",
            "removed wifi/channel: u8 6",
            "changed wifi/password: str of 13 bytes \"old-password\" → str of 14 bytes \"new-password!\"",
            "type-changed wifi/retries: u8 3 → str of 2 bytes \"3\"",
        ]
    );
}

#[test]
fn values_are_masked_and_the_marks_are_new_each_time() {
    let folder = images();
    let (one, two) = (
        lines(&folder, "before.bin after.bin"),
        lines(&folder, "before.bin after.bin"),
    );
    assert_eq!(one.len(), 4);
    for text in [one.join("\n"), two.join("\n")] {
        assert!(
            !text.contains("old-password") && !text.contains("new-password"),
            "{text}"
        );
    }
    assert!(
        one[2].starts_with("changed wifi/password: str of 13 bytes #"),
        "{}",
        one[2]
    );
    assert_ne!(one, two);
}

#[test]
fn for_programs() {
    let folder = images();
    let report = |options: &str| -> Json {
        let run = folder.line(&format!(
            "fleetmint nvs diff before.bin after.bin --format json {options}"
        ));
        assert_eq!(run.exit, 1);
        serde_json::from_str(&run.stdout).unwrap()
    };
    let revealed = report("--reveal");
    assert_eq!(
        revealed[2],
        json!({"change": "changed", "namespace": "wifi", "key": "password",
            "before": {"type": "str", "size": 13, "value": "old-password"},
            "after": {"type": "str", "size": 14, "value": "new-password!"}})
    );
    assert_eq!(
        revealed[0],
        json!({"change": "added", "namespace": "app", "key": "counter", "after": {"type": "u32", "value": 1}})
    );
    let masked = report("");
    assert_eq!(masked[2]["before"]["fingerprint"].as_str().unwrap().len(), 8);
    assert!(
        masked
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["before"].get("value").is_none() && one["after"].get("value").is_none())
    );
}

#[test]
fn the_same_values_in_other_places_are_the_same() {
    let folder = images();
    folder.write(
        "changes.csv",
        "key,type,encoding,value\nwifi,namespace,,\nssid,data,string,x\nssid,data,string,workshop\n",
    );
    folder
        .line("fleetmint nvs patch before.bin changes.csv worn.bin")
        .done();
    assert_ne!(folder.read("before.bin"), folder.read("worn.bin"));
    let run = folder.line("fleetmint nvs diff before.bin worn.bin").done();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = folder
        .line("fleetmint nvs diff before.bin worn.bin --format json")
        .done();
    assert_eq!(serde_json::from_str::<Json>(&run.stdout).unwrap(), json!([]));
}

#[test]
fn encrypted_on_either_side() {
    let folder = images();
    folder.write("t.csv", BEFORE);
    folder
        .line("fleetmint nvs encrypt t.csv sealed.bin 0x3000 --keygen --keyfile k.bin")
        .done();
    folder
        .line("fleetmint nvs diff sealed.bin before.bin --keys-a keys/k.bin")
        .done();
    folder
        .line("fleetmint nvs diff before.bin sealed.bin --keys-b keys/k.bin")
        .done();
    folder
        .line("fleetmint nvs diff sealed.bin sealed.bin --keys-a keys/k.bin --keys-b keys/k.bin")
        .done();
    let line = folder.line("fleetmint nvs diff sealed.bin before.bin").refused(2);
    assert!(line.contains("sealed.bin: the encryption key seems missing"), "{line}");
}

#[test]
fn trouble_is_not_a_difference() {
    let folder = images();
    folder.write("odd.bin", [0; 100]);
    for (arguments, said) in [
        ("odd.bin before.bin", "odd.bin: a partition of 100 bytes"),
        ("before.bin gone.bin", "gone.bin: no such file"),
        ("before.bin after.bin --keys-a t.csv", "t.csv: not a file of NVS keys"),
        (
            "t.csv after.bin",
            "t.csv: not an NVS partition: it has no whole page; it seems to be text",
        ),
    ] {
        let line = folder.line(&format!("fleetmint nvs diff {arguments}")).refused(2);
        assert!(line.contains(said), "{line}");
    }
}

/// Over all reference patches: the keys that differ are keys that the list of changes names, and no value is shown.
#[test]
fn reference_patches_differ_in_what_was_changed() {
    let mut compared = 0;
    for case in cases("patch")
        .iter()
        .filter(|case| case.json["error"].is_null() && case.json.get("quirk").is_none())
    {
        // Damaged ones lose by their repair too.
        if case.name.starts_with("dmg_") || case.name == "enc_wrong_key" || case.name == "enc_cut" {
            continue;
        }
        let (before, after) = (
            case.path(&format!("{}.before.bin", case.name)),
            case.path(&format!("{}.after.bin", case.name)),
        );
        let mut arguments = ["nvs", "diff", &before, &after, "--format", "json"]
            .map(String::from)
            .to_vec();
        if let [_, keys] = &case.keys()[..] {
            arguments.extend(["--keys-a", keys, "--keys-b", keys].map(String::from));
        }
        let run = Folder::new().run(arguments);
        assert!(run.exit < 2, "{}: {}", case.name, run.stderr);
        let changes = std::fs::read_to_string(folder("patch").join(format!("{}.csv", case.name))).unwrap();
        let differences: Vec<Json> = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(run.exit == 1, !differences.is_empty(), "{}", case.name);
        for difference in &differences {
            let key = difference["key"].as_str().unwrap_or_default();
            assert!(
                changes.contains(key) || changes.contains("delete-all"),
                "{}: {difference}",
                case.name
            );
        }
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
}
