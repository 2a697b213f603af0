//! Partition tables, as `esp-idf-part` writes them, and everything that can be wrong with one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use esp_idf_part::PartitionTable as Written;
use fleetmint_board::partition_table::{self, Error, PartitionTable};

/// ESP-IDF's "Factory app, two OTA definitions", with a second NVS partition and the keys for it.
const CSV: &str = "\
nvs,data,nvs,0x9000,0x4000,
otadata,data,ota,0xd000,0x2000,
phy_init,data,phy,0xf000,0x1000,
factory,app,factory,0x10000,1M,
ota_0,app,ota_0,,1M,
nvs_keys,data,nvs_keys,,0x1000,encrypted
fctry,data,nvs,,0x6000,readonly
";

fn flash(table: &[u8]) -> Vec<u8> {
    let mut flash = vec![0xFF; 0x40_0000];
    flash[partition_table::OFFSET..][..table.len()].copy_from_slice(table);
    flash
}

fn table() -> Vec<u8> {
    Written::try_from_str(CSV).unwrap().to_bin().unwrap()
}

fn read(table: &[u8]) -> Result<PartitionTable, Error> {
    PartitionTable::in_flash(&flash(table), partition_table::OFFSET)
}

fn reason(table: &[u8]) -> String {
    match read(table) {
        Err(Error::Unusable { offset: 0x8000, reason }) => reason,
        other => format!("{other:?}"),
    }
}

#[test]
fn a_table_as_esp_idf_part_writes_it() {
    let table = read(&table()).unwrap();
    let rows: Vec<_> = table
        .partitions()
        .iter()
        .map(|p| (p.name.as_str(), p.offset, p.size, p.is_nvs(), p.encrypted, p.readonly))
        .collect();
    assert_eq!(
        rows,
        [
            ("nvs", 0x9000, 0x4000, true, false, false),
            ("otadata", 0xD000, 0x2000, false, false, false),
            ("phy_init", 0xF000, 0x1000, false, false, false),
            ("factory", 0x1_0000, 0x10_0000, false, false, false),
            ("ota_0", 0x11_0000, 0x10_0000, false, false, false),
            ("nvs_keys", 0x21_0000, 0x1000, false, true, false),
            ("fctry", 0x21_1000, 0x6000, true, false, true),
        ]
    );
    assert_eq!(table.find("fctry").unwrap().within(0x40_0000), Ok(0x21_1000..0x21_7000));
    assert_eq!(
        table.find("fctry").unwrap().within(0x20_0000),
        Err(Error::CutOff {
            name: "fctry".into(),
            end: 0x21_7000,
            len: 0x20_0000
        })
    );
    let error = table.find("mvs").unwrap_err().to_string();
    assert!(
        error.contains("\"mvs\"") && error.contains("nvs, otadata, phy_init"),
        "{error}"
    );
}

#[test]
fn types_and_flags_that_nobody_has_named_yet() {
    let mut table = vec![0xFF; 0x40];
    table[..0x20].copy_from_slice(b"\xAA\x50\x01\x40\0\x90\0\0\0\x60\0\0sixteen bytes ok\xFC\0\0\0");
    let read = read(&table).unwrap();
    assert_eq!(read.partitions()[0].name, "sixteen bytes ok");
    assert!(!read.partitions()[0].is_nvs());
}

#[test]
fn what_is_no_table() {
    let none = Error::NoTable { offset: 0x8000 };
    assert_eq!(PartitionTable::in_flash(&[], 0x8000), Err(none.clone()));
    assert_eq!(PartitionTable::in_flash(&[0xFF; 0x9000], 0x8000), Err(none.clone()));
    assert_eq!(
        PartitionTable::in_flash(&[0xAA; 1], usize::MAX),
        Err(Error::NoTable { offset: usize::MAX })
    );
    assert!(!PartitionTable::is_at(&flash(&[0xFE, 0xFF, 0xFF, 0xFF]), 0x8000));
    assert!(PartitionTable::is_at(&flash(&table()), 0x8000));
}

#[test]
fn tables_that_break_a_rule() {
    let mut bit_flipped = table();
    bit_flipped[0x2D] ^= 1;
    assert_eq!(reason(&bit_flipped), "its MD5 does not match its rows");

    let mut beyond = table();
    beyond[8..12].copy_from_slice(&[0xFF; 4]);
    assert_eq!(reason(&beyond), "row 0 ends beyond 4 GiB");

    let twice = [&table()[..0x20], &table()[..0x20]].concat();
    assert_eq!(reason(&twice), "two partitions have the name \"nvs\"");

    let mut strange = table();
    strange[0x20] = 0;
    assert_eq!(reason(&strange), "row 1 begins with neither AA 50 nor EB EB nor FF FF");

    let many: Vec<u8> = (0..96_u32)
        .flat_map(|n| {
            let mut row = table()[..0x20].to_vec();
            row[12..16].copy_from_slice(format!("{n:04}").as_bytes());
            row
        })
        .collect();
    assert_eq!(reason(&many), "it has no last row of 0xFF bytes within 0xc00 bytes");

    let mut cut = flash(&table());
    cut.truncate(0x8050);
    let error = PartitionTable::in_flash(&cut, 0x8000).unwrap_err();
    assert!(error.to_string().contains("at offset 0x8000 is unusable"), "{error}");
}
