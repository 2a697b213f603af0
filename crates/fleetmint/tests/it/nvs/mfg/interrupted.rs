//! A run that is killed, and one whose disk is full: `--resume` makes of them what an uninterrupted run makes, and they leave
//! nothing else.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::files;
use crate::folder::{Folder, Run};

const DEVICES: usize = 400;

type Files = BTreeMap<String, Vec<u8>>;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("conf.csv", "prov,namespace,\nsecret,data,string\n");
    let rows = (0..DEVICES).map(|number| format!("sn-{number:03},PlainText{number}\n"));
    folder.write("values.csv", format!("serial,secret\n{}", rows.collect::<String>()));
    let keys: Vec<u8> = (0..64).collect();
    folder.write("given.bin", keys);
    folder
}

/// The arguments of a run into this folder.
fn arguments<'a>(outdir: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let call = [
        "nvs",
        "mfg",
        "generate",
        "conf.csv",
        "values.csv",
        "lamp",
        "0x3000",
        "--fileid",
        "serial",
    ];
    [
        &call[..],
        &["--outdir", outdir, "--qr", "{{id}}", "--qr-format", "svg"],
        more,
    ]
    .concat()
}

fn run(folder: &Folder, outdir: &str, more: &[&str]) -> Run {
    folder.run(arguments(outdir, more))
}

/// Starts a run that cannot end, because nobody reads its sheets from a pipe, and kills it once it has written so many images.
fn killed(folder: &Folder, more: &[&str], images: usize) -> Files {
    let pipe = folder.file("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open for both, so that neither side waits for the other; nothing is read.
    let _open = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fleetmint"))
        .args(arguments("out", &[more, &["--labels", "pipe"]].concat()))
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let written = || fs::read_dir(folder.file("out/bin")).map_or(0, Iterator::count);
    while written() < images {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    fs::remove_file(&pipe).unwrap();
    let left = files(&folder.file("out"));
    assert!(left.keys().filter(|name| name.starts_with("bin/")).count() < DEVICES);
    left
}

/// Nothing but whole files of an uninterrupted run is there, and nothing that says that the run has ended.
fn assert_part_of(left: &Files, whole: &Files) {
    for (name, content) in left {
        assert!(whole.get(name) == Some(content), "{name}");
    }
    assert!(!left.contains_key("lamp-manifest.csv") && !left.contains_key("lamp-labels.csv"));
}

#[test]
fn a_killed_run_goes_on_and_ends_as_one_that_was_not_killed() {
    let folder = folder();
    let encrypted = ["--inputkey", "given.bin"];
    run(&folder, "whole", &encrypted).done();
    let whole = files(&folder.file("whole"));
    assert_eq!(whole.len(), 2 * DEVICES + 2);
    for images in [1, 17, 60] {
        let left = killed(&folder, &encrypted, images);
        assert_part_of(&left, &whole);
        // What a kill may leave where a file system knows no files without a name.
        for place in ["out", "out/bin", "out/qr"] {
            folder.write(&format!("{place}/.fleetmint-Ab3dE6"), "half");
        }
        run(&folder, "out", &[&encrypted[..], &["--resume"]].concat()).done();
        assert!(files(&folder.file("out")) == whole, "{images}");
        fs::remove_dir_all(folder.file("out")).unwrap();
    }
}

/// A device keeps the keys that it has got: they may be in its eFuse already.
#[test]
fn a_killed_run_keeps_the_keys_that_it_has_made() {
    let folder = folder();
    run(&folder, "plain", &[]).done();
    for keys in [
        &["--keygen"][..],
        &["--keygen", "--key_protect_hmac", "--kp_hmac_keygen"],
    ] {
        let left = killed(&folder, keys, 40);
        let names: Vec<&String> = left.keys().collect();
        for image in names.iter().filter_map(|name| name.strip_prefix("bin/")) {
            assert!(left.contains_key(&format!("keys/keys-{image}")), "{image} has no keys");
        }
        assert!(
            !left
                .values()
                .any(|file| file.windows(9).any(|window| window == b"PlainText"))
        );
        run(&folder, "out", &[keys, &["--resume"]].concat()).done();
        let whole = files(&folder.file("out"));
        assert_part_of(&left, &whole);
        for device in ["sn-000", "sn-039", "sn-399"] {
            folder
                .line(&format!(
                    "fleetmint nvs decrypt out/bin/lamp-{device}.bin out/keys/keys-lamp-{device}.bin decrypted.bin"
                ))
                .done();
            let plain = folder.read(&format!("plain/bin/lamp-{device}.bin"));
            assert!(folder.read("decrypted.bin") == plain, "{device}");
        }
        let manifest = String::from_utf8(whole["lamp-manifest.csv"].clone()).unwrap();
        assert_eq!(manifest.lines().count(), DEVICES + 1);
        fs::remove_dir_all(folder.file("out")).unwrap();
    }
}

/// Runs a script in which `out` is a disk of its own. `false` if that is not allowed here, which is printed.
#[cfg(target_os = "linux")]
fn with_a_small_disk(folder: &Folder, script: &str) -> bool {
    fs::create_dir(folder.file("out")).unwrap();
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-ec", script]);
        command.current_dir(folder.path()).output()
    };
    let mount = "mount -t tmpfs -o size=1m none out";
    match inside(mount) {
        Ok(output) if output.status.success() => {
            let output = inside(&format!("{mount}\n{script}")).unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        }
        outcome => {
            let why = format!(
                "SKIPPED: no disk of 1 MiB can be mounted here ({}): unshare of util-linux and a kernel that allows user \
                 namespaces are needed\n",
                outcome.map_or_else(
                    |error| error.to_string(),
                    |output| String::from_utf8_lossy(&output.stderr).trim().to_string()
                )
            );
            assert!(std::env::var_os("CI").is_none(), "{why}");
            // Not with a macro, whose output the test harness would capture.
            let _ = std::io::stderr().write_all(why.as_bytes());
            false
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_a_run_that_goes_on_when_there_is_room() {
    let folder = folder();
    let more = ["--inputkey", "given.bin"];
    run(&folder, "whole", &more).done();
    let whole = files(&folder.file("whole"));
    let call = arguments("out", &more).join(" ").replace("{{id}}", "'{{id}}'");
    let script = format!(
        "{program} {call} 2>said && exit 1 || test $? = 2
         cp -r out left
         mount -o remount,size=64m out
         {program} {call} --resume
         cp -r out resumed",
        program = env!("CARGO_BIN_EXE_fleetmint"),
    );
    if !with_a_small_disk(&folder, &script) {
        return;
    }
    let said = String::from_utf8(folder.read("said")).unwrap();
    assert!(said.contains("not written: no space left on device; "), "{said}");
    assert!(
        said.contains("images are written, and the same command with --resume goes on"),
        "{said}"
    );
    let left = files(&folder.file("left"));
    assert!(left.keys().filter(|name| name.starts_with("bin/")).count() > 10);
    assert_part_of(&left, &whole);
    assert!(files(&folder.file("resumed")) == whole);
}
