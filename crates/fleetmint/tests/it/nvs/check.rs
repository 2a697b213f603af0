//! `fleetmint nvs check`.

use expect_test::expect;
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
    let run = test.line("fleetmint nvs check device.bin");
    assert_eq!((run.exit, run.stderr.as_str()), (1, ""));
    expect![[r#"
        warning: key "device_key" of namespace "prov": a device needs it, and it is missing; the firmware does nothing about it
        warning: key "client_secret" of namespace "prov": a device needs it, and it is missing; the firmware does nothing about it
        warning: key "token_url" of namespace "prov": a device needs it, and it is missing; the firmware does nothing about it
        warning: key "base_url" of namespace "prov": a device needs it, and it is missing; the firmware does nothing about it
        warning: page 0 entry 1 (offset 0x60): key "client_id" of namespace "prov": a device needs it, and it is empty; the firmware does nothing about it
        device.bin: 0 errors, 5 warnings

                   ENTRIES  BYTES
        in use           3     96
        available      249   7968
        in all         378  12096
    "#]].assert_eq(&run.stdout);

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
