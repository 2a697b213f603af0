//! `fleetmint nvs mfg generate`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use sha2::{Digest, Sha256};

use super::files;
use crate::folder::Folder;

const GENERATE: &str = "fleetmint nvs mfg generate conf.csv values.csv Fan 0x3000 --outdir out --fileid serial";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write(
        "conf.csv",
        "prov,namespace,\ndevice_key,data,string\ninterval,data,u16\nsite,data,string,REPEAT\n",
    );
    folder.write(
        "values.csv",
        "serial,interval,device_key,site\nA1,30,k1234567,Berlin\nA2,60,k7654321,\nA3,90,k1111111,\n",
    );
    folder
}

fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

#[test]
fn images_as_nvs_generate_makes_them_and_a_manifest() {
    let folder = folder();
    folder.line(GENERATE).done();
    let made = files(&folder.file("out"));
    assert_eq!(
        names(&made),
        ["Fan-manifest.csv", "bin/Fan-A1.bin", "bin/Fan-A2.bin", "bin/Fan-A3.bin"]
    );
    folder.write(
        "device.csv",
        "key,type,encoding,value\nprov,namespace,,\ndevice_key,data,string,k7654321\ninterval,data,u16,60\nsite,data,string,Berlin\n",
    );
    folder
        .line("fleetmint nvs generate device.csv device.bin 0x3000")
        .done();
    assert!(made["bin/Fan-A2.bin"] == folder.read("device.bin"));
    let mut manifest = "id,file,size,sha256,key_file\n".to_owned();
    for id in ["A1", "A2", "A3"] {
        let file = format!("bin/Fan-{id}.bin");
        let digest = hex::encode(Sha256::digest(&made[&file]));
        manifest += &format!("{id},{file},12288,{digest},\n");
    }
    assert_eq!(String::from_utf8(made["Fan-manifest.csv"].clone()).unwrap(), manifest);
    // Again: nothing to do, and nothing changes.
    let again = folder.line(GENERATE).done();
    assert!(again.stderr.contains("3 of them existed already"), "{}", again.stderr);
    assert!(files(&folder.file("out")) == made);
}

#[test]
fn every_error_of_a_table_before_any_file() {
    let folder = folder();
    folder.write(
        "values.csv",
        "serial,interval,device_key,site\nA1,x,k1,Berlin\n\nA2,70000,k2,Paris\nA1,1,k3,\nA/4,-1,k4,\nA5,2\n",
    );
    let run = folder.line(GENERATE);
    assert_eq!((run.exit, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    for expected in [
        "values.csv: line 2: key \"interval\": the value is not a number",
        "values.csv: line 4: key \"site\": the configuration says REPEAT",
        "values.csv: line 5: the id \"A1\" is that of line 2",
        "values.csv: line 6: key \"interval\": the value is out of range",
        "values.csv: line 6: the id \"A/4\" has a slash",
        "values.csv: line 7: the row has 2 fields, the header 4 columns",
        "fleetmint: values.csv: nothing was written: ",
    ] {
        assert!(run.stderr.contains(expected), "{expected}\n{}", run.stderr);
    }
    assert_eq!(folder.names(), ["conf.csv", "values.csv"]);
    folder.write("conf.csv", "a,data,u8\nprov,namespace,\nb,data,u9\nb,data,u8,repeat\n");
    let run = folder.line(GENERATE);
    for line in ["conf.csv: line 1: ", "conf.csv: line 3: ", "conf.csv: line 4: "] {
        assert!(run.stderr.contains(line), "{line}\n{}", run.stderr);
    }
    assert_eq!(folder.names(), ["conf.csv", "values.csv"]);
}

#[test]
fn what_is_wrong_with_a_repeated_value_is_said_once() {
    let folder = folder();
    folder.write("conf.csv", "prov,namespace,\nca,file,binary,REPEAT\n");
    folder.write("values.csv", "serial,ca\nA1,gone.der\nA2,\nA3,\n");
    let run = folder.line(GENERATE);
    assert_eq!(run.exit, 2);
    assert_eq!(run.stderr.matches("gone.der").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("values.csv: line 2: "), "{}", run.stderr);
    assert!(run.stderr.contains("1 error must be corrected first"), "{}", run.stderr);
}

#[test]
fn an_image_with_other_content_stops_the_run_before_anything_is_written() {
    let folder = folder();
    folder.write("out/bin/Fan-A2.bin", "other");
    let run = folder.line(GENERATE);
    assert_eq!(run.exit, 2);
    assert!(
        run.stderr
            .contains("values.csv: line 3: bin/Fan-A2.bin: it exists with other content"),
        "{}",
        run.stderr
    );
    assert_eq!(names(&files(&folder.file("out"))), ["bin/Fan-A2.bin"]);
    // --resume does not replace it either, --force does.
    assert_eq!(folder.line(&format!("{GENERATE} --resume")).exit, 2);
    folder.line(&format!("{GENERATE} --force")).done();
    let made = files(&folder.file("out"));
    assert_eq!(made["bin/Fan-A2.bin"].len(), 0x3000);
    // So does a manifest of another run.
    folder.write("values.csv", "serial,interval,device_key,site\nB1,30,k1,Rome\n");
    let run = folder.line(GENERATE);
    assert!(
        run.stderr.contains("Fan-manifest.csv: nothing was written: it exists"),
        "{}",
        run.stderr
    );
    assert!(files(&folder.file("out")) == made);
}

#[test]
fn a_run_with_new_keys_goes_on_where_it_was_cut_off() {
    for scheme in ["--keygen", "--keygen --key_protect_hmac --kp_hmac_keygen"] {
        let folder = folder();
        let line = format!("{GENERATE} {scheme}");
        folder.line(&line).done();
        let made = files(&folder.file("out"));
        for (name, _) in made.iter().filter(|(name, _)| name.starts_with("keys/")) {
            let mode = fs::metadata(folder.file("out").join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        // The second device lacks its image, the third all files, and there is no manifest.
        let third = ["bin/Fan-A3.bin", "keys/keys-Fan-A3.bin", "keys/hmac-keys-Fan-A3.bin"];
        for name in third.iter().chain(&["bin/Fan-A2.bin", "Fan-manifest.csv"]) {
            let _ = fs::remove_file(folder.file("out").join(name));
        }
        assert_eq!(folder.line(&line).exit, 2, "without --resume");
        folder.line(&format!("{line} --resume")).done();
        let resumed = files(&folder.file("out"));
        assert_eq!(names(&resumed), names(&made));
        for (name, content) in &made {
            let is_new = third.contains(&name.as_str()) || name == "Fan-manifest.csv";
            assert_eq!(resumed[name] == *content, !is_new, "{scheme} {name}");
        }
        // An image without its keys, and keys without their HMAC key, stop it.
        fs::remove_file(folder.file("out/keys/keys-Fan-A1.bin")).unwrap();
        let run = folder.line(&format!("{line} --resume"));
        match scheme.contains("hmac") {
            true => assert_eq!(run.exit, 0, "{}", run.stderr),
            false => assert!(
                run.stderr.contains("line 2: bin/Fan-A1.bin: it exists and its keys"),
                "{}",
                run.stderr
            ),
        }
        // Damaged keys stop it.
        folder.write("out/keys/keys-Fan-A2.bin", vec![7; 4096]);
        let run = folder.line(&format!("{line} --resume"));
        assert_eq!(run.exit, 2);
        assert!(run.stderr.contains("line 3: keys/keys-Fan-A2.bin: "), "{}", run.stderr);
    }
}

#[test]
fn an_archive_has_the_same_files() {
    let folder = folder();
    folder.line(GENERATE).done();
    folder.line(&format!("{GENERATE} --tar run.tar")).done();
    let archive = folder.read("run.tar");
    let mut members = BTreeMap::new();
    for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mode().unwrap(), 0o600);
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        members.insert(name, content);
    }
    assert!(members == files(&folder.file("out")));
    // The same call makes the same bytes, and standard output gets them too.
    folder.line(&format!("{GENERATE} --tar again.tar")).done();
    assert!(folder.read("again.tar") == archive);
}

#[test]
fn options_that_would_lose_keys_or_encryption() {
    let folder = folder();
    let hmac = "--keygen --key_protect_hmac --kp_hmac_keygen --kp_hmac_keyfile hmac.bin";
    for (options, named) in [
        ("--key_protect_hmac --kp_hmac_keygen", "--keygen"),
        ("--key_protect_hmac --kp_hmac_inputkey hmac.bin", "--keygen"),
        ("--keygen --key_protect_hmac", "--kp_hmac_keygen"),
        ("--keygen --kp_hmac_keygen", "--key_protect_hmac"),
        ("--keygen --inputkey keys.bin", "--inputkey"),
        (hmac, "--kp_hmac_keyfile"),
        ("--resume --force", "--force"),
        ("--resume --tar x.tar", "--tar"),
        ("--prefix_num 1 0", "--prefix_num"),
        ("--fileid nix", "--fileid"),
        ("--inputkey missing.bin", "missing.bin"),
    ] {
        let line = match options.contains("fileid") {
            true => GENERATE.replace(" --fileid serial", ""),
            false => GENERATE.to_owned(),
        };
        let run = folder.line(&format!("{line} {options}"));
        assert_eq!(run.exit, 2, "{options}");
        assert!(run.stderr.contains(named), "{options}: {}", run.stderr);
        assert_eq!(folder.names(), ["conf.csv", "values.csv"], "{options}");
    }
    // One device has one HMAC key.
    folder.write("values.csv", "serial,interval,device_key,site\nA1,30,k1234567,Berlin\n");
    folder.line(&format!("{GENERATE} {hmac}")).done();
    assert_eq!(folder.read("out/keys/hmac.bin").len(), 32);
}

#[test]
fn an_output_is_never_an_input() {
    let folder = folder();
    folder.write("conf.csv", "prov,namespace,\nca,file,binary\n");
    folder.write("out/bin/Fan-A1.bin", "ca");
    folder.write("values.csv", "serial,ca\nA1,out/bin/Fan-A1.bin\n");
    let run = folder.line(&format!("{GENERATE} --force"));
    assert_eq!(run.exit, 2);
    assert!(
        run.stderr.contains("bin/Fan-A1.bin: it is an input too"),
        "{}",
        run.stderr
    );
    assert_eq!(folder.read("out/bin/Fan-A1.bin"), b"ca");
}

/// Espressif's script leaves keys that everybody can read.
#[test]
fn what_is_there_already_is_for_its_owner_alone_afterwards() {
    let folder = folder();
    folder.write("hmac.bin", [7; 32]);
    let line = format!("{GENERATE} --keygen --key_protect_hmac --kp_hmac_inputkey hmac.bin");
    folder.line(&line).done();
    let written = ["out/bin/Fan-A1.bin", "out/keys/keys-Fan-A1.bin"].map(|name| folder.file(name));
    for path in &written {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let again = folder.line(&line).done();
    assert!(again.stderr.contains("3 of them existed already"), "{}", again.stderr);
    for path in &written {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}
