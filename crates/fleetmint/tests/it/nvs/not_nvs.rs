//! Files that are not NVS partitions: every command names what they seem to be, and writes nothing.

use crate::folder::Folder;

const CHANGES: &str = "key,type,encoding,value\nprov,namespace,,\nserial,data,u32,99\n";

fn folder() -> Folder {
    let folder = Folder::new();
    let mut application = vec![0x5A; 0x4000];
    application[..4].copy_from_slice(&[0xE9, 6, 2, 0x20]);
    let mut state = 1_u32;
    let noise: Vec<u8> = (0..0x6000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    folder.write("app.bin", &application);
    folder.write("noise.bin", &noise);
    folder.write("zeros.bin", [0; 0x3000]);
    folder.write("erased.bin", [0xFF; 0x6000]);
    folder.write("changes.csv", CHANGES);
    folder
        .line("fleetmint nvs generate-key --keyfile k.bin --outdir .")
        .done();
    folder
        .line("fleetmint nvs generate changes.csv device.bin 0x3000")
        .done();
    let longer = [folder.read("device.bin"), application].concat();
    folder.write("longer.bin", longer);
    folder
}

/// The files, and the errors that name their contents.
const FILES: [(&str, &str); 6] = [
    (
        "app.bin",
        "not an NVS partition: none of its 4 pages has a valid header; it seems to be an application image",
    ),
    (
        "noise.bin",
        "it seems to be random bytes, as with flash encryption or a wrong offset",
    ),
    ("zeros.bin", "it seems to be zeros, which an erased flash does not hold"),
    (
        "keys/k.bin",
        "its only page has no valid header; it seems to be a key partition",
    ),
    ("changes.csv", "it seems to be text: create an image from a table first"),
    (
        "longer.bin",
        "longer than an NVS partition: what begins at offset 0x3000 seems to be an application image",
    ),
];

#[test]
fn every_command_says_what_the_file_seems_to_be_and_writes_nothing() {
    let folder = folder();
    for (file, said) in FILES {
        for command in [
            "dump FILE",
            "dump FILE --format json",
            "check FILE",
            "check FILE --format json",
            "repair FILE out.bin",
            "patch FILE changes.csv out.bin",
            "patch FILE changes.csv --dry-run",
            "diff FILE erased.bin",
            "diff erased.bin FILE",
            "decrypt FILE keys/k.bin out.bin",
        ] {
            let line = folder
                .line(&format!("fleetmint nvs {}", command.replace("FILE", file)))
                .refused(2);
            assert!(line.contains(&format!("{file}: ")) && line.contains(said), "{line}");
            assert!(line.ends_with("; --force treats it as NVS"), "{line}");
            assert!(!folder.file("out.bin").exists());
        }
    }
}

#[test]
fn force_takes_it_for_nvs() {
    let folder = folder();
    for command in [
        "dump noise.bin --force",
        "repair noise.bin repaired.bin --force",
        "patch noise.bin changes.csv patched.bin --force",
        "diff noise.bin erased.bin --force",
        "patch longer.bin changes.csv longer-patched.bin --force",
    ] {
        folder.line(&format!("fleetmint nvs {command}")).done();
    }
    assert_eq!(folder.line("fleetmint nvs check noise.bin --force").exit, 1);
}

#[test]
fn raw_shows_it_and_says_so() {
    let run = folder().line("fleetmint nvs dump noise.bin --raw").done();
    assert!(
        run.stderr.starts_with("warning: noise.bin: not an NVS partition"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.starts_with("page 0 at 0x0"), "{}", run.stdout);
}

#[test]
fn an_erased_partition_is_nvs() {
    let folder = folder();
    folder.line("fleetmint nvs dump erased.bin").done();
    folder
        .line("fleetmint nvs patch erased.bin changes.csv patched.bin")
        .done();
}

#[test]
fn read_only_the_firmware_s_own_no_is_the_answer_to_noise() {
    let line = folder().line("fleetmint nvs dump noise.bin --as readonly").refused(1);
    assert!(
        line.contains("ESP_ERR_NOT_ALLOWED") && line.contains("it seems to be random bytes"),
        "{line}"
    );
}
