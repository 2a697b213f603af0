//! The runs in `tests/mfg-golden`, which Espressif's `mfg_gen.py` was given; the README there says where they are from.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fleetmint_nvs::crypt::Keys;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::files;
use crate::espressif::generator;
use crate::folder::Folder;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mfg-golden");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The digests of the files that must be there.
fn expected(case: &Path) -> BTreeMap<String, String> {
    let digest = |content: &Vec<u8>| hex::encode(Sha256::digest(content));
    match fs::read_to_string(case.join("expected.sha256")) {
        Ok(list) => {
            let pairs = list.lines().map(|line| line.split_once("  ").unwrap());
            pairs
                .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
                .collect()
        }
        Err(_) => {
            let files = files(&case.join("expected"));
            files
                .iter()
                .map(|(name, content)| (name.clone(), digest(content)))
                .collect()
        }
    }
}

/// Replaces the images that were encrypted with new keys by what Espressif's generator decrypts. `false` if it is not
/// installed.
fn decrypt(folder: &Folder, made: &mut BTreeMap<String, Vec<u8>>, keys: &[String]) -> bool {
    let mut seen = Vec::new();
    for name in keys {
        let partition = made.remove(name).unwrap_or_else(|| panic!("{name} is missing"));
        let keys = Keys::decode(&partition).unwrap().encode().to_vec();
        assert!(!seen.contains(&keys), "{name}: two devices have the same keys");
        seen.push(keys);
        let image = name.replace("keys/keys-", "bin/");
        let arguments = format!("decrypt out/{image} out/{name} decrypted.bin --outdir .");
        let Some(run) = generator(folder.path(), &arguments) else {
            return false;
        };
        run.done();
        made.insert(image, folder.read("decrypted.bin"));
        fs::remove_file(folder.file("decrypted.bin")).unwrap();
    }
    true
}

#[test]
fn every_run_of_espressif_s_script() {
    let mut kinds = BTreeMap::new();
    for case in cases() {
        let name = case.file_name().unwrap().to_str().unwrap();
        let spec: Value = serde_json::from_slice(&fs::read(case.join("cmd.json")).unwrap()).unwrap();
        let folder = Folder::new();
        let inputs = files(&case.join("in"));
        for (name, content) in &inputs {
            folder.write(name, content);
        }
        let arguments = ["nvs".to_owned(), "mfg".to_owned()]
            .into_iter()
            .chain(texts(&spec["argv"]));
        let run = folder.run(arguments);
        let kind = spec["kind"].as_str().unwrap();
        *kinds.entry(kind.to_owned()).or_insert(0) += 1;
        let mut after = files(folder.path());
        for (name, content) in &inputs {
            assert!(after.remove(name).as_ref() == Some(content), "{name} was changed");
        }
        if kind == "refuse" {
            assert_eq!((run.exit, run.stdout.as_str()), (2, ""), "{name}: {}", run.stderr);
            for mention in texts(&spec["mentions"]) {
                assert!(run.stderr.contains(&mention), "{name}: {mention}: {}", run.stderr);
            }
            assert!(after.is_empty(), "{name}: {:?}", after.keys());
            continue;
        }
        run.done();
        let mut made: BTreeMap<String, Vec<u8>> = files(&folder.file(spec["outdir"].as_str().unwrap()));
        for key in made.keys().filter(|made| made.starts_with("keys/")) {
            let mode = fs::metadata(folder.file("out").join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}: {key}");
        }
        let manifest = made
            .remove("Fan-manifest.csv")
            .or_else(|| made.remove("Fan_v2-manifest.csv"));
        let manifest = String::from_utf8(manifest.unwrap()).unwrap();
        for secret in texts(&spec["secrets"]) {
            assert!(!manifest.contains(&secret), "{name}");
        }
        if spec["random_keys"].is_string() && !decrypt(&folder, &mut made, &texts(&spec["keys"])) {
            continue;
        }
        let digests: BTreeMap<String, String> = made
            .iter()
            .map(|(name, content)| (name.clone(), hex::encode(Sha256::digest(content))))
            .collect();
        assert_eq!(digests, expected(&case), "{name}");
    }
    let expected = [("better", 4), ("refuse", 3), ("same", 11)].map(|(kind, number)| (kind.to_owned(), number));
    assert_eq!(kinds, BTreeMap::from(expected));
}

/// A run whose image of the device 1 must be what Espressif's generator makes of this table.
#[track_caller]
fn equals_generator(configuration: &str, values: &str, options: &str, table: &str) {
    let folder = Folder::new();
    folder.write("conf.csv", configuration);
    folder.write("values.csv", values);
    folder.write("device.csv", table);
    folder.write("ca.pem", "-----BEGIN-----\nabc\n-----END-----\n");
    let line = format!("fleetmint nvs mfg generate conf.csv values.csv Fan 0x4000 --outdir out {options}");
    folder.line(&line).done();
    if let Some(run) = generator(folder.path(), "generate device.csv device.bin 0x4000 --outdir .") {
        run.done();
        assert!(
            folder.read("out/bin/Fan-1.bin") == folder.read("device.bin"),
            "{configuration}\n{values}"
        );
    }
}

const HEADER: &str = "key,type,encoding,value\n";

#[test]
fn what_espressif_s_script_gets_wrong_and_its_generator_right() {
    // Keys and namespaces that are called like words of the configuration.
    equals_generator(
        "namespace,namespace,\nnamespace,data,u8\nREPEAT,data,string\nfile,data,i32,REPEAT\n",
        "REPEAT,file,namespace\nnamespace,-5,7\nREPEAT,,8\n",
        "",
        &format!(
            "{HEADER}namespace,namespace,,\nnamespace,data,u8,7\nREPEAT,data,string,namespace\nfile,data,i32,-5\n"
        ),
    );
    // A blank line inside quotes is text.
    equals_generator(
        "a,namespace,\nnote,data,string\nn,data,u8\n",
        "note,n\n\"one\n\n three\",1\n",
        "",
        &format!("{HEADER}a,namespace,,\nnote,data,string,\"one\n\n three\"\nn,data,u8,1\n"),
    );
    // All of a row of blanks, where the first device's values go to all.
    equals_generator(
        "a,namespace,\ns,data,string,REPEAT\nca,file,string,REPEAT\n",
        "s,ca,note\nx,ca.pem,n\n,,\n",
        "",
        &format!("{HEADER}a,namespace,,\ns,data,string,x\nca,file,string,ca.pem\n"),
    );
    // The encodings of the generator that the script does not know.
    equals_generator(
        "a,namespace,\nb,data,blob_fill(8;0xEE)\nc,data,blob_sz_fill(8;0xEE)\nd,data,i16\n",
        "b,c,d\nab,abc,-300\n",
        "",
        &format!(
            "{HEADER}a,namespace,,\nb,data,blob_fill(8;0xEE),ab\nc,data,blob_sz_fill(8;0xEE),abc\nd,data,i16,-300\n"
        ),
    );
    // One name in two namespaces, and the rows that the generator computes.
    equals_generator(
        "w,namespace,\nsta.ssid,data,string\nkey,data,u8\nv,namespace,\nkey,data,u8\n",
        "key,x,key,sta.ssid\n1,,2,Home\n",
        "--fileid key",
        &format!("{HEADER}w,namespace,,\nsta.ssid,data,string,Home\nkey,data,u8,1\nv,namespace,,\nkey,data,u8,2\n"),
    );
}

#[test]
fn a_line_that_begins_with_a_number_sign_inside_quotes_is_text() {
    let folder = Folder::new();
    folder.write("conf.csv", "a,namespace,\nnote,data,string\n");
    folder.write("values.csv", "note\n\"one\n# two\n\nthree\"\n");
    folder
        .line("fleetmint nvs mfg generate conf.csv values.csv Fan 0x3000")
        .done();
    let dump = folder.line("fleetmint nvs get bin/Fan-1.bin a note").done().stdout;
    assert_eq!(dump.trim_end(), "one\n# two\n\nthree");
}

#[test]
fn calls_that_no_run_can_come_of() {
    let folder = Folder::new();
    folder.write("conf.csv", "a,namespace,\nn,data,u8\n");
    folder.write("values.csv", "n\n1\n");
    folder.write("latin1.csv", b"n\n\xE4\n");
    for (arguments, named) in [
        ("", "generate"),
        ("generate", "CONF.csv"),
        ("generate missing.csv values.csv Fan 0x3000", "missing.csv"),
        ("generate conf.csv missing.csv Fan 0x3000", "missing.csv"),
        ("generate conf.csv latin1.csv Fan 0x3000", "latin1.csv: line 2"),
        ("generate latin1.csv values.csv Fan 0x3000", "latin1.csv: line 2"),
        ("generate conf.csv values.csv Fan abc", "abc"),
        ("generate conf.csv values.csv Fan 0x3001", "4096"),
        ("generate conf.csv values.csv Fan/x 0x3000", "Fan/x"),
        ("generate conf.csv values.csv Fan 0x3000 --version 3", "--version"),
        ("generate conf.csv values.csv Fan 0x3000 --prefix_num 1", "--prefix_num"),
        (
            "generate conf.csv values.csv Fan 0x3000 --prefix_num x 4",
            "--prefix_num",
        ),
    ] {
        let run = folder.line(format!("fleetmint nvs mfg {arguments}").trim_end());
        assert_eq!(run.exit, 2, "{arguments}: {}", run.stderr);
        assert!(run.stderr.contains(named), "{arguments}: {}", run.stderr);
        assert_eq!(folder.names(), ["conf.csv", "latin1.csv", "values.csv"], "{arguments}");
    }
    // Options may come first, and a prefix and an id may have dots.
    folder.write("ids.csv", "id,n\nSN.1.x,1\n");
    folder
        .line("fleetmint nvs mfg generate --keygen --fileid id --outdir out --prefix_num 007 3 conf.csv ids.csv Fan.v1 0x3000")
        .done();
    let made: Vec<_> = files(&folder.file("out")).into_keys().collect();
    assert_eq!(
        made,
        [
            "Fan.v1-manifest.csv",
            "bin/Fan.v1-007-SN.1.x.bin",
            "keys/keys-Fan.v1-007-SN.1.x.bin"
        ]
    );
}

#[test]
fn espressif_s_generator_decrypts_what_each_scheme_encrypts() {
    let folder = Folder::new();
    folder.write("conf.csv", "a,namespace,\ns,data,string\nb,data,hex2bin\n");
    let blob = "5a".repeat(5000);
    folder.write("values.csv", format!("s,b\none,{blob}\ntwo,{blob}\n"));
    folder.write("hmac.bin", [7; 32]);
    let line = "fleetmint nvs mfg generate conf.csv values.csv Fan 0x6000";
    folder.line(&format!("{line} --outdir plain")).done();
    for (outdir, options) in [
        ("new", "--keygen"),
        ("hmac", "--keygen --key_protect_hmac --kp_hmac_keygen"),
        ("derived", "--keygen --key_protect_hmac --kp_hmac_inputkey hmac.bin"),
    ] {
        folder.line(&format!("{line} --outdir {outdir} {options}")).done();
        for id in [1, 2] {
            let image = format!("bin/Fan-{id}.bin");
            let arguments =
                format!("decrypt {outdir}/{image} {outdir}/keys/keys-Fan-{id}.bin decrypted.bin --outdir .");
            let Some(run) = generator(folder.path(), &arguments) else {
                return;
            };
            run.done();
            assert_ne!(
                folder.read(&format!("{outdir}/{image}")),
                folder.read(&format!("plain/{image}"))
            );
            assert!(
                folder.read("decrypted.bin") == folder.read(&format!("plain/{image}")),
                "{outdir} {id}"
            );
            fs::remove_file(folder.file("decrypted.bin")).unwrap();
        }
    }
}
