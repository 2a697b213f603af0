//! Which partition of a board a plan is for, and tables that cannot be read.

use super::*;

#[test]
fn the_partition_is_chosen_or_refused_by_name() {
    let flash = 4 << 20;
    let choose = |csv: &str, name: Option<&str>, size| {
        target(&partition_table(csv), partition_table::OFFSET, size, name).map(|target| target.nvs.name)
    };
    assert_eq!(choose(TABLE, None, flash).unwrap(), "nvs");
    let keys = target(&partition_table(TABLE), partition_table::OFFSET, flash, None)
        .unwrap()
        .keys;
    assert_eq!(
        keys.iter().map(|keys| keys.name.as_str()).collect::<Vec<_>>(),
        ["nvs_keys"]
    );
    let refused = |csv: &str, name: Option<&str>| choose(csv, name, flash).unwrap_err();

    let missing = refused(TABLE, Some("nsv"));
    assert!(matches!(missing, Refusal::Partition(Unfit::NotFound(_))));
    assert!(
        missing.to_string().contains("nvs, phy_init, factory, nvs_keys, fctry"),
        "{missing}"
    );
    assert!(matches!(
        refused(TABLE, Some("phy_init")),
        Refusal::Partition(Unfit::NotNvs { .. })
    ));
    assert!(matches!(refused(TABLE, Some("fctry")), Refusal::ReadOnly { .. }));
    let two = "nvs_a,data,nvs,,0x3000\nnvs_b,data,nvs,,0x3000\n";
    let several = refused(two, None);
    assert!(matches!(several, Refusal::Partition(Unfit::SeveralNvs { .. })));
    assert!(several.to_string().contains("nvs_a, nvs_b"), "{several}");
    assert_eq!(choose(two, Some("nvs_b"), flash).unwrap(), "nvs_b");
    assert!(matches!(
        refused("a,app,factory,,1M\n", None),
        Refusal::Partition(Unfit::NoNvs { .. })
    ));
    let mut low = [0xFF; 64];
    low[..32].copy_from_slice(b"\xaa\x50\x01\x02\0\x10\0\0\0\x60\0\0nvs\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let low = PartitionTable::decode(&low, partition_table::OFFSET).unwrap();
    let low = target(&low, partition_table::OFFSET, flash, None).unwrap_err();
    assert!(matches!(low, Refusal::Partition(Unfit::BeforeTable { .. })), "{low}");
    let encrypted = refused("nvs,data,nvs,,0x3000,encrypted\n", None);
    assert!(
        matches!(encrypted, Refusal::Partition(Unfit::EncryptedFlag { .. })),
        "{encrypted}"
    );
    let beyond = choose(TABLE, None, 0xA000).unwrap_err();
    assert!(
        matches!(
            beyond,
            Refusal::BeyondFlash {
                end: 0xF000,
                flash_size: 0xA000,
                ..
            }
        ),
        "{beyond}"
    );
}

#[test]
fn a_table_that_cannot_be_read_says_why() {
    let erased = [0xFF; PAGE_SIZE];
    assert!(matches!(
        table(&erased, 0x8000, false),
        Err(Refusal::FlashErased { offset: 0x8000 })
    ));
    let noise: Vec<u8> = (0..PAGE_SIZE as u64)
        .map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(n << 7) >> 37) as u8)
        .collect();
    assert!(matches!(
        table(&noise, 0x8000, true),
        Err(Refusal::TableEncrypted { .. })
    ));
    assert!(matches!(table(&noise, 0x8000, false), Err(Refusal::NoTable { .. })));
    let mut app = [0xFF; PAGE_SIZE];
    app[..4].copy_from_slice(&[0xE9, 3, 2, 0x20]);
    let refused = table(&app, 0x8000, false).unwrap_err();
    assert!(
        matches!(refused, Refusal::NoTable { .. }) && refused.to_string().contains("boot loader"),
        "{refused}"
    );
    let mut broken = [0xFF; PAGE_SIZE];
    broken[..2].copy_from_slice(&[0xAA, 0x50]);
    assert!(matches!(table(&broken, 0x8000, false), Err(Refusal::Table(_))));
}
