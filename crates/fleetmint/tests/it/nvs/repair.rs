//! `fleetmint nvs repair`.

use expect_test::expect;
use sha2::{Digest, Sha256};

use crate::folder::Folder;
use crate::reference::{cases, folder};

#[test]
fn every_reference_image_as_espressif_s_library_leaves_it() {
    for case in cases("golden") {
        let test = Folder::new();
        let mut arguments = ["nvs", "repair", &case.image(), "out.bin", "--force"]
            .map(String::from)
            .to_vec();
        arguments.extend(case.keys());
        let run = test.run(arguments);
        if case.text("init") == "ESP_OK" {
            run.done();
            let after = case.json["sha256_after_init"].as_str().unwrap_or(case.text("sha256"));
            assert_eq!(
                hex::encode(Sha256::digest(test.read("out.bin"))),
                after,
                "{}",
                case.name
            );
        } else {
            let line = run.refused(1);
            assert!(line.contains(case.text("init")), "{}: {line}", case.name);
            assert_eq!(test.names(), [""; 0]);
        }
    }
}

#[test]
fn each_repair_is_reported() {
    let test = Folder::new();
    let image = folder("golden").join("bad_strhdr_crc.bin");
    let run = test.run(["nvs", "repair", image.to_str().unwrap(), "out.bin"]).done();
    // The string's head is damaged, so its three data entries are damaged heads to the firmware. Their "keys" are not shown.
    expect![[r#"
        repaired page 0 entry 19: its checksum doesn't fit
        repaired page 0 entry 20: its checksum doesn't fit
        repaired page 0 entry 21: its checksum doesn't fit
        repaired page 0 entry 22: its checksum doesn't fit
        created out.bin: 4 repairs
    "#]]
    .assert_eq(&run.stderr);
    // A second repair changes nothing.
    let again = test.line("fleetmint nvs repair out.bin again.bin").done();
    assert_eq!(again.stderr, "created again.bin: there was nothing to repair\n");
    assert_eq!(test.read("out.bin"), test.read("again.bin"));
}

#[test]
fn never_over_the_image_itself() {
    let test = Folder::new();
    test.write(
        "image.bin",
        std::fs::read(folder("golden").join("bad_strhdr_crc.bin")).unwrap(),
    );
    let before = test.read("image.bin");
    let line = test.line("fleetmint nvs repair image.bin ./image.bin").refused(2);
    assert!(line.contains("is the same file as the input image.bin"), "{line}");
    assert!(test.read("image.bin") == before);
}
