//! `fleetmint flash`.

mod cut_off;
#[cfg(feature = "serve")]
mod device;
mod interrupted;
mod refusals;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::bench::{Bench, CHIPS, NVS, flash, nvs, partition_table};
use crate::espressif::python;
use crate::folder::{Folder, Run};

const SECTOR: usize = 4096;

/// The values that the tests write, in the order of a provisioning image.
const VALUES: [(&str, &str); 6] = [
    ("device_key", "vibxdl4f"),
    ("client_id", "iotdevice-vibxdl4f"),
    ("client_secret", "SECRET-second"),
    ("token_url", "https://id.example/token"),
    ("base_url", "https://api.example"),
    ("wifi_ssid", "workshop"),
];

/// A folder with `device.bin`, a provisioning image, and `changes.csv`, the list of changes that means the same.
fn folder() -> Folder {
    let folder = Folder::new();
    let rows = |more: &str| {
        let mut csv = String::from("key,type,encoding,value\nprov,namespace,,\n");
        for (key, value) in VALUES {
            csv.push_str(&format!("{key},data,string,{value}\n"));
        }
        csv + more
    };
    folder.write("device.csv", rows(""));
    folder
        .line("fleetmint nvs generate device.csv device.bin 0x3000")
        .done();
    folder.write("changes.csv", rows(""));
    folder
}

/// Runs `flash` with a folder of its own for the journal.
fn run(folder: &Folder, bench: &Bench, more: &[&str]) -> Run {
    let state = folder.file("state");
    let arguments = ["flash", "--port", bench.port()];
    folder.run_with(
        arguments.iter().chain(more),
        &[("XDG_STATE_HOME", state.to_str().unwrap())],
    )
}

fn json(run: Run) -> Json {
    serde_json::from_str(&run.done().stdout).unwrap()
}

/// The journals that are left.
fn journals(folder: &Folder) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.file("state/fleetmint"));
    entries.map_or_else(
        |_| Vec::new(),
        |entries| entries.map(|entry| entry.unwrap().path()).collect(),
    )
}

/// The partition as the firmware would leave it after the calls of `changes.csv`.
fn patched(folder: &Folder, before: &[u8]) -> Vec<u8> {
    folder.write("before.bin", before);
    folder
        .line("fleetmint nvs patch before.bin changes.csv after.bin")
        .done();
    folder.read("after.bin")
}

/// A partition on three pages, so that a write has several sectors.
fn worn() -> Vec<u8> {
    let folder = Folder::new();
    folder.write("nvs.bin", nvs());
    let mut rows = String::from("key,type,encoding,value\nCHIP_KVS,namespace,,\n");
    for number in 0..18 {
        rows.push_str(&format!("f/{number}/n,data,hex2bin,{}\n", "5a".repeat(700)));
    }
    // The old secret is on the first page, the new one will be on the last.
    rows.push_str("prov,namespace,,\nbase_url,data,string,https://old.example\n");
    folder.write("more.csv", rows);
    folder.line("fleetmint nvs patch nvs.bin more.csv worn.bin").done();
    folder.read("worn.bin")
}

#[test]
fn each_chip_gets_its_identity_and_keeps_everything_else() {
    for chip in CHIPS {
        let before = worn();
        let Some(mut bench) = Bench::new(chip, &flash(&before)) else {
            return;
        };
        let folder = folder();
        let expected = patched(&folder, &before);
        let mut whole = bench.flash();
        whole[NVS].copy_from_slice(&expected);
        let changed: Vec<usize> = (0..6)
            .filter(|sector| before[sector * SECTOR..][..SECTOR] != expected[sector * SECTOR..][..SECTOR])
            .collect();
        assert!(changed.len() >= 2, "{changed:?}");

        let planned = json(run(
            &folder,
            &bench,
            &["--image", "device.bin", "--dry-run", "--format", "json"],
        ));
        assert_eq!(planned["outcome"], "planned");
        assert_eq!(bench.report().erased, [0; 0]);
        assert!(journals(&folder).is_empty());

        let report = json(run(
            &folder,
            &bench,
            &["--image", "device.bin", "--yes", "--format", "json"],
        ));
        assert_eq!(report["outcome"], "written");
        assert_eq!(
            (&report["board"]["chip"], &report["board"]["mac"]),
            (&json!(chip), &json!(bench.mac()))
        );
        assert_eq!(report["changed_sectors"], json!(changed));
        assert_eq!(
            report["diff"],
            planned["diff"].clone().take_fingerprints(&report["diff"])
        );
        assert_eq!(report["others"], json!({"values": 21, "namespaces": 4}));
        assert_eq!((&report["warnings"], &report["interrupted"]), (&json!([]), &Json::Null));
        let erased: Vec<usize> = changed.iter().map(|sector| NVS.start / SECTOR + sector).collect();
        let done = bench.report();
        assert_eq!(
            (done.erased, done.written, done.violations),
            (erased, changed.len() * SECTOR, 0)
        );
        assert!(bench.read_by_esptool(NVS) == expected, "{chip}");
        assert!(bench.flash() == whole, "{chip}");
        assert!(journals(&folder).is_empty());

        bench.tell("clear");
        let again = json(run(
            &folder,
            &bench,
            &["--image", "device.bin", "--yes", "--format", "json"],
        ));
        assert_eq!(
            (&again["outcome"], &again["changed_sectors"]),
            (&json!("unchanged"), &json!([]))
        );
        assert_eq!(bench.report().erased, [0; 0]);
    }
}

trait Fingerprints {
    fn take_fingerprints(self, from: &Json) -> Json;
}

impl Fingerprints for Json {
    /// Each report has its own salt.
    fn take_fingerprints(mut self, from: &Json) -> Json {
        for (number, key) in self.as_array_mut().unwrap().iter_mut().enumerate() {
            for side in ["before", "after"] {
                if let Some(value) = key.get_mut(side) {
                    value["fingerprint"] = from[number][side]["fingerprint"].clone();
                }
            }
        }
        self
    }
}

#[test]
fn as_text_without_a_secret() {
    let Some(bench) = Bench::new("esp32c3", &flash(&nvs())) else {
        return;
    };
    let folder = folder();
    let run = run(&folder, &bench, &["--image", "device.bin", "--yes"]).done();
    let expected = format!(
        "board      esp32c3 {}, 4 MiB of flash, on {}\n\
         security   flash encryption off, secure boot off\n\
         partition  nvs, 0x6000 bytes at offset 0x9000, not encrypted\n\
         writes     device.bin\n\n",
        bench.mac(),
        bench.port()
    );
    assert!(run.stdout.starts_with(&expected), "{}", run.stdout);
    for line in [
        "added prov/base_url: str of 20 bytes #",
        "changed prov/client_secret: str of 19 bytes #",
        "added prov/wifi_ssid: str of 9 bytes #",
    ] {
        assert!(run.stdout.contains(line), "{}", run.stdout);
    }
    assert!(
        run.stdout
            .ends_with("\n3 other values in 3 namespaces stay as they are\n1 of 6 sectors to write\n"),
        "{}",
        run.stdout
    );
    assert!(run.stderr.contains("1 sector written and verified\n"), "{}", run.stderr);
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(!all.contains("SECRET") && !all.contains("workshop"), "{all}");
}

#[test]
fn a_blank_board_and_a_list_of_changes() {
    let Some(mut bench) = Bench::new("esp32s3", &flash(&[0xFF; 0x6000])) else {
        return;
    };
    let folder = folder();
    let report = json(run(
        &folder,
        &bench,
        &["--changes", "changes.csv", "-y", "--format", "json"],
    ));
    assert_eq!(
        (&report["outcome"], &report["changed_sectors"]),
        (&json!("written"), &json!([0]))
    );
    assert!(bench.read_by_esptool(NVS) == patched(&folder, &[0xFF; 0x6000]));
    assert_eq!(bench.report().violations, 0);
    // The other NVS partition, by its name.
    let other = json(run(
        &folder,
        &bench,
        &[
            "--changes",
            "changes.csv",
            "-y",
            "--partition",
            "settings",
            "--format",
            "json",
        ],
    ));
    assert_eq!(
        (&other["partition"]["offset"], &other["outcome"]),
        (&json!(0x11_0000), &json!("written"))
    );
}

/// Runs the program on a terminal, and answers the question.
fn on_a_terminal(
    python: &std::path::Path,
    folder: &Folder,
    bench: &Bench,
    answer: &str,
    format: &str,
) -> (i32, String) {
    let script = "\
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
said, answered = b'', False
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    said += data
    if b'[y/N] ' in said and not answered:
        answered = os.write(terminal, sys.argv[1].encode() + b'\\n')
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(status))
";
    let output = Command::new(python)
        .args(["-c", script, answer, env!("CARGO_BIN_EXE_fleetmint")])
        .args([
            "flash",
            "--image",
            "device.bin",
            "--port",
            bench.port(),
            "--format",
            format,
        ])
        .current_dir(folder.path())
        .env("XDG_STATE_HOME", folder.file("state"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), said)
}

#[test]
fn a_person_is_asked_first() {
    let Some(mut bench) = Bench::new("esp32c6", &flash(&nvs())) else {
        return;
    };
    let python = python("pty", "A terminal for the tests").unwrap();
    let folder = folder();
    for no in ["n", "", "maybe"] {
        let (exit, said) = on_a_terminal(&python, &folder, &bench, no, "text");
        assert_eq!(exit, 1, "{said}");
        assert!(said.contains("Write 1 sector to the board? [y/N] "), "{said}");
        assert_eq!(bench.report().erased, [0; 0]);
        assert!(journals(&folder).is_empty());
    }
    // Also beside an answer for programs a person sees what changes.
    let (exit, said) = on_a_terminal(&python, &folder, &bench, "n", "json");
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("changed prov/client_secret: str"), "{said}");
    let (exit, said) = on_a_terminal(&python, &folder, &bench, "y", "text");
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("1 sector written and verified"), "{said}");
    assert!(bench.read_by_esptool(NVS) == patched(&folder, &nvs()));
    // Nothing is asked where nothing is written.
    let (exit, said) = on_a_terminal(&python, &folder, &bench, "n", "text");
    assert_eq!(exit, 0, "{said}");
    assert!(!said.contains("[y/N]"), "{said}");
}

#[test]
fn what_is_refused_writes_nothing() {
    let folder = folder();
    folder.write(
        "noise.bin",
        (0..0x6000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect::<Vec<_>>(),
    );
    folder
        .line("fleetmint nvs encrypt device.csv encrypted.bin 0x6000 --keygen --keyfile keys.bin")
        .done();
    folder.line("fleetmint nvs generate-key --keyfile other.bin").done();
    let large = format!(
        "{}mqtt_url,data,string,{}\n",
        String::from_utf8(folder.read("device.csv")).unwrap(),
        "x".repeat(3900)
    );
    folder.write("large.csv", large.replace("https://api.example", &"y".repeat(3900)));
    folder.line("fleetmint nvs generate large.csv large.bin 0x6000").done();
    folder.write("bad.csv", "key,type,encoding,value\nlonely,data,u8,1\n");
    folder.write("table.csv", "nvs,data,nvs,0x9000,0x6000\nfactory,app,factory,,1M\n");
    folder.write("typo.csv", "nvs,data,nvs,0x9000,0x6000\nfactory,app,fctory,,1M\n");
    let with_table = |csv: &str| {
        let mut content = flash(&nvs());
        content[0x8000..0x8C00].fill(0xFF);
        let table = partition_table(csv);
        content[0x8000..][..table.len()].copy_from_slice(&table);
        content
    };
    let app = "factory,app,factory,0x10000,1M,\n";
    let image: &[&str] = &["--image", "device.bin", "--yes"];
    let cases: &[(Vec<u8>, &[&str], i32, &str)] = &[
        (
            vec![],
            image,
            1,
            "the flash is erased where the partition table would be, at offset 0x8000: flash the firmware first",
        ),
        (flash(&nvs()), &["--image", "device.bin"], 2, "nobody can be asked"),
        (
            flash(&nvs()),
            &["--image", "device.bin", "--yes", "--partition", "nsv"],
            2,
            "it has nvs, phy_init, factory, settings",
        ),
        (
            flash(&nvs()),
            &["--image", "device.bin", "--yes", "--partition", "phy_init"],
            2,
            "is of type data, phy, not NVS",
        ),
        (
            flash(&nvs()),
            &["--image", "device.bin", "--yes", "--partition-table-offset", "0x10000"],
            1,
            "no partition table at offset 0x10000",
        ),
        (flash(&folder.read("noise.bin")), image, 2, "(--overwrite)"),
        (
            with_table(&format!("nvs,data,nvs,,0x3000\n{app}")),
            &["--image", "large.bin", "--yes"],
            1,
            "the partition has no room: ",
        ),
        (flash(&folder.read("encrypted.bin")), image, 1, "(--nvs-keys FILE)"),
        (
            flash(&folder.read("encrypted.bin")),
            &["--image", "device.bin", "--yes", "--nvs-keys", "keys/other.bin"],
            1,
            "are not this partition's",
        ),
        (
            flash(&nvs()),
            &["--image", "device.bin", "--yes", "--nvs-keys", "keys/keys.bin"],
            1,
            "the partition is not encrypted",
        ),
        (
            with_table(&format!("nvs_a,data,nvs,,0x3000\nnvs_b,data,nvs,,0x3000\n{app}")),
            image,
            2,
            "choose one of nvs_a, nvs_b (--partition NAME)",
        ),
        (
            with_table(app),
            image,
            2,
            "the partition table has no NVS partition; the partitions are factory",
        ),
        (
            with_table(&format!("nvs,data,nvs,,0x6000,encrypted\n{app}")),
            image,
            2,
            "has the flag encrypted",
        ),
        (
            with_table(&format!("nvs,data,nvs,,0x6000,readonly\n{app}")),
            image,
            1,
            "has the flag readonly",
        ),
        (
            with_table(&format!("{app}nvs,data,nvs,0x3FF000,0x6000\n")),
            image,
            1,
            "the flash has only 0x400000 bytes",
        ),
        (
            flash(&nvs()),
            &["--image", "noise.bin", "--yes"],
            2,
            "noise.bin: not a provisioning image",
        ),
        (
            flash(&nvs()),
            &["--changes", "bad.csv", "--yes"],
            2,
            "bad.csv: row 1 (line 2): no namespace row comes before it",
        ),
        (
            flash(&nvs()),
            &["--image", "device.bin", "--yes", "--partition-table", "typo.csv"],
            2,
            "typo.csv: line 2: the subtype \"fctory\"",
        ),
        (flash(&nvs()), &["--image", "missing.bin", "--yes"], 2, "missing.bin: "),
        (flash(&nvs()), &["--yes"], 2, "required"),
        (
            flash(&nvs()),
            &["--image", "device.bin", "--yes", "--no-stub"],
            2,
            "leave out --no-stub",
        ),
        (
            flash(&nvs()),
            &["--image", "device.bin", "--changes", "bad.csv"],
            2,
            "cannot be used with",
        ),
        (
            flash(&nvs()),
            &["--image", "device.bin", "--replace-board", "--yes"],
            2,
            "--device",
        ),
    ];
    for (content, arguments, exit, said) in cases {
        let Some(mut bench) = Bench::new("esp32c6", content) else {
            return;
        };
        let before = bench.flash();
        let run = run(&folder, &bench, arguments);
        assert_eq!(
            (run.exit, run.stdout.as_str()),
            (*exit, ""),
            "{arguments:?}: {}",
            run.stderr
        );
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
        let report = bench.report();
        assert_eq!((report.erased.len(), report.written), (0, 0));
        assert!(bench.flash() == before && journals(&folder).is_empty());
    }
}

#[test]
fn an_encrypted_board_with_flash_encryption() {
    let folder = folder();
    folder
        .line("fleetmint nvs encrypt device.csv encrypted.bin 0x6000 --keygen --keyfile keys.bin")
        .done();
    let mut content = flash(&folder.read("encrypted.bin"));
    // What the chip encrypts, nobody else can read.
    let noise = (0..SECTOR as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8);
    content.splice(0x8000..0x9000, noise);
    let Some(bench) = Bench::with("esp32c3", &content, &["--flash-encryption"]) else {
        return;
    };
    let refused = run(&folder, &bench, &["--image", "device.bin", "--yes"]);
    assert_eq!(refused.exit, 1);
    assert!(
        refused.stderr.contains("(--partition-table FILE)"),
        "{}",
        refused.stderr
    );
    folder.write(
        "partitions.csv",
        "nvs,data,nvs,0x9000,0x6000\nfactory,app,factory,,1M\n",
    );
    folder.write(
        "secret.csv",
        "key,type,encoding,value\nprov,namespace,,\nclient_secret,data,string,SECRET-third\n",
    );
    let files = [
        "--partition-table",
        "partitions.csv",
        "--nvs-keys",
        "keys/keys.bin",
        "--yes",
        "--format",
        "json",
    ];
    let report = json(run(
        &folder,
        &bench,
        &[&["--changes", "secret.csv"], &files[..]].concat(),
    ));
    assert_eq!(
        (&report["outcome"], &report["partition"]["encrypted"]),
        (&json!("written"), &json!(true))
    );
    folder.write("read.bin", bench.read_by_esptool(NVS));
    let value = folder
        .line("fleetmint nvs get read.bin prov client_secret --keys keys/keys.bin")
        .done();
    assert_eq!(value.stdout.trim_end(), "SECRET-third");
}

#[test]
fn a_partition_that_cannot_be_kept_is_overwritten_if_asked() {
    let folder = folder();
    let noise: Vec<u8> = (0..0x6000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let Some(mut bench) = Bench::new("esp32", &flash(&noise)) else {
        return;
    };
    let report = json(run(
        &folder,
        &bench,
        &["--image", "device.bin", "--yes", "--overwrite", "--format", "json"],
    ));
    assert_eq!(report["changed_sectors"], json!([0, 1, 2, 3, 4, 5]));
    assert!(
        report["overwritten"]["why"]
            .as_str()
            .unwrap()
            .contains("not an NVS partition"),
        "{report}"
    );
    assert!(bench.read_by_esptool(NVS) == patched(&folder, &[0xFF; 0x6000]));
    assert_eq!(bench.report().violations, 0);
}
