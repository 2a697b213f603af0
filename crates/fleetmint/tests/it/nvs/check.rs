//! `fleetmint nvs check`.

use expect_test::expect;
use fleetmint_nvs::entry::Entry;
use fleetmint_nvs::layout::{BITMAP_OFFSET, ENTRIES_OFFSET, ENTRY_SIZE, PAGE_SIZE, Version, entry_offset};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::{Key, Namespace};
use serde_json::Value as Json;

use crate::folder::Folder;
use crate::reference::{Case, cases, folder};

fn check(case: &Case) -> (i32, Json) {
    let run = Folder::new().run(
        [
            &["nvs", "check", &case.image(), "--format", "json", "--force"].map(String::from)[..],
            &case.keys(),
        ]
        .concat(),
    );
    assert_eq!(run.stderr, "", "{}", case.name);
    (run.exit, serde_json::from_str(&run.stdout).unwrap())
}

fn is_flawed(case: &Case) -> bool {
    let ops = |which: &str| case.json["init_flash_ops"][which].as_u64().unwrap_or(0);
    let unreadable = case.entries().iter().any(|entry| entry.get("error").is_some());
    case.text("init") != "ESP_OK" || ops("writes") + ops("erases") > 0 || unreadable
}

#[test]
fn whatever_the_library_acts_on_is_an_error_and_a_clean_image_has_none() {
    for case in cases("golden") {
        let (exit, report) = check(&case);
        let findings = report["findings"].as_array().unwrap();
        let errors = findings.iter().filter(|finding| finding["severity"] == "error").count();
        assert_eq!(errors > 0, is_flawed(&case), "{}: {report:#}", case.name);
        assert_eq!(exit, i32::from(!findings.is_empty()), "{}", case.name);
        assert_eq!(report["clean"], findings.is_empty(), "{}", case.name);
        assert_eq!(report["read_write"], case.text("init"), "{}", case.name);
        assert_eq!(report["readonly"], case.json["readonly"]["init"], "{}", case.name);
    }
}

#[test]
fn each_finding_says_where_and_what_the_firmware_does() {
    for case in cases("golden") {
        let (_, report) = check(&case);
        for finding in report["findings"].as_array().unwrap() {
            assert!(
                finding["offset"].as_u64().unwrap() < case.json["size"].as_u64().unwrap(),
                "{finding}"
            );
            assert_ne!(finding["rule"], "other", "{finding}");
            assert!(!finding["what"].as_str().unwrap().is_empty());
            for (field, values) in [
                (
                    "firmware",
                    &["nothing", "loses-entry", "erases-page", "erases-partition"][..],
                ),
                ("when", &["start", "read", "write"]),
            ] {
                assert!(values.contains(&finding[field].as_str().unwrap()), "{finding}");
            }
        }
    }
}

#[test]
fn for_people() {
    let test = Folder::new();
    test.write(
        "device.csv",
        "key,type,encoding,value\nprov,namespace,,\nclient_id,data,string,\n",
    );
    test.line("fleetmint nvs generate device.csv device.bin 0x3000").done();
    // A stranger may have a namespace of that name.
    test.line("fleetmint nvs check device.bin").done();
    let run = test.line("fleetmint nvs check device.bin --fleetmint");
    assert_eq!((run.exit, run.stderr.as_str()), (1, ""));
    expect![[r#"
        warning: key "device_key" of namespace "prov": a device needs it, and it is missing
        warning: page 0 entry 1 (offset 0x60): key "client_id" of namespace "prov": a device needs it, and it is empty
        warning: key "client_secret" of namespace "prov": a device needs it, and it is missing
        warning: key "token_url" of namespace "prov": a device needs it, and it is missing
        warning: key "base_url" of namespace "prov": a device needs it, and it is missing
        device.bin: 0 errors, 5 warnings

                   ENTRIES  BYTES
        in use           3     96
        available      249   7968
        in all         378  12096
    "#]]
    .assert_eq(&run.stdout);

    test.write("clean.csv", "key,type,encoding,value\napp,namespace,,\na,data,u8,1\n");
    test.line("fleetmint nvs generate clean.csv clean.bin 0x3000").done();
    let run = test.line("fleetmint nvs check clean.bin").done();
    expect![[r#"
        clean.bin: clean

                   ENTRIES  BYTES
        in use           2     64
        available      250   8000
        in all         378  12096
    "#]]
    .assert_eq(&run.stdout);
}

#[test]
fn a_wrong_key_is_a_finding() {
    let image = folder("golden").join("enc_no_key.bin");
    let run = Folder::new().run(["nvs", "check", image.to_str().unwrap()]);
    assert_eq!(run.exit, 1);
    assert!(
        run.stdout.contains("the encryption key seems missing"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("the firmware's next start erases every entry"),
        "{}",
        run.stdout
    );
}

#[test]
fn what_is_no_image() {
    let test = Folder::new();
    test.write("odd.bin", [0; 5000]);
    let line = test.line("fleetmint nvs check odd.bin").refused(2);
    assert!(line.contains("odd.bin: a partition of 5000 bytes"), "{line}");
    test.line("fleetmint nvs check gone.bin").refused(2);
}

/// A namespace that an old generator opened twice: two entries, of which the getters find the first.
pub(crate) fn twins() -> Vec<u8> {
    let named = |name: &str, index| (Entry::namespace(&Namespace::new(name).unwrap(), index), vec![]);
    let text = |index, name: &str, text: &[u8]| (Entry::string(index, &Key::new(name).unwrap(), text), text.to_vec());
    let items = [
        named("wifi", 1),
        text(1, "ssid", b"plant\0"),
        named("dev", 2),
        named("wifi", 3),
        text(3, "ssid", b"office\0"),
        text(3, "pass", b"secret\0"),
    ];
    let mut image = vec![0xFF; 4 * PAGE_SIZE];
    let mut bitmap = Bitmap::EMPTY;
    let mut index = 0;
    for (entry, data) in &items {
        image[entry_offset(0, index)..][..ENTRY_SIZE].copy_from_slice(&entry.to_bytes());
        image[entry_offset(0, index + 1)..][..data.len()].copy_from_slice(data);
        for _ in 0..entry.span {
            bitmap.set(index, EntryState::Written);
            index += 1;
        }
    }
    image[..BITMAP_OFFSET].copy_from_slice(&PageHeader::encode(PageState::Full, 0, Version::V2));
    image[BITMAP_OFFSET..ENTRIES_OFFSET].copy_from_slice(&bitmap.to_bytes());
    image
}

#[test]
fn two_namespaces_of_one_name_are_one_finding() {
    let test = Folder::new();
    test.write("image.bin", twins());
    let run = test.line("fleetmint nvs check image.bin --format json");
    assert_eq!(run.exit, 1);
    let report: Json = serde_json::from_str(&run.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report:#}");
    assert_eq!(findings[0]["rule"], "namespace-twice");
    assert_eq!(findings[0]["keys"], serde_json::json!(["ssid", "pass"]));
    assert_eq!(
        findings[0]["what"],
        "namespace wifi is there twice (index 1 and 3): the getters reach index 1 alone; what index 3 holds (ssid, pass) \
         can't be read by name"
    );
}

#[test]
fn one_page_is_checked_as_what_it_is() {
    let test = Folder::new();
    test.write(
        "t.csv",
        "key,type,encoding,value\ndev,namespace,,\nid,data,string,unit-1\n",
    );
    test.line("fleetmint nvs generate t.csv factory.bin 0x1000").done();
    let run = test.line("fleetmint nvs check factory.bin");
    assert_eq!(run.exit, 1);
    assert!(
        run.stdout.contains("belongs at the start of an erased partition"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("--as readonly"), "{}", run.stdout);
    test.line("fleetmint nvs check factory.bin --as readonly").done();
    test.line("fleetmint nvs diff factory.bin factory.bin --as readonly")
        .done();
    test.line("fleetmint nvs dump factory.bin --as readonly").done();
    let line = test.line("fleetmint nvs dump factory.bin").refused(1);
    assert!(
        line.contains("ESP_ERR_NVS_NO_FREE_PAGES") && line.contains("--as readonly"),
        "{line}"
    );
    let line = test.line("fleetmint nvs diff factory.bin factory.bin").refused(2);
    assert!(line.contains("--as readonly"), "{line}");

    let mut damaged = test.read("factory.bin");
    damaged[entry_offset(0, 2)] ^= 1;
    test.write("damaged.bin", damaged);
    for options in ["", " --as readonly"] {
        let run = test.line(&format!("fleetmint nvs check damaged.bin{options}"));
        assert!(run.stdout.contains("the value can't be read"), "{}", run.stdout);
    }
}
