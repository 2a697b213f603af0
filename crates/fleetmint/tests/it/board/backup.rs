//! `fleetmint board backup`.

use serde_json::{Value as Json, json};

use crate::bench::{Bench, CHIPS, FLASH_SIZE, NVS, flash, nvs};
use crate::folder::Folder;

#[test]
fn a_partition_of_each_chip_as_esptool_reads_it() {
    for chip in CHIPS {
        let Some(mut bench) = Bench::new(chip, &flash(&nvs())) else {
            return;
        };
        let folder = Folder::new();
        let run = folder
            .run(["board", "backup", "nvs.bin", "--port", bench.port()])
            .done();
        assert_eq!(run.stdout, "");
        let said = format!(
            "created nvs.bin: partition nvs of {chip} {}, 0x6000 bytes at offset 0x9000\n",
            bench.mac()
        );
        assert!(run.stderr.ends_with(&said), "{}", run.stderr);
        let backup = folder.read("nvs.bin");
        assert_eq!(backup, bench.read_by_esptool(NVS));
        assert_eq!(backup, nvs());
        let report = bench.report();
        assert_eq!((report.erased.len(), report.written), (0, 0));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.file("nvs.bin")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}

#[test]
fn the_whole_flash_another_partition_and_the_report() {
    let content = flash(&nvs());
    let Some(mut bench) = Bench::new("esp32c6", &content) else {
        return;
    };
    let folder = Folder::new();
    folder
        .run(["board", "backup", "flash.bin", "--all", "--port", bench.port()])
        .done();
    let whole = folder.read("flash.bin");
    assert_eq!(whole.len(), FLASH_SIZE);
    // What is erased is not read.
    assert!(bench.report().sent < FLASH_SIZE / 4);
    assert!(whole.starts_with(&content) && whole[content.len()..].iter().all(|byte| *byte == 0xFF));

    let run = folder
        .run([
            "board",
            "backup",
            "f.bin",
            "--partition",
            "factory",
            "--format",
            "json",
            "--port",
            bench.port(),
        ])
        .done();
    assert_eq!(folder.read("f.bin"), &whole[0x1_0000..0x11_0000]);
    let report: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["partition"], "factory");
    assert_eq!(
        (&report["offset"], &report["size"]),
        (&json!(0x1_0000), &json!(0x10_0000))
    );
    assert_eq!(
        (&report["chip"], &report["mac"]),
        (&json!("esp32c6"), &json!(bench.mac()))
    );
}

#[test]
fn the_rom_loader_reads_the_same() {
    let content = flash(&nvs());
    for chip in CHIPS {
        let Some(mut bench) = Bench::new(chip, &content) else {
            return;
        };
        let folder = Folder::new();
        folder
            .run(["board", "backup", "nvs.bin", "--no-stub", "--port", bench.port()])
            .done();
        assert_eq!(folder.read("nvs.bin"), nvs());
        assert!(!bench.report().names.contains(&"MEM_END".to_string()));
    }
}

#[test]
fn a_partition_that_does_not_exist_and_a_table_that_is_elsewhere() {
    let content = flash(&nvs());
    let Some(bench) = Bench::new("esp32", &content) else {
        return;
    };
    let folder = Folder::new();
    let run = folder.run([
        "board",
        "backup",
        "x.bin",
        "--partition",
        "otadata",
        "--port",
        bench.port(),
    ]);
    assert_eq!(run.exit, 2);
    let said = "fleetmint: the partition table has no partition \"otadata\"; it has nvs, phy_init, factory, settings\n";
    assert!(run.stderr.ends_with(said), "{}", run.stderr);

    let mut moved = content.clone();
    moved[0x8000..0x9000].fill(0xFF);
    moved.resize(0x20_1000, 0xFF);
    moved[0x20_0000..0x20_1000].copy_from_slice(&content[0x8000..0x9000]);
    let bench = Bench::new("esp32", &moved).unwrap();
    let at = ["--partition-table-offset", "0x200000"];
    folder
        .run(["board", "backup", "y.bin", "--port", bench.port()].iter().chain(&at))
        .done();
    assert_eq!(folder.read("y.bin"), nvs());
    assert_eq!(folder.names(), ["y.bin"]);
}
