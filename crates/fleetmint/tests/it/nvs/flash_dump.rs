//! Whole flash dumps in place of images.

use esp_idf_part::PartitionTable;

use crate::folder::Folder;

const TABLE: &str = "key,type,encoding,value\nprov,namespace,,\nserial,data,u32,";
const CHANGES: &str = "key,type,encoding,value\nprov,namespace,,\nserial,data,u32,99\n";

/// A flash of 2 MiB: `nvs` holds serial 1, `fctry` serial 2, everything else 0xA5.
fn flash() -> (Folder, Vec<u8>) {
    let folder = Folder::new();
    let csv = "nvs,data,nvs,0x9000,0x4000,\nfactory,app,factory,0x10000,1M,\nfctry,data,nvs,,0x3000,\n";
    let table = PartitionTable::try_from_str(csv).unwrap().to_bin().unwrap();
    let mut flash = vec![0xA5; 0x20_0000];
    flash[0x8000..0x8C00].fill(0xFF);
    flash[0x8000..][..table.len()].copy_from_slice(&table);
    for (serial, offset, size) in [(1, 0x9000, 0x4000), (2, 0x11_0000, 0x3000)] {
        folder.write("t.csv", format!("{TABLE}{serial}\n"));
        folder
            .line(&format!("fleetmint nvs generate t.csv t.bin {size}"))
            .done();
        flash[offset..][..size].copy_from_slice(&folder.read("t.bin"));
    }
    folder.write("flash.bin", &flash);
    folder.write("changes.csv", CHANGES);
    (folder, flash)
}

#[test]
fn the_partition_is_found_by_the_table() {
    let (folder, _) = flash();
    for (options, offset, serial) in [
        ("", "0x9000", 1),
        ("--partition nvs", "0x9000", 1),
        ("--partition fctry", "0x110000", 2),
    ] {
        let run = folder
            .line(&format!("fleetmint nvs dump flash.bin --format json {options}"))
            .done();
        assert!(
            run.stdout
                .contains(&format!("\"key\":\"serial\",\"type\":\"u32\",\"value\":{serial}")),
            "{}",
            run.stdout
        );
        assert!(
            run.stderr.contains(&format!("bytes at offset {offset}")),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn what_is_written_is_the_whole_flash_with_that_partition_changed() {
    let (folder, before) = flash();
    folder
        .line("fleetmint nvs patch flash.bin changes.csv patched.bin --partition fctry")
        .done();
    let after = folder.read("patched.bin");
    assert_eq!(after.len(), before.len());
    let differ: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
    assert!(
        !differ.is_empty() && differ.iter().all(|at| (0x11_0000..0x11_3000).contains(at)),
        "{differ:x?}"
    );
    let json = folder
        .line("fleetmint nvs dump patched.bin --partition fctry --format json")
        .done()
        .stdout;
    assert!(json.contains("\"value\":99"), "{json}");
    folder.line("fleetmint nvs repair flash.bin repaired.bin").done();
    assert!(folder.read("repaired.bin") == before);
}

#[test]
fn another_place_of_the_table() {
    let (folder, flash) = flash();
    let mut moved = flash.clone();
    moved.copy_within(0x8000..0x8C00, 0x10000);
    moved[0x8000..0x8C00].fill(0);
    folder.write("moved.bin", moved);
    for offset in ["", "--partition-table-offset 0x10000"] {
        let run = folder
            .line(&format!("fleetmint nvs dump moved.bin --partition fctry {offset}"))
            .done();
        assert_eq!(
            run.stderr,
            "moved.bin: partition fctry, 0x3000 bytes at offset 0x110000 (the partition table is at 0x10000)\n"
        );
    }
}

#[test]
fn partitions_that_are_not_there() {
    let (folder, flash) = flash();
    folder.write("cut.bin", &flash[..0xA000]);
    folder.write("alone.bin", &flash[0x9000..0xD000]);
    for (arguments, said) in [
        (
            "flash.bin --partition data",
            "the partition table has no partition \"data\"; it has nvs, factory, fctry",
        ),
        (
            "cut.bin",
            "partition \"nvs\" ends at offset 0xd000, the flash dump at 0xa000",
        ),
        (
            "alone.bin --partition nvs",
            "there is no partition table at offset 0x8000: the first row would begin with AA 50; no other sector boundary of the first 0x20000 bytes has one either",
        ),
    ] {
        let line = folder.line(&format!("fleetmint nvs dump {arguments}")).refused(2);
        assert!(line.contains(said), "{line}");
    }
    folder.line("fleetmint nvs dump alone.bin").done();
}

/// Rows that `gen_esp32part.py` refuses, in a table that somebody made by hand.
#[test]
fn partitions_off_the_boundaries_of_the_flash_and_without_a_name() {
    let row = |name: &str, kind: [u8; 2], offset: u32, size: u32| {
        let mut row = vec![0xAA, 0x50, kind[0], kind[1]];
        row.extend(offset.to_le_bytes());
        row.extend(size.to_le_bytes());
        row.extend(name.bytes());
        row.resize(32, 0);
        row
    };
    let (folder, mut flash) = flash();
    flash.copy_within(0x9000..0xD000, 0x15800);
    let rows = [
        row("", [1, 2], 0x9000, 0x4000),
        row("within", [1, 2], 0x15800, 0x4000),
        row("files", [1, 0x83], 0x1C000, 0x1080),
        row("app", [0, 0], 0x21000, 0x10000),
    ];
    flash[0x8000..0x8C00].fill(0xFF);
    flash[0x8000..][..rows.concat().len()].copy_from_slice(&rows.concat());
    folder.write("flash.bin", &flash);
    let dump = |options: &[&str]| folder.run([&["nvs", "dump", "flash.bin"], options].concat());

    let line = dump(&[]).refused(2);
    assert!(line.ends_with("choose one of \"\", within with --partition"), "{line}");
    let run = dump(&["--partition", ""]).done();
    assert_eq!(
        run.stderr,
        "warning: flash.bin: partition \"within\" begins at offset 0x15800, which is not a multiple of 0x1000, as ESP-IDF \
         requires of every partition: gen_esp32part.py refuses such a table\n\
         warning: flash.bin: partition \"files\" at offset 0x1c000 has 0x1080 bytes, which is not a multiple of 0x1000: the \
         flash is erased in sectors of that size\n\
         warning: flash.bin: partition \"app\" begins at offset 0x21000, which is not a multiple of 0x10000, as ESP-IDF \
         requires of an app partition: gen_esp32part.py refuses such a table\n\
         flash.bin: partition \"\", 0x4000 bytes at offset 0x9000\n"
    );
    let line = dump(&["--partition", "within"]).refused(2);
    assert!(
        line.contains("partition \"within\" begins at offset 0x15800")
            && line.ends_with("correct the table, or use --force to accept it"),
        "{line}"
    );
    let run = dump(&["--partition", "within", "--force"]).done();
    assert!(run.stdout.contains("serial"), "{}", run.stdout);
}

#[test]
fn on_either_side_of_a_comparison() {
    let (folder, flash) = flash();
    folder.write("alone.bin", &flash[0x11_0000..0x11_3000]);
    folder
        .line("fleetmint nvs diff flash.bin alone.bin --partition fctry")
        .done();
    folder
        .line("fleetmint nvs diff alone.bin flash.bin --partition fctry")
        .done();
    folder.line("fleetmint nvs diff flash.bin flash.bin").done();
    assert_eq!(folder.line("fleetmint nvs diff flash.bin alone.bin").exit, 1);
}

#[test]
fn of_which_the_check_says_where_the_partition_is() {
    let (folder, _) = flash();
    let run = folder.line("fleetmint nvs check flash.bin --partition fctry --format json");
    assert!(run.stdout.contains("\"partition_offset\": 1114112"), "{}", run.stdout);
}

/// A flash of 256 KiB whose table is nowhere: a boot loader at 0, serial 1 in `nvs`, encrypted with the keys in `nvs_keys`
/// if it is to be.
fn small_flash(encrypted: bool) -> (Folder, Vec<u8>, Vec<u8>) {
    let folder = Folder::new();
    let csv = "nvs,data,nvs,0x21000,0x4000,\nnvs_keys,data,nvs_keys,0x25000,0x1000,\n\
               hidden,data,nvs,0x26000,0x3000,encrypted\nfactory,app,factory,0x30000,64K,\n";
    let table = PartitionTable::try_from_str(csv).unwrap().to_bin().unwrap();
    let mut flash = vec![0xFF; 0x4_0000];
    for application in [0, 0x3_0000] {
        flash[application..][..0x3000].fill(0x5A);
        flash[application..][..4].copy_from_slice(&[0xE9, 6, 2, 0x20]);
    }
    folder.write("t.csv", format!("{TABLE}1\n"));
    folder.line("fleetmint nvs generate-key --keyfile k.bin").done();
    let command = if encrypted {
        "encrypt t.csv t.bin 0x4000 --inputkey keys/k.bin"
    } else {
        "generate t.csv t.bin 0x4000"
    };
    folder.line(&format!("fleetmint nvs {command}")).done();
    flash[0x2_1000..][..0x4000].copy_from_slice(&folder.read("t.bin"));
    folder.write("changes.csv", CHANGES);
    (folder, flash, table)
}

fn with_table(flash: &[u8], table: &[u8], offsets: &[usize]) -> Vec<u8> {
    let mut flash = flash.to_vec();
    for offset in offsets {
        flash[*offset..][..table.len()].copy_from_slice(table);
    }
    flash
}

#[test]
fn the_boot_loader_is_never_patched_wherever_the_table_is() {
    let (folder, flash, table) = small_flash(false);
    let before = with_table(&flash, &table, &[0x10000]);
    folder.write("flash.bin", &before);
    let run = folder.line("fleetmint nvs patch flash.bin changes.csv out.bin").done();
    assert!(
        run.stderr.starts_with(
            "flash.bin: partition nvs, 0x4000 bytes at offset 0x21000 (the partition table is at 0x10000)\n"
        ),
        "{}",
        run.stderr
    );
    let after = folder.read("out.bin");
    let differ: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
    assert!(!differ.is_empty() && differ.iter().all(|at| (0x2_1000..0x2_5000).contains(at)));
}

#[test]
fn tables_that_leave_a_choice_or_are_not_there() {
    let (folder, flash, table) = small_flash(false);
    folder.write("two.bin", with_table(&flash, &table, &[0x9000, 0x10000]));
    folder.write("none.bin", &flash);
    folder.write("far.bin", with_table(&flash, &table, &[0x3A000]));
    for command in [
        "dump FILE",
        "check FILE",
        "repair FILE out.bin",
        "patch FILE changes.csv out.bin",
    ] {
        for (file, said) in [
            (
                "two.bin",
                "at 0x9000, 0x10000: choose one with --partition-table-offset",
            ),
            (
                "none.bin",
                "not only an NVS partition: NVS pages begin at offset 0x21000, and what begins at 0x0 seems to be an application image or \
                 a boot loader; a dump of the whole flash needs its partition table, which is not in the first 0x20000 bytes \
                 (--partition-table-offset)",
            ),
            ("far.bin", "NVS pages begin at offset 0x21000"),
            (
                "two.bin --partition-table-offset 0x8000",
                "there is no partition table at offset 0x8000: the first row would begin with AA 50; there is one at 0x9000, \
                 0x10000 (--partition-table-offset)",
            ),
            (
                "t.bin --partition-table-offset 0x9000",
                "there is no partition table at offset 0x9000",
            ),
        ] {
            let line = folder
                .line(&format!("fleetmint nvs {}", command.replace("FILE", file)))
                .refused(2);
            assert!(line.contains(said), "{command} {file}: {line}");
        }
    }
    assert!(!folder.file("out.bin").exists());
    folder
        .line("fleetmint nvs dump far.bin --partition-table-offset 0x3A000")
        .done();
    // One of the two sides may be the file of a partition, but not both.
    folder
        .line("fleetmint nvs diff two.bin t.bin --partition-table-offset 0x9000")
        .done();
    let line = folder
        .line("fleetmint nvs diff t.bin t.bin --partition-table-offset 0x9000")
        .refused(2);
    assert!(line.contains("there is no partition table at offset 0x9000"), "{line}");
}

#[test]
fn partitions_that_are_not_for_nvs_are_refused_by_name() {
    let (folder, flash, table) = small_flash(false);
    folder.write("flash.bin", with_table(&flash, &table, &[0x8000]));
    for command in ["dump", "check", "repair OUT", "patch changes.csv OUT"] {
        for (name, said) in [
            (
                "factory",
                "partition \"factory\" is of type app, not NVS; the NVS partitions are nvs, hidden",
            ),
            ("nvs_keys", "partition \"nvs_keys\" is of type data, nvs_keys, not NVS"),
            ("hidden", "partition \"hidden\" has the flag encrypted"),
        ] {
            let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
            let rest = rest.replace("OUT", "out.bin");
            let line = folder
                .line(&format!("fleetmint nvs {verb} flash.bin {rest} --partition {name}"))
                .refused(2);
            assert!(line.contains(said), "{line}");
        }
    }
    assert!(!folder.file("out.bin").exists());
}

#[test]
fn a_dump_that_was_read_from_the_middle() {
    let (folder, flash, table) = small_flash(false);
    let whole = with_table(&flash, &table, &[0x8000]);
    folder.write("part.bin", &whole[0x1000..]);
    let line = folder
        .line("fleetmint nvs patch part.bin changes.csv out.bin")
        .refused(2);
    assert!(
        line.contains("a dump that begins at offset 0x1000 of the flash"),
        "{line}"
    );
}

#[test]
fn the_keys_in_the_same_flash_are_taken_and_that_is_said() {
    let (folder, mut flash, table) = small_flash(true);
    flash[0x2_5000..0x2_6000].copy_from_slice(&folder.read("keys/k.bin"));
    let whole = with_table(&flash, &table, &[0x8000]);
    folder.write("flash.bin", &whole);
    let said = "flash.bin: partition nvs, 0x4000 bytes at offset 0x21000\n\
                flash.bin: encrypted, with the keys of the partition nvs_keys\n";
    let run = folder.line("fleetmint nvs dump flash.bin --format json").done();
    assert!(
        run.stdout.contains("\"value\":1") && run.stderr == said,
        "{}",
        run.stderr
    );
    assert_eq!(folder.line("fleetmint nvs check flash.bin").stderr, said);
    folder.line("fleetmint nvs repair flash.bin repaired.bin").done();
    assert!(folder.read("repaired.bin") == whole);
    folder.line("fleetmint nvs patch flash.bin changes.csv out.bin").done();
    folder.line("fleetmint nvs diff flash.bin flash.bin").done();
    let patched = folder.read("out.bin");
    folder.write("nvs.bin", &patched[0x2_1000..0x2_5000]);
    let json = folder
        .line("fleetmint nvs dump nvs.bin --keys keys/k.bin --format json")
        .done()
        .stdout;
    assert!(json.contains("\"value\":99"), "{json}");

    // Keys that are given come first, and are wrong here.
    folder.line("fleetmint nvs generate-key --keyfile other.bin").done();
    let run = folder.line("fleetmint nvs dump flash.bin --keys keys/other.bin");
    assert!(
        run.exit == 1 && run.stderr.contains("the encryption key seems wrong"),
        "{}",
        run.stderr
    );

    // Covered by flash encryption, and another board's.
    for (keys, said) in [
        (
            vec![0xA7; 0x1000],
            "the keys of the partition nvs_keys cannot be read, because flash encryption covers them: give the keys with --keys",
        ),
        (
            folder.read("keys/other.bin"),
            "the keys of the partition nvs_keys are not those of nvs",
        ),
    ] {
        flash[0x2_5000..0x2_6000].copy_from_slice(&keys);
        folder.write("flash.bin", with_table(&flash, &table, &[0x8000]));
        let run = folder.line("fleetmint nvs dump flash.bin");
        assert_eq!(run.exit, 1);
        assert!(
            run.stderr.contains(said) && run.stderr.contains("the encryption key seems missing"),
            "{}",
            run.stderr
        );
        folder.line("fleetmint nvs dump flash.bin --keys keys/k.bin").done();
    }
}

#[test]
fn keys_of_a_plain_partition_are_left_alone() {
    let (folder, mut flash, table) = small_flash(false);
    flash[0x2_5000..0x2_6000].copy_from_slice(&folder.read("keys/k.bin"));
    folder.write("flash.bin", with_table(&flash, &table, &[0x8000]));
    let run = folder.line("fleetmint nvs dump flash.bin").done();
    assert_eq!(run.stderr, "flash.bin: partition nvs, 0x4000 bytes at offset 0x21000\n");
}

#[test]
fn a_partition_with_the_flag_readonly_is_opened_as_such() {
    let folder = Folder::new();
    let csv = "nvs,data,nvs,0x9000,0x4000,\nfactory,app,factory,0x10000,64K,\ninfo,data,nvs,0x20000,0x1000,readonly\n";
    let table = PartitionTable::try_from_str(csv).unwrap().to_bin().unwrap();
    let mut flash = vec![0xFF; 0x3_0000];
    flash[0x8000..][..table.len()].copy_from_slice(&table);
    folder.write("t.csv", format!("{TABLE}7\n"));
    folder.line("fleetmint nvs generate t.csv t.bin 0x1000").done();
    flash[0x2_0000..][..0x1000].copy_from_slice(&folder.read("t.bin"));
    folder.write("flash.bin", &flash);
    for command in [
        "check flash.bin",
        "dump flash.bin",
        "get flash.bin prov serial",
        "diff flash.bin flash.bin",
    ] {
        let run = folder.line(&format!("fleetmint nvs {command} --partition info")).done();
        assert!(
            run.stderr
                .contains("opened read-only, because of the flag readonly in the partition table"),
            "{}",
            run.stderr
        );
    }
    let line = folder.line("fleetmint nvs dump flash.bin --partition info --as read-write");
    assert_eq!(line.exit, 1);
}

#[test]
fn a_partition_with_the_flag_readonly_is_changed_by_force_alone() {
    let folder = Folder::new();
    let csv = "nvs,data,nvs,0x9000,0x4000,readonly\nfactory,app,factory,0x10000,64K,\n";
    let table = PartitionTable::try_from_str(csv).unwrap().to_bin().unwrap();
    let mut flash = vec![0xFF; 0x2_0000];
    flash[0x8000..][..table.len()].copy_from_slice(&table);
    folder.write("t.csv", format!("{TABLE}7\n"));
    folder.line("fleetmint nvs generate t.csv t.bin 0x4000").done();
    flash[0x9000..][..0x4000].copy_from_slice(&folder.read("t.bin"));
    folder.write("flash.bin", &flash);
    for command in ["patch flash.bin t.csv out.bin", "repair flash.bin out.bin"] {
        let refused = folder.line(&format!("fleetmint nvs {command}"));
        assert_eq!(refused.exit, 1);
        assert!(
            refused.stderr.contains(
                "flash.bin: partition \"nvs\" has the flag readonly in the partition table: the firmware never writes to it \
                 (ESP_ERR_NOT_ALLOWED); --force"
            ),
            "{}",
            refused.stderr
        );
        assert!(!folder.file("out.bin").exists());
        folder.line(&format!("fleetmint nvs {command} --force")).done();
        std::fs::remove_file(folder.file("out.bin")).unwrap();
    }
}
