//! `fleetmint nvs decrypt`.

use crate::espressif::generator;
use crate::folder::Folder;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write(
        "device.csv",
        "key,type,encoding,value\nprov,namespace,,\nclient_secret,data,string,s3cret-value\n",
    );
    folder.line("fleetmint nvs generate device.csv plain.bin 0x3000").done();
    folder
        .line("fleetmint nvs encrypt device.csv encrypted.bin 0x3000 --keygen --keyfile k.bin")
        .done();
    folder
}

#[test]
fn the_plain_image_comes_back_as_from_espressif_s_generator() {
    let folder = folder();
    folder
        .line("fleetmint nvs decrypt encrypted.bin keys/k.bin back.bin --outdir out")
        .done();
    assert_eq!(folder.read("out/back.bin"), folder.read("plain.bin"));
    let Some(theirs) = generator(folder.path(), "decrypt encrypted.bin keys/k.bin theirs.bin --outdir .") else {
        return;
    };
    theirs.done();
    assert_eq!(folder.read("out/back.bin"), folder.read("theirs.bin"));
}

#[test]
fn the_bare_64_bytes_are_keys_too() {
    let folder = folder();
    folder.write("bare.bin", &folder.read("keys/k.bin")[..64]);
    folder
        .line("fleetmint nvs decrypt encrypted.bin bare.bin back.bin")
        .done();
    assert_eq!(folder.read("back.bin"), folder.read("plain.bin"));
}

#[test]
fn wrong_keys_write_nothing() {
    let folder = folder();
    folder.line("fleetmint nvs generate-key --keyfile other.bin").done();
    let line = folder
        .line("fleetmint nvs decrypt encrypted.bin keys/other.bin back.bin")
        .refused(1);
    assert!(line.contains("encrypted.bin: the encryption key seems wrong"), "{line}");
    assert!(!folder.file("back.bin").exists());
}

#[test]
fn files_that_are_neither() {
    let folder = folder();
    folder.write("odd.bin", [0xFF; 5000]);
    let line = folder
        .line("fleetmint nvs decrypt odd.bin keys/k.bin back.bin")
        .refused(2);
    assert!(line.contains("odd.bin: a partition of 5000 bytes"), "{line}");
    let line = folder
        .line("fleetmint nvs decrypt encrypted.bin plain.bin back.bin")
        .refused(2);
    assert!(line.contains("plain.bin: not a file of NVS keys"), "{line}");
    let line = folder
        .line("fleetmint nvs decrypt gone.bin keys/k.bin back.bin")
        .refused(2);
    assert_eq!(line, "fleetmint: gone.bin: no such file or directory");
    assert!(!folder.file("back.bin").exists());
}
