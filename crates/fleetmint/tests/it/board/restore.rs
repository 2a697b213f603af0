//! `fleetmint board restore`.

use serde_json::{Value as Json, json};

use crate::bench::{Bench, CHIPS, NVS, flash, nvs};
use crate::folder::{Folder, Run};

const SECTOR: usize = 4096;

fn restore(folder: &Folder, bench: &Bench, more: &[&str]) -> Run {
    let arguments = ["board", "restore", "nvs.bin", "--yes", "--port", bench.port()];
    folder.run(arguments.iter().chain(more))
}

/// An image that differs from [`nvs`] in the sectors 0, 3 and 4.
fn other() -> Vec<u8> {
    let folder = Folder::new();
    folder.write("nvs.bin", nvs());
    let mut rows = String::from("key,type,encoding,value\nprov,namespace,,\nclient_secret,data,string,SECRET-other\n");
    rows.push_str("app,namespace,,\n");
    folder.write("changes.csv", rows);
    folder.line("fleetmint nvs patch nvs.bin changes.csv other.bin").done();
    let mut other = folder.read("other.bin");
    // An erased page with a few bits that age has flipped.
    other[3 * SECTOR + 99] = 0xFE;
    other[4 * SECTOR + 1] = 0x7F;
    other
}

#[test]
fn only_the_sectors_that_differ_on_each_chip() {
    for chip in CHIPS {
        let Some(mut bench) = Bench::new(chip, &flash(&nvs())) else {
            return;
        };
        let before = bench.flash();
        let folder = Folder::new();
        folder.write("nvs.bin", other());
        let dry = restore(&folder, &bench, &["--dry-run"]).done();
        assert!(dry.stderr.ends_with("3 of 6 sectors differ\n"), "{}", dry.stderr);
        assert_eq!(bench.report().written, 0);

        let run = restore(&folder, &bench, &[]).done();
        let said = format!(
            "partition nvs of {chip} {}: 3 of 6 sectors written and verified\n",
            bench.mac()
        );
        assert!(run.stderr.ends_with(&said), "{}", run.stderr);
        let report = bench.report();
        assert_eq!(report.erased, [9, 12, 13]);
        assert_eq!((report.written, report.violations), (3 * SECTOR, 0));
        assert_eq!(bench.read_by_esptool(NVS), other());
        let mut expected = before;
        expected[NVS].copy_from_slice(&other());
        assert_eq!(bench.flash(), expected);

        bench.tell("clear");
        let again = restore(&folder, &bench, &["--format", "json"]).done();
        let answer: Json = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!(
            (&answer["changed_sectors"], &answer["written"]),
            (&json!([]), &json!(false))
        );
        assert_eq!(bench.report().erased, [0; 0]);
    }
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let Some(mut bench) = Bench::new("esp32c3", &flash(&nvs())) else {
        return;
    };
    let folder = Folder::new();
    folder.write("nvs.bin", other());
    let run = folder.run(["board", "restore", "nvs.bin", "--port", bench.port()]);
    assert_eq!(run.exit, 2, "{}", run.stderr);
    assert!(run.stderr.contains("give --yes, or --dry-run"), "{}", run.stderr);
    let report = bench.report();
    assert_eq!((report.names.len(), report.written), (0, 0), "the board is not touched");
}

#[test]
fn cut_at_every_command_and_run_again() {
    let content = flash(&nvs());
    let folder = Folder::new();
    folder.write("nvs.bin", other());
    let Some(mut bench) = Bench::new("esp32c3", &content) else {
        return;
    };
    restore(&folder, &bench, &[]).done();
    let names = bench.report().names;
    let begin = names.iter().position(|name| name == "SPI_FLASH_MD5").unwrap() + 1;
    assert!(names.len() > begin + 10, "{names:?}");
    for kind in ["command", "answer"] {
        for number in begin..=names.len() {
            bench.set_flash(&content);
            bench.tell(&format!("cut-at-{kind} {number}"));
            let run = restore(&folder, &bench, &[]);
            assert_eq!(run.exit, 1, "{kind} {number}: {}", run.stderr);
            assert!(
                run.stderr
                    .contains("the connection to the board is gone: it was unplugged, or lost its power"),
                "{}",
                run.stderr
            );
            bench.tell("replug");
            restore(&folder, &bench, &[]).done();
            let report = bench.report();
            assert_eq!(report.violations, 0);
            let mut expected = content.clone();
            expected[NVS].copy_from_slice(&other());
            assert!(bench.flash().starts_with(&expected), "{kind} {number}");
        }
    }
}

#[test]
fn cut_in_the_middle_of_a_sector() {
    let content = flash(&nvs());
    let folder = Folder::new();
    folder.write("nvs.bin", other());
    let Some(mut bench) = Bench::new("esp32s3", &content) else {
        return;
    };
    for written in [0, 1, 100, 4095, 4096, 5000, 12287] {
        bench.set_flash(&content);
        bench.tell(&format!("cut-after-written {written}"));
        let run = restore(&folder, &bench, &[]);
        assert_eq!(run.exit, 1, "{written}: {}", run.stderr);
        assert!(bench.report().cut);
        bench.tell("replug");
        restore(&folder, &bench, &[]).done();
        assert_eq!(bench.read_by_esptool(NVS), other());
        assert_eq!(bench.report().violations, 0);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let Some(mut bench) = Bench::new("esp32", &flash(&nvs())) else {
        return;
    };
    let before = bench.flash();
    for (content, options, exit, said) in [
        (
            vec![0xFF; 0x5000],
            &[][..],
            2,
            "fleetmint: nvs.bin: it has 0x5000 bytes, and partition nvs has 0x6000\n",
        ),
        (
            vec![0xFF; 0x400000],
            &[],
            2,
            "fleetmint: nvs.bin: it has 0x400000 bytes, as the whole flash has (--all), and partition nvs has 0x6000\n",
        ),
        (vec![0; 0x6000], &[], 2, "--force writes it into partition nvs anyway\n"),
        (
            vec![0; 0x6000],
            &["--all"],
            2,
            "fleetmint: nvs.bin: it has 0x6000 bytes, and the whole flash has 0x400000\n",
        ),
        (
            other(),
            &["--no-stub"],
            1,
            "fleetmint: the ROM loader cannot write single sectors: it erases more than it is asked to. Leave out --no-stub\n",
        ),
    ] {
        let folder = Folder::new();
        folder.write("nvs.bin", content);
        let run = restore(&folder, &bench, options);
        assert_eq!(run.exit, exit, "{}", run.stderr);
        assert!(run.stderr.ends_with(said), "{}", run.stderr);
    }
    assert_eq!(bench.report().erased, [0; 0]);
    assert_eq!(bench.flash(), before);
}
