//! The commands of the chapter "NVS Partition Generator Utility" in the ESP-IDF programming guide, typed as they stand
//! there with `fleetmint nvs` in place of the script's name. Where nothing is random, the files are compared with those
//! of Espressif's generator.

use crate::espressif::generator;
use crate::folder::Folder;

/// A folder with files of the names that the chapter uses; their content is ours.
fn folder() -> Folder {
    let folder = Folder::new();
    let rows = "# every encoding, from the table and from files\n\
        key,type,encoding,value\n\
        storage,namespace,,\n\
        small,data,u8,127\nlow,data,i8,-128\nport,data,u16,32768\nlarge,data,u32,4294967295\nleast,data,i32,-2147483648\n\
        mac,data,string,0A:0B:0C:0D:0E:0F\nhex,data,hex2bin,010203abcdef\nbase64,data,base64,MTIzYWJj\n\
        hex_file,file,hex2bin,testdata/sample.hex\nbase64_file,file,base64,testdata/sample.base64\n\
        text_file,file,string,testdata/sample.txt\n";
    folder.write(
        "sample_singlepage_blob.csv",
        format!("{rows}blob_file,file,binary,testdata/singlepage.bin\n"),
    );
    folder.write(
        "sample_multipage_blob.csv",
        format!("{rows}blob_file,file,binary,testdata/multipage.bin\n"),
    );
    folder.write("testdata/sample.hex", "0123456789abcdef\n");
    folder.write("testdata/sample.base64", "Zmxl\nZXQ=\n");
    folder.write("testdata/sample.txt", "several\nlines of text\n");
    folder.write("testdata/singlepage.bin", [0xA5; 1500]);
    folder.write(
        "testdata/multipage.bin",
        (0..=255).cycle().take(6000).collect::<Vec<u8>>(),
    );
    folder.write("testdata/sample_hmac_key.bin", (100..132).collect::<Vec<u8>>());
    folder
}

/// Runs the command here, and with Espressif's generator in a folder like this one; returns both files.
fn both(folder: &Folder, command: &str, file: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    folder.line(&format!("fleetmint nvs {command}")).done();
    let ours = folder.read(file);
    std::fs::remove_file(folder.file(file)).unwrap();
    generator(folder.path(), command)?.done();
    let theirs = folder.read(file);
    Some((ours, theirs))
}

/// The names in `keys/`.
fn keys(folder: &Folder) -> Vec<String> {
    let Ok(names) = std::fs::read_dir(folder.file("keys")) else {
        return Vec::new();
    };
    let mut names: Vec<String> = names
        .map(|name| name.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn generate() {
    let folder = folder();
    for command in [
        "generate sample_singlepage_blob.csv sample.bin 0x3000",
        "generate sample_singlepage_blob.csv sample.bin 0x3000 --version 1",
        "generate sample_multipage_blob.csv sample.bin 0x4000 --version 2",
    ] {
        let Some((ours, theirs)) = both(&folder, command, "sample.bin") else {
            return;
        };
        assert!(ours == theirs, "{command}");
    }
}

#[test]
fn generate_key() {
    for (command, files) in [
        ("generate-key", &["keys-"][..]),
        (
            "generate-key --key_protect_hmac --kp_hmac_keygen",
            &["hmac-keys-", "keys-"],
        ),
        (
            "generate-key --key_protect_hmac --kp_hmac_inputkey testdata/sample_hmac_key.bin",
            &["keys-"],
        ),
    ] {
        let folder = folder();
        folder.line(&format!("fleetmint nvs {command}")).done();
        let names = keys(&folder);
        assert_eq!(names.len(), files.len(), "{command}: {names:?}");
        for (name, begin) in names.iter().zip(files) {
            assert!(
                name.starts_with(begin) && name.ends_with(".bin"),
                "{command}: {names:?}"
            );
        }
    }
}

#[test]
fn encrypt_and_decrypt() {
    let folder = folder();
    folder
        .line("fleetmint nvs generate sample_singlepage_blob.csv plain.bin 0x3000")
        .done();
    let plain = folder.read("plain.bin");
    for command in [
        "encrypt sample_singlepage_blob.csv sample_encr.bin 0x3000 --keygen",
        "encrypt sample_singlepage_blob.csv sample_encr.bin 0x3000 --keygen --key_protect_hmac --kp_hmac_keygen",
        "encrypt sample_singlepage_blob.csv sample_encr.bin 0x3000 --keygen --key_protect_hmac --kp_hmac_inputkey testdata/sample_hmac_key.bin",
        "encrypt sample_singlepage_blob.csv sample_encr.bin 0x3000 --keygen --keyfile sample_keys.bin",
    ] {
        let _ = std::fs::remove_dir_all(folder.file("keys"));
        folder.line(&format!("fleetmint nvs {command}")).done();
        let name = keys(&folder)
            .into_iter()
            .find(|name| !name.starts_with("hmac-"))
            .unwrap();
        std::fs::copy(folder.file("keys").join(name), folder.file("sample_keys.bin")).unwrap();
        folder
            .line("fleetmint nvs decrypt sample_encr.bin sample_keys.bin sample_decr.bin")
            .done();
        assert!(folder.read("sample_decr.bin") == plain, "{command}");
    }
    let command = "encrypt sample_singlepage_blob.csv sample_encr.bin 0x3000 --inputkey sample_keys.bin";
    let Some((ours, theirs)) = both(&folder, command, "sample_encr.bin") else {
        return;
    };
    assert!(ours == theirs);
    let command = "decrypt sample_encr.bin sample_keys.bin sample_decr.bin";
    let Some((ours, theirs)) = both(&folder, command, "sample_decr.bin") else {
        return;
    };
    assert!(ours == theirs);
}

#[test]
fn every_command_knows_h() {
    for command in ["", "generate", "generate-key", "encrypt", "decrypt"] {
        let help = Folder::new().line(&format!("fleetmint nvs {command} -h")).done().stdout;
        assert!(help.contains("Usage: fleetmint nvs"), "{help}");
    }
}
