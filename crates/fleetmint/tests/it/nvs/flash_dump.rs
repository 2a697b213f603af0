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
            "there is no partition table at offset 0x8000",
        ),
    ] {
        let line = folder.line(&format!("fleetmint nvs dump {arguments}")).refused(2);
        assert!(line.contains(said), "{line}");
    }
    folder.line("fleetmint nvs dump alone.bin").done();
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
