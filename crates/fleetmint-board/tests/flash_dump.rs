//! Recognizes a file: a partition, a whole flash with its table at any offset, or something else.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use esp_idf_part::PartitionTable as Written;
use fleetmint_board::flash_dump::{Content, Error, FlashKeys, NotNvs, SEARCHED, Wanted, check_nvs, find_keys, locate};
use fleetmint_nvs::crypt::Keys;
use fleetmint_nvs::storage::{Mode, SliceFlash, Storage};
use fleetmint_nvs::{Key, Namespace};

const NVS: (usize, usize) = (0x2_1000, 0x4000);
const KEYS: usize = 0x2_5000;

/// A table for these places, as `gen_esp32part.py` writes it.
fn table(table_offset: usize) -> Vec<u8> {
    let csv = format!(
        "nvs,data,nvs,{:#x},{:#x},\nnvs_keys,data,nvs_keys,{KEYS:#x},0x1000,encrypted\n\
         hidden,data,nvs,0x26000,0x3000,encrypted\nfactory,app,factory,0x30000,0x10000,\n",
        NVS.0, NVS.1
    );
    // That crate only knows one offset.
    assert!(table_offset.is_multiple_of(0x1000));
    Written::try_from_str(csv).unwrap().to_bin().unwrap()
}

/// Some value in a partition.
fn nvs(size: usize, keys: Option<&Keys>) -> Vec<u8> {
    let mut image = vec![0xFF; size];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, keys.map(Keys::xts)).unwrap();
    let namespace = storage.open_namespace(&Namespace::new("app").unwrap()).unwrap();
    storage.set_str(namespace, &Key::new("id").unwrap(), "unit-1").unwrap();
    drop(storage);
    image
}

fn application() -> Vec<u8> {
    let mut image: Vec<u8> = (0..0x3000_u32).map(|n| (n * n % 251) as u8).collect();
    image[..4].copy_from_slice(&[0xE9, 6, 2, 0x20]);
    image[0x20..0x24].copy_from_slice(&[0x32, 0x54, 0xCD, 0xAB]);
    image[0x30..0x50].fill(0);
    image[0x30..0x35].copy_from_slice(b"1.2.3");
    image[0x50..0x70].fill(0);
    image[0x50..0x56].copy_from_slice(b"heater");
    image
}

/// A flash of 256 KiB with a boot loader, NVS, an application, and a table at each of these places.
fn flash(tables: &[usize]) -> Vec<u8> {
    let mut flash = vec![0xFF; 0x4_0000];
    flash[..0x3000].copy_from_slice(&application());
    flash[NVS.0..][..NVS.1].copy_from_slice(&nvs(NVS.1, None));
    flash[0x3_0000..][..0x3000].copy_from_slice(&application());
    for offset in tables {
        let table = table(*offset);
        flash[*offset..][..table.len()].copy_from_slice(&table);
    }
    flash
}

fn wanted<'a>(partition: Option<&'a str>, table_offset: Option<usize>) -> Wanted<'a> {
    Wanted {
        partition,
        table_offset,
        force: false,
    }
}

#[test]
fn the_table_is_found_at_every_sector_boundary_of_the_first_128_kib() {
    for offset in (0x3000..SEARCHED).step_by(0x1000) {
        let located = locate(&flash(&[offset]), &Wanted::default()).unwrap();
        assert_eq!(located.range, NVS.0..NVS.0 + NVS.1);
        assert_eq!(located.flash.unwrap().table_offset, offset);
    }
    // Beyond that it has to be named.
    let mut beyond = flash(&[]);
    beyond[SEARCHED..][..table(0).len()].copy_from_slice(&table(0));
    let error = locate(&beyond, &Wanted::default()).unwrap_err();
    assert!(matches!(error, Error::NotNvs { .. }), "{error}");
    assert!(locate(&beyond, &wanted(None, Some(SEARCHED))).is_ok());
}

#[test]
fn of_several_tables_the_usual_one_is_taken_or_the_caller_chooses() {
    let located = locate(&flash(&[0x8000, 0x10000]), &Wanted::default()).unwrap();
    assert_eq!(located.flash.unwrap().table_offset, 0x8000);
    let error = locate(&flash(&[0x9000, 0x10000]), &Wanted::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a dump of the whole flash, with no partition table at 0x8000, but at 0x9000, 0x10000: choose one"
    );
    let chosen = locate(&flash(&[0x9000, 0x10000]), &wanted(None, Some(0x10000))).unwrap();
    assert_eq!(chosen.flash.unwrap().table_offset, 0x10000);
}

#[test]
fn a_place_that_was_named_must_have_a_table() {
    let error = locate(&flash(&[0x10000]), &wanted(None, Some(0x9000))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no partition table at offset 0x9000: the first row would begin with AA 50; there is one at 0x10000"
    );
    // Also if the file is only a partition, and with an offset beyond any file.
    for offset in [0x9000, usize::MAX] {
        let error = locate(&nvs(0x6000, None), &wanted(None, Some(offset))).unwrap_err();
        assert!(matches!(error, Error::Table { .. }), "{error}");
    }
}

#[test]
fn a_partition_that_shares_bytes_with_another_is_refused() {
    // Written row by row: the crate that writes tables refuses these.
    let nvs_row = |offset, size| row("nvs", [1, 2], offset, size);
    for (rows, expected) in [
        (
            [nvs_row(0x9000, 0x6000), row("nvs2", [1, 2], 0xC000, 0x3000)],
            Some("partition \"nvs2\" overlap in the partition table, from offset 0xc000 to 0xf000"),
        ),
        (
            [row("files", [1, 0x83], 0xE000, 0x4000), nvs_row(0x9000, 0x6000)],
            Some("partition \"files\" overlap in the partition table, from offset 0xe000 to 0xf000"),
        ),
        (
            [nvs_row(0x7000, 0x6000), row("files", [1, 0x83], 0xF000, 0x1000)],
            Some("the partition table itself overlap in the partition table, from offset 0x8000 to 0x9000"),
        ),
        ([nvs_row(0x9000, 0x6000), row("files", [1, 0x83], 0xF000, 0x1000)], None),
        // Without a size nothing is shared.
        ([nvs_row(0x9000, 0x6000), row("none", [1, 0x83], 0xA000, 0)], None),
    ] {
        let mut flash = vec![0xFF; 0x20000];
        flash[..0x3000].copy_from_slice(&application());
        flash[0x8000..0x8040].copy_from_slice(rows.as_flattened());
        let located = locate(&flash, &Wanted::default());
        match expected {
            Some(expected) => {
                let error = located.unwrap_err().to_string();
                assert!(error.contains(expected), "{error}");
            }
            None => assert_eq!(located.unwrap().range, 0x9000..0xF000),
        }
    }
}

#[test]
fn a_table_without_its_md5_is_not_believed_but_reported() {
    let mut flash = flash(&[0x9000]);
    let md5 = (0x9000..0x9C00).step_by(32).find(|at| flash[*at] == 0xEB).unwrap();
    flash[md5..md5 + 32].fill(0xFF);
    let error = locate(&flash, &Wanted::default()).unwrap_err();
    assert!(
        matches!(&error, Error::UnprovenTable { tables } if *tables == [0x9000]),
        "{error}"
    );
    assert!(locate(&flash, &wanted(None, Some(0x9000))).is_ok());
    // With an MD5 that does not fit it is none at all.
    flash[md5..md5 + 32].fill(0);
    flash[md5..md5 + 2].fill(0xEB);
    let error = locate(&flash, &Wanted::default()).unwrap_err();
    assert!(matches!(error, Error::NotNvs { .. }), "{error}");
}

#[test]
fn a_dump_that_does_not_begin_with_the_flash() {
    let whole = flash(&[0x8000]);
    for begin in [0x1000, 0x3000, 0x8000] {
        let error = locate(&whole[begin..], &Wanted::default()).unwrap_err();
        assert!(
            matches!(error, Error::NotFromStart { begin: found, .. } if found == begin),
            "{error}"
        );
    }
}

#[test]
fn a_dump_that_does_not_begin_with_the_flash_wherever_its_table_is() {
    // The last shift leaves some of the partition's pages in its place, the second to last moves the table to 0x8000.
    let pages = nvs(0x2000, None)[..0x1000].repeat(4);
    for (table, begin, content) in [
        (0x10000, 0x1000, nvs(NVS.1, None)),
        (0x10000, 0x5000, nvs(NVS.1, None)),
        (0x9000, 0x1000, nvs(NVS.1, None)),
        (0x10000, 0x8000, nvs(NVS.1, None)),
        (0x10000, 0x2000, pages),
    ] {
        let mut whole = flash(&[table]);
        whole[NVS.0..][..NVS.1].copy_from_slice(&content);
        assert_eq!(locate(&whole, &Wanted::default()).unwrap().range.start, NVS.0);
        let dump = &whole[begin..];
        for table_offset in [None, Some(table - begin)] {
            let error = locate(dump, &wanted(None, table_offset)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "seems to be a dump that does not begin at the flash's start: its partition table at {:#x} has partition \"nvs\" \
                     at offset {:#x}, but NVS pages that are in no NVS partition of the table begin at {:#x}; read the flash from \
                     offset 0",
                    table - begin,
                    NVS.0,
                    NVS.0 - begin
                )
            );
        }
        let force = Wanted {
            force: true,
            ..Wanted::default()
        };
        assert_eq!(locate(dump, &force).unwrap().range.start, NVS.0);
    }
    // Something else where the partition should be.
    let mut whole = flash(&[0x10000]);
    whole[NVS.0 + 0x4000..][..0x3000].fill(0);
    let error = locate(&whole[0x4000..], &Wanted::default()).unwrap_err();
    assert!(matches!(error, Error::Shifted { nvs: 0x1_D000, .. }), "{error}");
    // Pages that an older table had behind the partition, which is in use.
    let mut older = flash(&[0x10000]);
    older[0x2_9000..][..0x3000].copy_from_slice(&nvs(0x3000, None));
    assert_eq!(locate(&older, &Wanted::default()).unwrap().range.start, NVS.0);
}

#[test]
fn the_application_tells_of_a_dump_that_does_not_begin_with_the_flash_too() {
    // Nothing is stored yet.
    let mut whole = flash(&[0x10000]);
    whole[NVS.0..][..NVS.1].fill(0xFF);
    assert!(locate(&whole, &Wanted::default()).is_ok());
    for begin in [0x1000, 0x7000, 0x8000] {
        let error = locate(&whole[begin..], &Wanted::default()).unwrap_err();
        assert!(
            matches!(error, Error::NotFromStart { begin: found, .. } if found == begin),
            "{error}"
        );
    }
    // No application was flashed.
    whole[0x3_0000..].fill(0xFF);
    assert!(locate(&whole, &Wanted::default()).is_ok());
}

#[test]
fn a_partition_that_is_not_for_nvs_is_refused_by_name() {
    let flash = flash(&[0x8000]);
    for (name, said) in [
        (
            "factory",
            "partition \"factory\" is of type app, not NVS; the NVS partitions are nvs, hidden",
        ),
        (
            "nvs_keys",
            "partition \"nvs_keys\" is of type data, nvs_keys, not NVS; the NVS partitions are nvs, hidden",
        ),
        (
            "hidden",
            "partition \"hidden\" has the flag encrypted, which an NVS partition must not have",
        ),
        (
            "mvs",
            "the partition table has no partition \"mvs\"; it has nvs, nvs_keys, hidden, factory",
        ),
    ] {
        for force in [false, true] {
            let wanted = Wanted {
                force,
                ..wanted(Some(name), None)
            };
            let error = locate(&flash, &wanted).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}

#[test]
fn a_partition_of_the_right_type_that_holds_something_else() {
    let mut flash = flash(&[0x8000]);
    flash[NVS.0..][..NVS.1].fill(0);
    let error = locate(&flash, &Wanted::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "partition \"nvs\" at offset 0x21000 is not an NVS partition: none of its 4 pages has a valid header; it seems to be \
         zeros, which an erased flash does not hold: read the flash again"
    );
    let force = Wanted {
        force: true,
        ..Wanted::default()
    };
    assert_eq!(locate(&flash, &force).unwrap().range, NVS.0..NVS.0 + NVS.1);
    flash[NVS.0..][..NVS.1].fill(0xFF);
    assert!(locate(&flash, &Wanted::default()).is_ok());
}

/// Other content than NVS pages in a partition of a flash is reported with its offset in the flash, and not as if there
/// were no table.
#[test]
fn a_partition_of_the_right_type_that_holds_nvs_and_something_else() {
    let advice = "if the table is not the one that the firmware was built with, flash that one; if something was written \
                  to the wrong offset, erase the partition";
    let is = "seems to be an application image (project \"heater\", version \"1.2.3\")";
    let app = &application()[..0x1000];
    let pages = nvs(0x3000, None);
    let mut boot_loader = application();
    boot_loader[0x20] = 80;
    for (content, said) in [
        (
            [app, &pages].concat(),
            format!("is not NVS from its beginning: what begins at offset 0x21000 of the flash {is}, and NVS pages begin only at 0x22000: {advice}"),
        ),
        (
            [&pages, app].concat(),
            format!("is not NVS to its end: what begins at offset 0x24000 of the flash {is}: {advice}"),
        ),
        (
            [&[0xFF; 0x1000], boot_loader.as_slice()].concat(),
            "is not an NVS partition: none of its 4 pages has a valid header; it seems to be an application image or a boot \
             loader after 0x1000 blank bytes: "
                .to_string()
                + advice,
        ),
    ] {
        let mut flash = flash(&[0x8000]);
        flash[NVS.0..][..NVS.1].copy_from_slice(&content);
        for partition in [None, Some("nvs")] {
            let error = locate(&flash, &wanted(partition, None)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("partition \"nvs\" at offset 0x21000 {said}")
            );
        }
        // By itself, and where nobody looked for a table, nothing is said of one.
        assert!(!check_nvs(&content).unwrap_err().to_string().contains("table is needed"));
    }
}

/// A row of a partition table.
fn row(name: &str, kind: [u8; 2], offset: u32, size: u32) -> [u8; 32] {
    let mut row = [0; 32];
    row[..2].copy_from_slice(&[0xAA, 0x50]);
    row[2..4].copy_from_slice(&kind);
    row[4..8].copy_from_slice(&offset.to_le_bytes());
    row[8..12].copy_from_slice(&size.to_le_bytes());
    row[12..][..name.len()].copy_from_slice(name.as_bytes());
    row
}

/// A flash of 256 KiB with these rows at 0x8000, and a value in the partition at 0x9000.
fn flash_of(rows: &[[u8; 32]]) -> Vec<u8> {
    let mut flash = vec![0xFF; 0x4_0000];
    flash[0x8000..][..rows.len() * 32].copy_from_slice(&rows.concat());
    flash[0x9000..][..0x4000].copy_from_slice(&nvs(0x4000, None));
    flash
}

#[test]
fn a_partition_that_begins_within_a_sector_is_refused() {
    let mut flash = flash_of(&[row("nvs", [1, 2], 0x9000, 0x4000), row("other", [1, 2], 0xD800, 0x3000)]);
    flash[0xD800..][..0x3000].copy_from_slice(&nvs(0x3000, None));
    assert!(locate(&flash, &Wanted::default()).is_ok());
    let error = locate(&flash, &wanted(Some("other"), None)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "partition \"other\" begins at offset 0xd800, which is not a multiple of 0x1000, as ESP-IDF requires of every partition: \
         gen_esp32part.py refuses such a table; correct the table"
    );
    let force = Wanted {
        force: true,
        ..wanted(Some("other"), None)
    };
    assert_eq!(locate(&flash, &force).unwrap().range, 0xD800..0x1_0800);
}

#[test]
fn a_partition_without_a_name_can_be_chosen() {
    let rows = [row("", [1, 2], 0x9000, 0x4000), row("a b", [1, 2], 0xD000, 0x3000)];
    let flash = flash_of(&rows);
    let error = locate(&flash, &Wanted::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the partition table has several NVS partitions: choose one of \"\", \"a b\""
    );
    let error = locate(&flash, &wanted(Some("nvs"), None)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the partition table has no partition \"nvs\"; it has \"\", \"a b\""
    );
    assert_eq!(locate(&flash, &wanted(Some(""), None)).unwrap().range, 0x9000..0xD000);
}

/// A linear congruential generator's high bytes.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(|_| next()).collect()
}

#[test]
fn what_a_file_seems_to_be() {
    let keys = Keys::from_bytes(std::array::from_fn(|n| n as u8));
    let mut boot_loader = application();
    boot_loader[0x20] = 80;
    let mut behind_blank = vec![0xFF; 0x4000];
    behind_blank[0x1000..].copy_from_slice(&boot_loader);
    let mut ota_data = vec![0xFF; 0x2000];
    ota_data[..4].copy_from_slice(&1_u32.to_le_bytes());
    ota_data[28..32].copy_from_slice(&fleetmint_nvs::layout::crc32(&1_u32.to_le_bytes()).to_le_bytes());
    let mut damaged = nvs(0x3000, None);
    damaged[4] ^= 1;
    let padded = |bytes: &[u8]| {
        let mut file = vec![0xFF; 0x1000];
        file[..bytes.len()].copy_from_slice(bytes);
        file
    };
    for (file, is) in [
        (
            application(),
            Content::Application {
                project: "heater".into(),
                version: "1.2.3".into(),
            },
        ),
        (boot_loader, Content::EspImage { offset: 0 }),
        (behind_blank, Content::EspImage { offset: 0x1000 }),
        (padded(&table(0)), Content::PartitionTable),
        (keys.encode().to_vec(), Content::KeyPartition),
        (ota_data, Content::OtaData),
        (padded(b"PHYINIT\0\x80\0\0\0"), Content::PhyInit),
        (padded(b"\x7FELF\x01\x01"), Content::Elf),
        (padded(b"UF2\n\x57\x51\x5D\x9E"), Content::Uf2),
        (b"key,type,encoding,value\n".repeat(1024), Content::Text),
        (vec![0; 0x3000], Content::Zeros),
        (noise(0x6000), Content::Noise),
        (damaged, Content::DamagedPages),
        (padded(&[1; 700]), Content::Unknown),
    ] {
        let Err(NotNvs::NoPage { content, pages }) = check_nvs(&file) else {
            panic!("{is:?} is taken for NVS");
        };
        assert_eq!((&content, pages), (&is, file.len() / 0x1000));
        let error = locate(&file, &Wanted::default()).unwrap_err();
        assert!(matches!(error, Error::NotNvs { .. }), "{is:?}: {error}");
        let force = Wanted {
            force: true,
            ..Wanted::default()
        };
        if file.len().is_multiple_of(0x1000) {
            assert_eq!(locate(&file, &force).unwrap().range, 0..file.len(), "{is:?}");
        }
    }
    assert_eq!(check_nvs(&[0xFF; 0x3000]), Ok(()));
}

#[test]
fn a_dump_that_goes_on_behind_its_partition() {
    let keys = Keys::from_bytes(std::array::from_fn(|n| n as u8));
    let blank = vec![0xFF; 0x1000];
    for (behind, is_noise) in [
        (application(), false),
        (keys.encode().to_vec(), false),
        (b"\x7FELF\x01\x01".repeat(0x1000 / 2)[..0x1000].to_vec(), false),
        (b"UF2\n\x57\x51\x5D\x9E".repeat(0x1000 / 8), false),
        ([&blank[..], &application()].concat(), false),
        (noise(0x3000), true),
    ] {
        let file = [nvs(0x4000, None), behind.clone()].concat();
        let begin = 0x4000 + if behind.starts_with(&blank) { 0x1000 } else { 0 };
        match check_nvs(&file) {
            Err(NotNvs::Longer { offset, content }) => {
                assert_eq!((offset, content == Content::Noise), (begin, is_noise));
            }
            other => panic!("{other:?}"),
        }
    }
    // One page whose header was damaged is a matter of repair.
    let mut damaged = [nvs(0x4000, None), blank].concat();
    damaged[0x4000..].copy_from_slice(&noise(0x1000));
    assert_eq!(check_nvs(&damaged), Ok(()));
}

/// What lies behind NVS in a flash and has no header by which it is known.
fn neighbours() -> Vec<(&'static str, Vec<u8>)> {
    let sized = |head: &[u8], fill: u8| {
        let mut bytes = head.to_vec();
        bytes.resize(0x3000, fill);
        bytes
    };
    let fat = |fill: u8| {
        let mut fat = sized(b"\xEB\xFE\x90MSDOS5.0\0\x10\x01", fill);
        fat[510..512].copy_from_slice(&[0x55, 0xAA]);
        fat[0x1000..0x1004].copy_from_slice(&[0xF8, 0xFF, 0xFF, 0xF0]);
        // Files in the next sector.
        fat[0x2000..0x2020].copy_from_slice(b"CONFIG  TXT \0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\x20\0\0\0");
        fat
    };
    let mut littlefs = vec![0xFF; 0x3000];
    for (block, revision) in [(0, 1), (0x1000, 2)] {
        littlefs[block..block + 8].copy_from_slice(&[revision, 0, 0, 0, 0xF0, 0x0F, 0xFF, 0xF7]);
        littlefs[block + 8..block + 16].copy_from_slice(b"littlefs");
        let superblock = [
            0x2F, 0xE0, 0, 0x10, 0, 0, 2, 0, 0, 0x10, 0, 0, 3, 0, 0, 0, 0xFF, 0, 0, 0,
        ];
        littlefs[block + 16..][..superblock.len()].copy_from_slice(&superblock);
    }
    let mut beyond_blank = vec![0xFF; 0x1000];
    beyond_blank.extend(fat(0));
    beyond_blank.extend([0xFF; 0x2000]);
    // Its second sector begins with the bytes of an erased one.
    let mut program = application()[0x20..].to_vec();
    program.resize(0x3000, 0);
    program[0x1000..0x1020].fill(0xFF);
    let boot_of_elf = sized(b"\x7FELF\x01\x01\x01", 0x11);
    vec![
        ("FAT", fat(0)),
        ("FAT in erased sectors", fat(0xFF)),
        ("FAT between erased sectors", beyond_blank),
        ("LittleFS", littlefs),
        ("ELF", boot_of_elf),
        ("text", b"key,type,encoding,value\n".repeat(512)),
        ("zeros", vec![0; 0x3000]),
        ("one byte", vec![0xF7; 0x3000]),
        ("the middle of a program", program),
    ]
}

#[test]
fn what_lies_behind_a_partition_is_not_a_part_of_it_whatever_it_is() {
    let keys = Keys::from_bytes(std::array::from_fn(|n| n as u8));
    for (name, behind) in neighbours() {
        let is_blank = |sector: &&[u8]| sector.iter().all(|byte| *byte == 0xFF);
        let begin = behind.chunks(0x1000).take_while(is_blank).count() * 0x1000;
        for image in [nvs(0x3000, None), nvs(0x3000, Some(&keys))] {
            let after = check_nvs(&[&image[..], &behind[..]].concat());
            assert!(
                matches!(after, Err(NotNvs::Longer { offset, .. }) if offset == 0x3000 + begin),
                "{name}: {after:?}"
            );
            // The same in front of the pages.
            let before = check_nvs(&[&behind[..], &image[..]].concat());
            assert!(
                matches!(before, Err(NotNvs::Before { offset, nvs, .. }) if offset == begin && nvs == behind.len()),
                "{name}: {before:?}"
            );
        }
    }
}

#[test]
fn pages_of_nvs_stay_pages_of_nvs_however_they_are_damaged() {
    let keys = Keys::from_bytes(std::array::from_fn(|n| n as u8));
    for keys in [None, Some(&keys)] {
        for header in [[0; 32], [0xFF; 32], [0x5A; 32]] {
            // Four pages with a value, of which three have lost their headers.
            let mut image = nvs(0x1000 * 2, keys)[..0x1000].repeat(4);
            for page in image.chunks_mut(0x1000).skip(1) {
                page[..32].copy_from_slice(&header);
            }
            assert_eq!(check_nvs(&image), Ok(()), "{header:?}");
        }
    }
    // Erased pages that are old.
    let mut image = nvs(0x4000, None);
    for (n, page) in image.chunks_mut(0x1000).enumerate().skip(1) {
        page[n] = 0xFE;
        page[100 * n] = 0x7B;
    }
    assert_eq!(check_nvs(&image), Ok(()));
}

#[test]
fn the_keys_of_the_same_flash() {
    let keys = Keys::from_bytes(std::array::from_fn(|n| n as u8));
    let others = Keys::from_bytes([7; 64]);
    let with = |image: &[u8], key_partition: &[u8]| {
        let mut flash = flash(&[0x8000]);
        flash[NVS.0..][..NVS.1].copy_from_slice(image);
        flash[KEYS..][..0x1000].copy_from_slice(key_partition);
        let located = locate(&flash, &Wanted::default()).unwrap();
        find_keys(&flash, &located.flash.unwrap().table, &flash[located.range])
    };
    let (plain, encrypted) = (nvs(NVS.1, None), nvs(NVS.1, Some(&keys)));
    let erased = vec![0xFF; 0x1000];
    assert!(matches!(
        with(&encrypted, keys.encode().as_slice()),
        FlashKeys::Fit { partition, keys: found } if partition == "nvs_keys" && found.encode() == keys.encode()
    ));
    // Nothing is stored yet: what the firmware writes will be encrypted.
    assert!(matches!(
        with(&vec![0xFF; NVS.1], keys.encode().as_slice()),
        FlashKeys::Fit { .. }
    ));
    assert!(matches!(with(&plain, keys.encode().as_slice()), FlashKeys::None));
    assert!(matches!(with(&encrypted, &erased), FlashKeys::None));
    assert!(matches!(
        with(&encrypted, others.encode().as_slice()),
        FlashKeys::DoNotFit { .. }
    ));
    assert!(matches!(with(&encrypted, &noise(0x1000)), FlashKeys::Unreadable { .. }));
    assert!(matches!(with(&plain, &noise(0x1000)), FlashKeys::None));
}
