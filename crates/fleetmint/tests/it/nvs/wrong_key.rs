//! Wrong or missing keys: the firmware would erase everything, so nothing is done without --force.

use crate::folder::Folder;
use crate::reference::folder;

fn images() -> Folder {
    let test = Folder::new();
    for (source, copy) in [
        ("enc_wrong_key.bin", "a.bin"),
        ("enc_no_key.bin", "b.bin"),
        ("keyfile-b.bin", "other.bin"),
    ] {
        test.write(copy, std::fs::read(folder("golden").join(source)).unwrap());
    }
    test.write(
        "changes.csv",
        "key,type,encoding,value\nprov,namespace,,\na,data,u8,1\n",
    );
    test
}

#[test]
fn every_command_says_so_and_writes_nothing() {
    let test = images();
    for (image, seems) in [("a.bin --keys other.bin", "wrong"), ("b.bin", "missing")] {
        for command in ["dump {}", "repair {} out.bin", "patch {} changes.csv out.bin"] {
            let (image, keys) = image.split_once(' ').unwrap_or((image, ""));
            let line = test
                .line(&format!("fleetmint nvs {} {keys}", command.replace("{}", image)))
                .refused(1);
            assert!(line.contains(&format!("the encryption key seems {seems}")), "{line}");
            assert!(!test.file("out.bin").exists());
        }
    }
}

#[test]
fn force_does_what_the_firmware_does() {
    let test = images();
    test.line("fleetmint nvs repair b.bin out.bin --force").done();
    let text = test.line("fleetmint nvs dump out.bin").done().stdout;
    assert!(text.starts_with("no values"), "{text}");
    let text = test.line("fleetmint nvs dump b.bin --force").done().stdout;
    assert!(text.starts_with("no values"), "{text}");
}

#[test]
fn read_only_the_firmware_s_start_fails_instead() {
    let line = images().line("fleetmint nvs dump b.bin --as readonly").refused(1);
    assert!(
        line.contains("ESP_ERR_NOT_ALLOWED") && line.contains("the encryption key seems missing"),
        "{line}"
    );
}
