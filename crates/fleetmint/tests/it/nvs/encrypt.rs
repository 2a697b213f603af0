//! `fleetmint nvs encrypt`.

use crate::espressif::generator;
use crate::folder::Folder;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write(
        "device.csv",
        format!(
            "key,type,encoding,value\nprov,namespace,,\nclient_secret,data,string,s3cret-value\nb,data,hex2bin,{}\n",
            "5a".repeat(5000)
        ),
    );
    folder.write(
        "keys.bin",
        fleetmint_nvs::crypt::Keys::from_bytes(core::array::from_fn(|i| i as u8))
            .encode()
            .as_slice(),
    );
    folder
}

#[test]
fn the_same_file_as_espressif_s_generator() {
    let folder = folder();
    for (size, version) in [("0x4000", ""), ("0x6000", "--version 2"), ("0x2000", "")] {
        folder
            .line(&format!(
                "fleetmint nvs encrypt device.csv ours.bin {size} --inputkey keys.bin {version}"
            ))
            .done();
        let arguments = format!("encrypt device.csv theirs.bin {size} --inputkey keys.bin {version} --outdir .");
        let Some(theirs) = generator(folder.path(), &arguments) else {
            return;
        };
        theirs.done();
        assert!(folder.read("ours.bin") == folder.read("theirs.bin"), "{size} {version}");
    }
}

#[test]
fn with_new_keys_of_each_scheme() {
    let folder = folder();
    folder.line("fleetmint nvs generate device.csv plain.bin 0x4000").done();
    for (name, options) in [
        ("one", "--keyfile one.bin"),
        ("two", "--keyfile two.bin --key_protect_hmac --kp_hmac_keygen"),
        (
            "three",
            "--keyfile three.bin --key_protect_hmac --kp_hmac_inputkey keys/hmac-two.bin",
        ),
    ] {
        folder
            .line(&format!(
                "fleetmint nvs encrypt device.csv {name}.bin 0x4000 --keygen {options}"
            ))
            .done();
        assert!(!String::from_utf8_lossy(&folder.read(&format!("{name}.bin"))).contains("s3cret"));
        folder
            .line(&format!("fleetmint nvs decrypt {name}.bin keys/{name}.bin back.bin"))
            .done();
        assert!(folder.read("back.bin") == folder.read("plain.bin"), "{name}");
    }
    // Both were derived from one HMAC key.
    assert_eq!(folder.read("keys/two.bin"), folder.read("keys/three.bin"));
    assert_ne!(folder.read("keys/one.bin"), folder.read("keys/two.bin"));
}

#[test]
fn keys_are_made_or_read() {
    let folder = folder();
    let none = folder.line("fleetmint nvs encrypt device.csv out.bin 0x4000");
    assert_eq!(none.exit, 2);
    assert!(none.stderr.contains("--keygen"), "{}", none.stderr);
    let both = folder.line("fleetmint nvs encrypt device.csv out.bin 0x4000 --keygen --inputkey keys.bin");
    assert_eq!(both.exit, 2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
    let ignored = folder
        .line("fleetmint nvs encrypt device.csv out.bin 0x4000 --inputkey keys.bin --keyfile k.bin")
        .done();
    assert!(ignored.stderr.contains("warning: --keyfile"), "{}", ignored.stderr);
    assert_eq!(folder.names(), ["device.csv", "keys.bin", "out.bin"]);
}

#[test]
fn a_bad_table_makes_no_keys() {
    let folder = folder();
    folder.write("bad.csv", "key,type,encoding,value\nprov,namespace,,\na,data,u8,x\n");
    folder
        .line("fleetmint nvs encrypt bad.csv out.bin 0x4000 --keygen")
        .refused(2);
    assert_eq!(folder.names(), ["bad.csv", "device.csv", "keys.bin"]);
}
