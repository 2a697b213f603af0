//! `fleetmint flash`, cut off: the next call completes the write, and `fleetmint board restore` undoes it.

use super::{SECTOR, folder, journals, json, patched, run, worn};
use crate::bench::{Bench, NVS, flash, nvs};
use crate::folder::{Folder, Run};

/// The cable is cut at every command of a write in turn. The next call completes the write.
#[test]
fn a_write_that_is_cut_off_is_completed() {
    let before = worn();
    let content = flash(&before);
    let folder = folder();
    let expected = patched(&folder, &before);
    let Some(mut bench) = Bench::new("esp32c3", &content) else {
        return;
    };
    let call = ["--image", "device.bin", "--yes", "--format", "json"];
    run(&folder, &bench, &call).done();
    let names = bench.report().names;
    let first = names.iter().position(|name| name == "FLASH_DEFL_BEGIN").unwrap() + 1;
    let mut completed = 0;
    for kind in ["command", "answer"] {
        for number in first - 1..=names.len() {
            let mut bench = Bench::new("esp32c3", &content).unwrap();
            bench.tell(&format!("cut-at-{kind} {number}"));
            let cut = run(&folder, &bench, &call);
            assert_eq!(
                (cut.exit, cut.stdout.as_str()),
                (1, ""),
                "{kind} {number}: {}",
                cut.stderr
            );
            let left = journals(&folder);
            if number >= first {
                assert_eq!(left.len(), 1, "{kind} {number}");
                let advice = "run the same command again to complete it, or `fleetmint board restore` to undo it";
                assert!(cut.stderr.contains(advice), "{}", cut.stderr);
                assert!(!cut.stderr.contains("SECRET"));
            }
            bench.tell("replug");
            let report = json(run(&folder, &bench, &call));
            if !left.is_empty() {
                assert_eq!(report["interrupted"]["what"], "device.bin");
                completed += usize::from(report["outcome"] == "written");
            }
            assert!(bench.flash()[NVS] == expected, "{kind} {number}");
            assert!(bench.flash().starts_with(&content[..NVS.start]));
            assert_eq!(bench.report().violations, 0);
            assert!(journals(&folder).is_empty(), "{kind} {number}");
        }
    }
    assert!(completed >= 10, "{completed}");
}

/// The same with the cable cut in the middle of a sector, and after firmware has started on what is left.
#[test]
fn a_write_that_is_cut_off_is_completed_after_the_firmware_has_started() {
    let before = worn();
    let folder = folder();
    let expected = patched(&folder, &before);
    let call = ["--image", "device.bin", "--yes", "--format", "json"];
    for written in [0, 1, 64, 2000, 4095, 4096, 5000] {
        for starts in [false, true] {
            let Some(mut bench) = Bench::new("esp32", &flash(&before)) else {
                return;
            };
            bench.tell(&format!("cut-after-written {written}"));
            let cut = run(&folder, &bench, &call);
            assert_eq!(cut.exit, 1, "{}", cut.stderr);
            let mode = {
                use std::os::unix::fs::PermissionsExt as _;
                let left = journals(&folder);
                std::fs::metadata(&left[0]).unwrap().permissions().mode() & 0o777
            };
            assert_eq!(mode & 0o077, 0);
            if starts {
                let mut torn = bench.flash();
                folder.write("torn.bin", &torn[NVS]);
                folder.write(
                    "boot.csv",
                    "key,type,encoding,value\nphy,namespace,,\ncal_version,data,u32,8\ncal_data,data,hex2bin,0102\n",
                );
                folder
                    .line("fleetmint nvs patch torn.bin boot.csv started.bin --force")
                    .done();
                torn[NVS].copy_from_slice(&folder.read("started.bin"));
                // It also uses a page that the write does not.
                torn[NVS.end - SECTOR] = 0;
                bench.set_flash(&torn);
            }
            bench.tell("replug");
            let report = json(run(&folder, &bench, &call));
            assert_eq!(report["outcome"], "written");
            assert_eq!(
                report["interrupted"]["changed_since"].as_u64() > Some(0),
                starts,
                "{report}"
            );
            assert!(bench.flash()[NVS] == expected, "{written} {starts}");
            assert!(journals(&folder).is_empty());
        }
    }
}

fn restore(folder: &Folder, bench: &Bench, more: &[&str]) -> Run {
    let state = folder.file("state");
    let arguments = ["board", "restore", "--yes", "--port", bench.port()];
    folder.run_with(
        arguments.iter().chain(more),
        &[("XDG_STATE_HOME", state.to_str().unwrap())],
    )
}

/// `board restore` without a file.
#[test]
fn a_write_that_is_cut_off_is_undone() {
    let before = worn();
    let content = flash(&before);
    let folder = folder();
    for written in [0, 100, 4096, 6000] {
        let Some(mut bench) = Bench::new("esp32s3", &content) else {
            return;
        };
        let nothing = restore(&folder, &bench, &[]);
        assert_eq!(nothing.exit, 2);
        assert!(
            nothing.stderr.contains("no write to this board was cut off"),
            "{}",
            nothing.stderr
        );

        bench.tell(&format!("cut-after-written {written}"));
        assert_eq!(run(&folder, &bench, &["--image", "device.bin", "--yes"]).exit, 1);
        bench.tell("replug");
        let dry = restore(&folder, &bench, &["--dry-run"]).done();
        assert!(
            dry.stderr.contains("partition nvs: undoing the write of device.bin"),
            "{}",
            dry.stderr
        );
        assert_eq!(journals(&folder).len(), 1);
        let stays = "the board was not reset, because a write to it was cut off";
        assert!(dry.stderr.contains(stays), "{}", dry.stderr);
        restore(&folder, &bench, &[]).done();
        assert!(bench.flash()[NVS] == before, "{written}");
        assert!(bench.flash().starts_with(&content));
        assert!(journals(&folder).is_empty());

        // A whole partition from a file replaces what the write has left, too.
        bench.tell("cut-after-written 100");
        assert_eq!(run(&folder, &bench, &["--image", "device.bin", "--yes"]).exit, 1);
        bench.tell("replug");
        folder.write("nvs.bin", nvs());
        restore(&folder, &bench, &["nvs.bin"]).done();
        assert!(bench.flash()[NVS] == nvs());
        assert!(journals(&folder).is_empty());
    }
}

/// Another write than the one that was cut off: both are done.
#[test]
fn another_write_completes_the_one_that_was_cut_off() {
    let before = worn();
    let folder = folder();
    let first = patched(&folder, &before);
    folder.write(
        "changes.csv",
        "key,type,encoding,value\napp,namespace,,\nboots,data,u16,514\nprov,namespace,,\nwifi_ssid,delete,,\n",
    );
    let expected = patched(&folder, &first);
    let Some(mut bench) = Bench::new("esp32c3", &flash(&before)) else {
        return;
    };
    bench.tell("cut-after-written 100");
    assert_eq!(run(&folder, &bench, &["--image", "device.bin", "--yes"]).exit, 1);
    bench.tell("replug");
    // It is cut off as well.
    bench.tell("cut-after-written 5000");
    let second = run(&folder, &bench, &["--changes", "changes.csv", "--yes"]);
    assert_eq!(second.exit, 1, "{}", second.stderr);
    bench.tell("replug");
    let refused = run(&folder, &bench, &["--image", "before.bin", "--yes"]);
    assert_eq!((refused.exit, journals(&folder).len()), (2, 1), "{}", refused.stderr);
    let report = json(run(
        &folder,
        &bench,
        &["--changes", "changes.csv", "--yes", "--format", "json"],
    ));
    assert_eq!(report["interrupted"]["what"], "changes.csv");
    assert!(bench.read_by_esptool(NVS) == expected);
    assert!(journals(&folder).is_empty());

    // What the board held before both is what is restored.
    bench.set_flash(&flash(&before));
    for (written, call) in [
        (100, ["--image", "device.bin", "--yes"]),
        (5000, ["--changes", "changes.csv", "--yes"]),
    ] {
        bench.tell(&format!("cut-after-written {written}"));
        assert_eq!(run(&folder, &bench, &call).exit, 1);
        bench.tell("replug");
    }
    restore(&folder, &bench, &[]).done();
    assert!(bench.read_by_esptool(NVS) == before);
}

#[test]
fn what_was_erased_since_is_not_written_again_by_itself() {
    let before = worn();
    let folder = folder();
    let Some(mut bench) = Bench::new("esp32", &flash(&before)) else {
        return;
    };
    bench.tell("cut-after-written 100");
    assert_eq!(run(&folder, &bench, &["--image", "device.bin", "--yes"]).exit, 1);
    bench.set_flash(&flash(&[0xFF; 0x6000]));
    bench.tell("replug");
    bench.tell("clear");
    let refused = run(&folder, &bench, &["--image", "device.bin", "--yes"]);
    assert_eq!(refused.exit, 1);
    let advice = "`fleetmint board restore` writes back what it held";
    assert!(refused.stderr.contains(advice), "{}", refused.stderr);
    assert_eq!(bench.report().erased, [0; 0]);
    restore(&folder, &bench, &[]).done();
    assert!(bench.read_by_esptool(NVS) == before);
}

#[test]
fn without_a_journal_nothing_is_written() {
    let Some(mut bench) = Bench::new("esp32s3", &flash(&nvs())) else {
        return;
    };
    let folder = folder();
    folder.write("state", "a file");
    let refused = run(&folder, &bench, &["--image", "device.bin", "--yes"]);
    assert_eq!(refused.exit, 2, "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("so nothing is written to the board: not a directory"),
        "{}",
        refused.stderr
    );
    let report = bench.report();
    assert_eq!((report.erased.len(), report.written), (0, 0));
}
