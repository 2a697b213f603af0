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
    for (image, seems, keys_with) in [
        (
            "a.bin --keys other.bin",
            "wrong",
            ": give the right keys with --keys FILE",
        ),
        ("b.bin", "missing", ": give the keys with --keys FILE"),
    ] {
        for command in [
            "dump {}",
            "get {} prov a",
            "repair {} out.bin",
            "patch {} changes.csv out.bin",
        ] {
            let (image, keys) = image.split_once(' ').unwrap_or((image, ""));
            let line = test
                .line(&format!("fleetmint nvs {} {keys}", command.replace("{}", image)))
                .refused(1);
            assert!(line.contains(&format!("the encryption key seems {seems}")), "{line}");
            let option = line.find(keys_with).unwrap_or_else(|| panic!("{line}"));
            let force = line
                .find("(--force does what the firmware would: it erases every entry)")
                .unwrap_or_else(|| panic!("{line}"));
            assert!(option < force, "{line}");
            assert!(!test.file("out.bin").exists());
        }
    }
}

#[test]
fn diff_names_the_option_of_the_side() {
    let test = images();
    test.line("fleetmint nvs generate changes.csv plain.bin 0x3000").done();
    for (images, option) in [("b.bin plain.bin", "--keys-a"), ("plain.bin b.bin", "--keys-b")] {
        let line = test.line(&format!("fleetmint nvs diff {images}")).refused(2);
        assert!(
            line.contains(&format!("give the keys with {option} FILE (--force")),
            "{line}"
        );
    }
}

#[test]
fn a_key_for_a_plain_image() {
    let test = images();
    test.line("fleetmint nvs generate changes.csv plain.bin 0x3000").done();
    for command in [
        "dump plain.bin --keys other.bin",
        "repair plain.bin out.bin --keys other.bin",
        "patch plain.bin changes.csv out.bin --keys other.bin",
        "decrypt plain.bin other.bin out.bin",
    ] {
        let line = test.line(&format!("fleetmint nvs {command}")).refused(1);
        assert!(
            line.contains("plain.bin: the image is not encrypted: 2 entries are marked written")
                && line.contains("open it without"),
            "{line}"
        );
        assert!(!test.file("out.bin").exists());
    }
    let run = test.line("fleetmint nvs check plain.bin --keys other.bin");
    assert!(
        run.exit == 1 && run.stdout.contains("the image is not encrypted"),
        "{}",
        run.stdout
    );
    let line = test
        .line("fleetmint nvs diff plain.bin plain.bin --keys-b other.bin")
        .refused(2);
    assert!(line.contains("the image is not encrypted"), "{line}");
}

#[test]
fn one_kind_of_key_for_the_other() {
    let test = images();
    test.write("hmac.bin", [7; 32]);
    test.line("fleetmint nvs generate changes.csv plain.bin 0x3000").done();
    let hmac = "hmac.bin: not a file of NVS keys: it has the 32 bytes of an HMAC key, from which a chip derives the keys (offset \
                0x20); `fleetmint nvs generate-key --key_protect_hmac --kp_hmac_inputkey FILE` creates a file with the keys";
    for (command, said) in [
        ("dump a.bin --keys hmac.bin", hmac),
        ("diff a.bin a.bin --keys-a hmac.bin", hmac),
        ("decrypt a.bin hmac.bin out.bin", hmac),
        ("encrypt changes.csv out.bin 0x3000 --inputkey hmac.bin", hmac),
        (
            "generate-key --key_protect_hmac --kp_hmac_inputkey other.bin",
            "other.bin: not a file of an HMAC key: it holds NVS keys; those can't be turned back into the HMAC key that they may \
             be derived from; pass them with --inputkey to encrypt, with --keys to the commands that read an image",
        ),
        (
            "decrypt other.bin a.bin out.bin",
            "a.bin: not a file of NVS keys: the CRC-32 does not fit the keys (offset 0x40); it is an NVS image: the image and the \
             keys seem to be swapped",
        ),
        (
            "dump other.bin",
            "it seems to be a key partition: pass it as the keys, and the NVS partition as the image",
        ),
    ] {
        let line = test.line(&format!("fleetmint nvs {command}")).refused(2);
        assert!(line.contains(said), "{line}");
        assert!(!test.file("out.bin").exists() && !test.file("keys").exists());
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
        line.contains("ESP_ERR_NOT_ALLOWED")
            && line.contains("the encryption key seems missing")
            && line.ends_with(": give the keys with --keys FILE"),
        "{line}"
    );
}

/// A device that never ends is not a file of keys, and only a little of it is read.
#[cfg(unix)]
#[test]
fn a_file_that_is_too_long_for_keys_is_not_read_to_its_end() {
    let test = Folder::new();
    test.write("t.csv", "key,type,encoding,value\nprov,namespace,,\n");
    test.line("fleetmint nvs generate t.csv plain.bin 0x3000").done();
    // A partition larger than the part that is read.
    let mut large = test.read("plain.bin");
    large.resize(0x20000, 0xFF);
    test.write("large.bin", large);
    // Keys at the start of a larger partition are taken.
    test.line("fleetmint nvs generate-key --keyfile k.bin --outdir .")
        .done();
    let mut keys = test.read("keys/k.bin");
    keys.resize(64 << 10, 0xFF);
    test.write("partition.bin", &keys);
    keys.push(0xFF);
    test.write("longer.bin", &keys);
    let too_long = "it has more than 65536 bytes, the maximum for a file of keys; a key partition has 4096";
    for (file, reason) in [
        ("/dev/zero", too_long),
        ("longer.bin", too_long),
        (
            "large.bin",
            "the CRC-32 does not fit the keys (offset 0x40); it is an NVS image: the image and the keys seem to be swapped",
        ),
    ] {
        for line in [
            format!("check plain.bin --keys {file}"),
            format!("encrypt t.csv out.bin 0x3000 --inputkey {file}"),
        ] {
            let line = test.line(&format!("fleetmint nvs {line}")).refused(2);
            assert!(
                line.starts_with(&format!("fleetmint: {file}: ")) && line.ends_with(reason),
                "{line}"
            );
        }
    }
    let line = test
        .line("fleetmint nvs encrypt t.csv out.bin 0x3000 --keygen --key_protect_hmac --kp_hmac_inputkey /dev/zero")
        .refused(2);
    assert!(
        line.ends_with("an HMAC key in an eFuse block has exactly 32 bytes"),
        "{line}"
    );
    test.line("fleetmint nvs encrypt t.csv out.bin 0x3000 --inputkey partition.bin")
        .done();
}
