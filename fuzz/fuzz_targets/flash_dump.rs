//! Any flash dump: a partition that is found is inside the dump, is for NVS according to the table, and contains NVS.
//! The first three bytes of the input are the caller's options, the rest is the dump: unchanged, or built from records
//! (`flash`).
#![no_main]

use fleetmint_board::flash_dump::{self, FlashKeys, SEARCHED, SECTOR, Wanted, check_nvs, find_keys};
use fleetmint_board::partition_table::{self, PartitionTable};
use fleetmint_fuzz::flash;
use fleetmint_nvs::storage::check_key;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [flags, offset, letter, data @ ..] = data else {
        return;
    };
    let dump = if flags & 1 == 0 { flash::of(data) } else { data.to_vec() };
    let name = char::from(*letter).to_string();
    let wanted = Wanted {
        partition: (flags & 2 != 0).then_some(name.as_str()),
        table_offset: (flags & 4 != 0).then_some(usize::from(*offset) * 0x400),
        force: flags & 8 != 0,
    };
    let _ = PartitionTable::in_flash(&dump, usize::from(*offset));
    let located = match flash_dump::locate(&dump, &wanted) {
        Ok(located) => located,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let bytes = dump
        .get(located.range.clone())
        .expect("the partition is within the dump");
    assert!(!bytes.is_empty() && bytes.len().is_multiple_of(SECTOR));
    if !wanted.force {
        assert_eq!(check_nvs(bytes), Ok(()));
    }
    let Some(flash) = located.flash else {
        assert!(wanted.table_offset.is_none() && wanted.partition.is_none());
        assert_eq!(located.range, 0..dump.len());
        return;
    };
    let (partition, at) = (&flash.partition, flash.table_offset);
    assert!(partition.is_nvs() && !partition.encrypted);
    assert_eq!(located.range, partition.offset..partition.offset + partition.size);
    assert!(wanted.partition.is_none_or(|name| partition.name == name));
    match wanted.table_offset {
        Some(offset) => assert_eq!(at, offset),
        None => assert!(
            at == partition_table::OFFSET || at.is_multiple_of(SECTOR) && at < SEARCHED && flash.table.has_md5()
        ),
    }
    if let FlashKeys::Fit { keys, .. } = find_keys(&dump, &flash.table, bytes) {
        assert_eq!(check_key(bytes, Some(&keys.xts())), Ok(()));
    }
});
