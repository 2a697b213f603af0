//! What `flash` refuses because of what the chip holds, or of how it is connected: a sentence, the exit code, nothing written.

use fleetmint_nvs::entry::{Entry, entry_crc};
use fleetmint_nvs::layout::{PAGE_SIZE, Version, entry_offset};
use fleetmint_nvs::page::{PageHeader, PageState};

use super::{SECTOR, folder, journals, run};
use crate::bench::{Bench, CHIPS, flash, nvs, partition_table};
use crate::folder::Folder;

const IMAGE: &[&str] = &["--image", "device.bin", "--yes"];

/// The call is refused, and the board and the folder of the journals stay as they are.
#[track_caller]
fn refused(folder: &Folder, bench: &mut Bench, arguments: &[&str], exit: i32, said: &str) {
    let before = bench.flash();
    let run = run(folder, bench, arguments);
    assert_eq!(
        (run.exit, run.stdout.as_str()),
        (exit, ""),
        "{arguments:?}: {}",
        run.stderr
    );
    assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    assert!(!run.stderr.contains("SECRET"), "{}", run.stderr);
    let report = bench.report();
    assert_eq!((report.erased.len(), report.written), (0, 0));
    assert!(bench.flash() == before && journals(folder).is_empty());
}

/// A partition whose pages are all in use: the firmware finds none free, and stock start-up code erases the partition.
fn without_a_free_page() -> Vec<u8> {
    let mut full = nvs();
    let first = full[..PAGE_SIZE].to_vec();
    for (number, page) in full.chunks_exact_mut(PAGE_SIZE).enumerate() {
        page.copy_from_slice(&first);
        let state = if number == 5 {
            PageState::Active
        } else {
            PageState::Full
        };
        page[..32].copy_from_slice(&PageHeader::encode(state, number as u32, Version::V2));
    }
    full
}

/// A partition in which the number `boots` of the application has a type that no version knows.
fn with_an_unknown_type() -> Vec<u8> {
    let mut nvs = nvs();
    let (place, mut entry) = (0..126)
        .map(|index| entry_offset(0, index))
        .map(|at| (at, <[u8; 32]>::try_from(&nvs[at..at + 32]).unwrap()))
        .find(|(_, entry)| Entry::from_bytes(entry).name().as_bytes() == b"boots")
        .unwrap();
    entry[1] = 0x77;
    let crc = entry_crc(&entry).to_le_bytes();
    entry[4..8].copy_from_slice(&crc);
    nvs[place..place + 32].copy_from_slice(&entry);
    nvs
}

#[test]
fn what_the_partition_holds() {
    let folder = folder();
    let large: String = (0..5)
        .map(|number| format!("large{number},data,string,{}\n", "x".repeat(3900)))
        .collect();
    folder.write(
        "large.csv",
        format!("key,type,encoding,value\napp,namespace,,\n{large}"),
    );
    let mut one_page = flash(&[0xFF; SECTOR]);
    one_page[0x8000..0x8C00].fill(0xFF);
    let table = partition_table("nvs,data,nvs,0x9000,0x1000\nfactory,app,factory,0x10000,1M\n");
    one_page[0x8000..][..table.len()].copy_from_slice(&table);
    let cases: &[(Vec<u8>, &[&str], i32, &str)] = &[
        (
            flash(&nvs()),
            &["--changes", "large.csv", "--yes"],
            1,
            "the partition has no room: ",
        ),
        (one_page, IMAGE, 1, "enlarge the partition in the partition table"),
        (
            flash(&with_an_unknown_type()),
            &["--image", "device.bin", "--yes", "--overwrite"],
            1,
            "the partition has 1 item of a type that this version does not know, first key \"boots\"",
        ),
        (
            flash(&without_a_free_page()),
            IMAGE,
            1,
            "the firmware would erase the partition at its next start: none of the 6 pages is free",
        ),
    ];
    for (content, arguments, exit, said) in cases {
        let Some(mut bench) = Bench::new("esp32c3", content) else {
            return;
        };
        refused(&folder, &mut bench, arguments, *exit, said);
    }

    let Some(mut bench) = Bench::new("esp32s3", &flash(&without_a_free_page())) else {
        return;
    };
    let planned = run(&folder, &bench, &["--image", "device.bin", "--dry-run", "--overwrite"]).done();
    let lost =
        "the partition is replaced by a fresh one, and 6 keys in 4 namespaces are lost: the firmware would erase";
    assert!(planned.stderr.contains(lost), "{}", planned.stderr);
    assert_eq!(bench.report().written, 0);
}

/// A chip with a partition of type `nvs_keys` that holds these bytes.
#[test]
fn keys_on_the_chip_that_are_not_the_partitions() {
    let folder = folder();
    folder
        .line("fleetmint nvs encrypt device.csv encrypted.bin 0x6000 --keygen --keyfile keys.bin")
        .done();
    folder.line("fleetmint nvs generate-key --keyfile other.bin").done();
    let table = partition_table(
        "nvs,data,nvs,0x9000,0x6000\nnvs_keys,data,nvs_keys,0xf000,0x1000\nfactory,app,factory,0x10000,1M\n",
    );
    let noise = (0..SECTOR as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8);
    for (keys, said) in [
        (
            folder.read("keys/other.bin"),
            "the keys in partition nvs_keys of the chip are not its keys",
        ),
        (
            noise.collect(),
            "the keys in partition nvs_keys of the chip cannot be read, because flash encryption covers them",
        ),
    ] {
        let mut content = flash(&folder.read("encrypted.bin"));
        content[0x8000..0x8C00].fill(0xFF);
        content[0x8000..][..table.len()].copy_from_slice(&table);
        content[0xF000..][..keys.len()].copy_from_slice(&keys);
        let Some(mut bench) = Bench::new("esp32c6", &content) else {
            return;
        };
        refused(&folder, &mut bench, IMAGE, 1, said);
        // The right keys as a file.
        let planned = run(
            &folder,
            &bench,
            &["--image", "device.bin", "--dry-run", "--nvs-keys", "keys/keys.bin"],
        )
        .done();
        assert!(planned.stdout.contains("0x9000, encrypted\n"), "{}", planned.stdout);
    }
}

#[test]
fn how_the_board_is_connected() {
    let (folder, content) = (folder(), flash(&nvs()));
    for chip in CHIPS {
        let Some(mut bench) = Bench::with(chip, &content, &["--secure-download"]) else {
            return;
        };
        refused(
            &folder,
            &mut bench,
            IMAGE,
            1,
            "is in secure download mode: its flash cannot be read",
        );
    }
    for (mode, said) in [
        ("application", "the board is not in download mode: its application runs"),
        ("silent", "no answer from a chip in download mode"),
    ] {
        let mut bench = Bench::with("esp32c3", &content, &["--mode", mode]).unwrap();
        refused(&folder, &mut bench, IMAGE, 2, said);
    }
    let mut bench = Bench::new("esp32c3", &content).unwrap();
    let monitor = bench.occupy();
    refused(&folder, &mut bench, IMAGE, 2, "another program has this port: close it");
    drop(monitor);

    // Unplugged at any command before the first write.
    run(&folder, &bench, &["--image", "device.bin", "--dry-run"]).done();
    bench.tell("clear");
    let planned = run(&folder, &bench, &["--image", "device.bin", "--dry-run"]).done();
    assert!(
        planned.stdout.ends_with("1 of 6 sectors to write\n"),
        "{}",
        planned.stdout
    );
    let commands = bench.report().names.len();
    for number in [2, commands / 2, commands - 1, commands] {
        bench.tell(&format!("cut-at-command {number}"));
        refused(&folder, &mut bench, IMAGE, 1, "the connection to the board is gone");
        bench.tell("replug");
    }
    run(&folder, &bench, IMAGE).done();
}
