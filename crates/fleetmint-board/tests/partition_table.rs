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

/// Every row as the chip would see it.
fn rows(csv: &str, table_offset: usize) -> Vec<(String, usize, usize, String, bool, bool)> {
    let table = PartitionTable::from_file(csv.as_bytes(), table_offset).unwrap();
    let row = |p: &partition_table::Partition| {
        let name = p.name.clone();
        (name, p.offset, p.size, p.type_name(), p.encrypted, p.readonly)
    };
    table.partitions().iter().map(row).collect()
}

/// The CSV and the binary that `esp-idf-part` makes of it are one table.
#[test]
fn a_csv_is_the_table_that_the_build_makes_of_it() {
    let of_csv = PartitionTable::from_file(CSV.as_bytes(), partition_table::OFFSET).unwrap();
    let of_binary = PartitionTable::from_file(&table(), partition_table::OFFSET).unwrap();
    assert_eq!(of_csv.partitions(), of_binary.partitions());
    assert_eq!(of_binary, read(&table()).unwrap());
}

/// What `gen_esp32part.py` knows and `esp-idf-part` does not.
#[test]
fn a_csv_of_a_board_with_a_large_boot_loader() {
    let csv = "\u{FEFF}# Name, Type, SubType, Offset, Size, Flags\r\n\
        bootloader, bootloader, primary, N/A, N/A,\r\n\
        table, partition_table, primary, N/A, N/A,\r\n\
        \r\n\
        nvs, data, NVS, , 0x6000\r\n\
        log, 0x40, 0x7, , 12k,\r\n\
        factory, app, factory, , -0x200000,\r\n\
        ota_3, app, ota_3, 0x200000, 1M, encrypted:readonly\r\n\
        user, data, , , 4096,\r\n";
    let row = |name: &str, offset, size, kind: &str, encrypted, readonly| {
        (name.to_string(), offset, size, kind.to_string(), encrypted, readonly)
    };
    assert_eq!(
        rows(csv, 0x1_0000),
        [
            row("nvs", 0x1_1000, 0x6000, "data, nvs", false, false),
            row("log", 0x1_7000, 0x3000, "0x40, 0x07", false, false),
            row("factory", 0x2_0000, 0x1E_0000, "app", false, false),
            row("ota_3", 0x20_0000, 0x10_0000, "app", true, true),
            row("user", 0x30_0000, 0x1000, "data, undefined", false, false),
        ]
    );
}

#[test]
fn a_csv_that_breaks_a_rule_names_the_line() {
    let reason = |csv: &str| {
        PartitionTable::from_file(csv.as_bytes(), 0x8000)
            .unwrap_err()
            .to_string()
    };
    for (csv, expected) in [
        ("", "line 1: not a partition table: it has no row"),
        ("\n# only a comment\n", "line 1: not a partition table: it has no row"),
        (
            "a\0b",
            "line 1: not a partition table: the bytes are neither text nor do they begin with AA 50",
        ),
        ("\n\nnvs", "line 3: the type is missing: a row has a name"),
        ("nvs,data,nvs,0x9000,", "line 1: the size is missing"),
        ("a,app,,,1M", "line 1: the subtype is missing"),
        (
            "nvs,dta,nvs,,0x6000",
            "line 1: the type \"dta\" is neither a number nor one of app, data",
        ),
        (
            "nvs,data,nsv,,0x6000",
            "line 1: the subtype \"nsv\" is neither a number nor one of ota, phy, nvs",
        ),
        ("nvs,data,0x100,,0x6000", "line 1: the subtype \"0x100\" is neither"),
        ("a,app,ota_16,,1M", "line 1: the subtype \"ota_16\" is neither"),
        (
            "nvs,data,nvs,here,0x6000",
            "line 1: the offset \"here\" is not a number",
        ),
        ("nvs,data,nvs,,+5", "line 1: the size \"+5\" is not a number"),
        ("nvs,data,nvs,,5000M", "line 1: the size \"5000M\" is not a number"),
        (
            "nvs,data,nvs,,0x6000,writable",
            "line 1: the flag \"writable\" is neither",
        ),
        (
            "nvs,data,nvs,0x8000,0x6000",
            "line 1: the partition begins at offset 0x8000, before 0x9000",
        ),
        (
            "nvs,data,nvs,,0x6000\nb,data,phy,0xe000,4K",
            "line 2: the partition begins at offset 0xe000, before 0xf000",
        ),
        (
            "nvs,data,nvs,,0x6000\nnvs,data,phy,,4K",
            "line 2: the name nvs is that of an earlier row",
        ),
        (
            "nvs,data,nvs,0xFFFFF000,4K",
            "line 1: the partition would end at offset 0x100000000",
        ),
        (
            "nvs,data,nvs,0x9000,-0x8000",
            "line 1: the partition would end at offset 0x8000",
        ),
        (
            "a_name_of_17_bytes,data,nvs,,4K",
            "line 1: the name \"a_name_of_17_bytes\" has 18 bytes",
        ),
        (
            "nvs,data,nvs,$OFFSET,4K",
            "line 1: \"$OFFSET\" is a variable of the build",
        ),
    ] {
        assert!(reason(csv).starts_with(expected), "{csv:?}: {}", reason(csv));
    }
}

mod properties {
    use super::PartitionTable;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), offset in any::<usize>()) {
            let _ = PartitionTable::from_file(&bytes, offset);
        }

        #[test]
        fn any_text_is_read_or_refused(
            text in "([a-z0-9_ ]{0,18},(app|data|0x40|bootloader),(nvs|ota_1|primary)?,(0x[0-9a-f]{1,9}|-?[0-9]{0,5}[kM]?),(-?0x[0-9a-f]{1,9}|[0-9]{1,9}[KM]?),[a-z:]{0,9}\n){0,4}",
            offset in any::<u32>(),
        ) {
            if let Ok(table) = PartitionTable::from_file(text.as_bytes(), offset as usize) {
                for partition in table.partitions() {
                    prop_assert!(partition.offset as u64 + partition.size as u64 <= u64::from(u32::MAX));
                }
            }
        }
    }
}
