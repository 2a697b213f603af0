//! What happens to a board between a write that was cut off and the one that completes it.

use super::{folder, journals, json, run, worn};
use crate::bench::{Bench, NVS, flash, nvs};
use crate::folder::{Folder, Run};

const STAYS: &str = "the board was not reset, because a write to it was cut off";

/// A board to which a write was cut off after so many bytes.
fn cut_off(folder: &Folder, nvs: &[u8], written: usize) -> Option<Bench> {
    let mut bench = Bench::new("esp32c3", &flash(nvs))?;
    bench.tell(&format!("cut-after-written {written}"));
    let cut = run(folder, &bench, &["--image", "device.bin", "--yes"]);
    assert_eq!(cut.exit, 1, "{}", cut.stderr);
    assert_eq!(journals(folder).len(), 1);
    bench.tell("replug");
    Some(bench)
}

fn board(folder: &Folder, bench: &Bench, command: &str, more: &[&str]) -> Run {
    let arguments = ["board", command, "--port", bench.port()];
    let state = folder.file("state");
    folder.run_with(
        arguments.iter().chain(more),
        &[("XDG_STATE_HOME", state.to_str().unwrap())],
    )
}

/// Firmware that finds half of a partition may erase it, so nothing starts it: no look at the board, no slip in a call.
#[test]
fn no_command_starts_the_firmware_on_half_of_a_partition() {
    let folder = folder();
    folder.write("half.bin", [0xFF; 0x1000]);
    let Some(bench) = cut_off(&folder, &nvs(), 100) else {
        return;
    };
    let runs = [
        (0, board(&folder, &bench, "info", &[])),
        (
            0,
            board(&folder, &bench, "backup", &["phy.bin", "--partition", "phy_init"]),
        ),
        (
            2,
            board(&folder, &bench, "restore", &["--partition", "settings", "--yes"]),
        ),
        (0, board(&folder, &bench, "restore", &["--dry-run"])),
        (2, board(&folder, &bench, "restore", &["half.bin", "--yes"])),
        (0, run(&folder, &bench, &["--image", "device.bin", "--dry-run"])),
        (
            2,
            run(
                &folder,
                &bench,
                &["--image", "device.bin", "--yes", "--partition", "nsv"],
            ),
        ),
        (
            0,
            run(
                &folder,
                &bench,
                &["--image", "device.bin", "--yes", "--partition", "settings"],
            ),
        ),
    ];
    for (exit, run) in runs {
        assert_eq!(run.exit, exit, "{}", run.stderr);
        assert!(run.stderr.contains(STAYS), "{}", run.stderr);
        assert!(!run.stderr.contains("press RESET"), "{}", run.stderr);
    }
    // Also if the journal cannot be used.
    let journal = &journals(&folder)[0];
    let whole = std::fs::read(journal).unwrap();
    std::fs::write(journal, &whole[..100]).unwrap();
    let damaged = run(&folder, &bench, &["--image", "device.bin", "--yes"]);
    assert!(
        damaged.stderr.contains(STAYS) && damaged.stderr.contains("not a journal of this version, or damaged"),
        "{}",
        damaged.stderr
    );
    std::fs::write(journal, whole).unwrap();
    let done = run(&folder, &bench, &["--image", "device.bin", "--yes"]).done();
    assert!(!done.stderr.contains(STAYS), "{}", done.stderr);
}

/// Firmware that has found everything, and then wrote for weeks, keeps what it wrote: the journal is older.
#[test]
fn what_the_firmware_wrote_since_stays_if_nothing_was_lost() {
    let folder = folder();
    folder.write(
        "weeks.csv",
        "key,type,encoding,value\nnvs.net80211,namespace,,\nsta.apsw,data,string,SECRET-of-a-new-wifi\n\
         app,namespace,,\nboots,data,u16,777\nfabric,data,hex2bin,0102030405\n",
    );
    let before = worn();
    let whole = {
        folder.write("before.bin", &before);
        folder
            .line("fleetmint nvs patch before.bin changes.csv whole.bin")
            .done();
        folder.read("whole.bin")
    };
    // Before anything was erased, and after everything was written.
    for (found, outcome) in [(&before, "written"), (&whole, "unchanged")] {
        let Some(mut bench) = cut_off(&folder, &before, 0) else {
            return;
        };
        folder.write("found.bin", found);
        folder.line("fleetmint nvs patch found.bin weeks.csv used.bin").done();
        let used = folder.read("used.bin");
        let mut content = flash(&before);
        content[NVS].copy_from_slice(&used);
        bench.set_flash(&content);

        bench.tell("clear");
        let report = json(run(
            &folder,
            &bench,
            &["--image", "device.bin", "--yes", "--format", "json"],
        ));
        assert_eq!(report["outcome"], outcome, "{report}");
        assert_eq!(report["interrupted"]["outdated"], true, "{report}");
        assert!(journals(&folder).is_empty());
        folder
            .line("fleetmint nvs patch used.bin changes.csv expected.bin")
            .done();
        assert!(bench.read_by_esptool(NVS) == folder.read("expected.bin"));
        assert_eq!(bench.report().violations, 0);
    }
}

/// The place of the partition is another's now.
#[test]
fn nothing_is_undone_where_another_partition_is() {
    let folder = folder();
    let Some(bench) = cut_off(&folder, &nvs(), 100) else {
        return;
    };
    let mut content = bench.flash();
    let table = crate::bench::partition_table("storage,data,fat,0x9000,0x6000\nfactory,app,factory,0x10000,1M\n");
    content[0x8000..0x8C00].fill(0xFF);
    content[0x8000..][..table.len()].copy_from_slice(&table);
    bench.set_flash(&content);
    let refused = board(&folder, &bench, "restore", &["--yes"]);
    assert_eq!(refused.exit, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("has no partition \"nvs\""),
        "{}",
        refused.stderr
    );
    assert!(bench.flash() == content);
}

/// A journal must be a file, and this user's.
#[cfg(unix)]
#[test]
fn a_journal_that_others_may_have_written_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let Some(bench) = cut_off(&folder, &nvs(), 100) else {
        return;
    };
    let journal = journals(&folder).remove(0);
    let call = ["--image", "device.bin", "--yes"];
    std::fs::set_permissions(&journal, std::fs::Permissions::from_mode(0o666)).unwrap();
    let open = run(&folder, &bench, &call);
    assert!(
        open.stderr.contains("other users can write it (mode 666)"),
        "{}",
        open.stderr
    );

    let whole = folder.file("elsewhere");
    std::fs::rename(&journal, &whole).unwrap();
    std::os::unix::fs::symlink(&whole, &journal).unwrap();
    assert!(run(&folder, &bench, &call).stderr.contains("it is not a file"));
    std::fs::remove_file(&journal).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&journal).status().unwrap();
    assert!(made.success());
    // Without waiting for somebody who writes into the pipe.
    assert!(run(&folder, &bench, &call).stderr.contains("it is not a file"));
}

/// Frames that are no answers, without end, do not extend the time for an answer.
#[test]
fn a_chip_that_babbles_is_given_up() {
    let folder = folder();
    let Some(mut bench) = Bench::new("esp32c3", &flash(&nvs())) else {
        return;
    };
    for (command, begun) in [("READ_FLASH", false), ("FLASH_DEFL_END", true)] {
        bench.tell(&format!("babble-at {command}"));
        let given_up = run(&folder, &bench, &["--image", "device.bin", "--yes"]);
        assert_eq!(given_up.exit, 1, "{}", given_up.stderr);
        assert!(
            given_up.stderr.contains("the chip did not answer"),
            "{}",
            given_up.stderr
        );
        assert_eq!(journals(&folder).len(), usize::from(begun));
    }
}
