//! `fleetmint nvs generate-key`.

use crate::espressif::generator;
use crate::folder::Folder;

/// The eFuse key of Espressif's samples is any 32 bytes; this one is 00 to 1f.
fn hmac_key() -> Vec<u8> {
    (0..32).collect()
}

#[test]
fn the_default_is_a_key_partition_in_the_folder_keys() {
    let folder = Folder::new();
    let run = folder.line("fleetmint nvs generate-key").done();
    let path = run
        .stderr
        .split(['\n', ' '])
        .find(|word| word.starts_with("keys/keys-"))
        .unwrap();
    let path = path.trim_end_matches(':');
    let keys = folder.read(path);
    assert_eq!(keys.len(), 4096);
    assert!(fleetmint_nvs::crypt::Keys::decode(&keys).is_ok());
    assert!(keys[68..].iter().all(|byte| *byte == 0xFF));

    // keys-MM-DD_HH-MM.bin; a second file in the same minute gets another name.
    let name = path.strip_prefix("keys/keys-").unwrap().strip_suffix(".bin").unwrap();
    let shape: String = name
        .chars()
        .map(|char| if char.is_ascii_digit() { '0' } else { char })
        .collect();
    assert_eq!(shape, "00-00_00-00");
    let again = folder.line("fleetmint nvs generate-key").done();
    assert!(!again.stderr.contains(path), "{}", again.stderr);
    assert_eq!(folder.read(path), keys);
    assert_eq!(std::fs::read_dir(folder.file("keys")).unwrap().count(), 2);
}

#[test]
fn names_and_folders() {
    let folder = Folder::new();
    folder
        .line("fleetmint nvs generate-key --keyfile sample_keys.bin --outdir out")
        .done();
    assert_eq!(folder.read("out/keys/sample_keys.bin").len(), 4096);
    folder.line("fleetmint nvs generate-key --keyfile bare").done();
    assert_eq!(folder.read("keys/bare.bin").len(), 4096);
    let absolute = folder.file("abs.bin");
    folder
        .run(["nvs", "generate-key", "--keyfile", absolute.to_str().unwrap()])
        .done();
    assert_eq!(folder.read("abs.bin").len(), 4096);
    folder
        .line("fleetmint nvs generate-key --keyfile k.bin --key_protect_hmac --kp_hmac_keygen --kp_hmac_keyfile h.bin")
        .done();
    assert_eq!(folder.read("keys/h.bin").len(), 32);
    folder
        .line("fleetmint nvs generate-key --keyfile second.bin --key_protect_hmac --kp_hmac_keygen")
        .done();
    assert_eq!(folder.read("keys/hmac-second.bin").len(), 32);
}

#[test]
fn keys_of_an_hmac_key_are_those_of_espressif_s_generator() {
    let folder = Folder::new();
    folder.write("hmac.bin", hmac_key());
    let command = "generate-key --key_protect_hmac --kp_hmac_inputkey hmac.bin --keyfile";
    folder.line(&format!("fleetmint nvs {command} ours.bin")).done();
    let Some(theirs) = generator(folder.path(), &format!("{command} theirs.bin --outdir .")) else {
        return;
    };
    theirs.done();
    assert_eq!(folder.read("keys/ours.bin"), folder.read("keys/theirs.bin"));
}

#[test]
fn no_two_keys_are_alike() {
    let folder = Folder::new();
    let mut keys: Vec<Vec<u8>> = (0..5)
        .map(|number| {
            folder
                .line(&format!("fleetmint nvs generate-key --keyfile {number}.bin"))
                .done();
            folder.read(&format!("keys/{number}.bin"))
        })
        .collect();
    keys.dedup();
    assert_eq!(keys.len(), 5);
    assert_ne!(keys[0][..32], keys[0][32..64]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_key_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.write("keys/k.bin", "open to all before");
    folder
        .line("fleetmint nvs generate-key --keyfile k.bin --key_protect_hmac --kp_hmac_keygen --force")
        .done();
    for name in ["keys/k.bin", "keys/hmac-k.bin"] {
        let mode = std::fs::metadata(folder.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn calls_that_make_no_sense() {
    let folder = Folder::new();
    folder.write("short.bin", [1; 31]);
    for (line, said) in [
        ("--key_protect_hmac", "--kp_hmac_keygen"),
        ("--kp_hmac_keygen", "--key_protect_hmac"),
        (
            "--key_protect_hmac --kp_hmac_keygen --kp_hmac_inputkey short.bin",
            "cannot be used with",
        ),
        ("--key_protect_hmac --kp_hmac_inputkey short.bin", "short.bin: "),
        (
            "--key_protect_hmac --kp_hmac_inputkey gone.bin",
            "gone.bin: no such file",
        ),
    ] {
        let run = folder.line(&format!("fleetmint nvs generate-key {line}"));
        assert_eq!(run.exit, 2, "{line}");
        assert!(run.stderr.contains(said), "{line}: {}", run.stderr);
    }
    assert_eq!(folder.names(), ["short.bin"]);
}
