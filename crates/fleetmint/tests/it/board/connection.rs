//! What goes wrong on the cable: a sentence that a person can act on, and its exit code.

use std::time::Duration;

use crate::bench::{Bench, CHIPS, flash, nvs};
use crate::folder::{Folder, Run};

fn backup(port: &str) -> Run {
    let folder = Folder::new();
    let run = folder.run(["board", "backup", "nvs.bin", "--port", port]);
    if run.exit != 0 {
        assert_eq!(folder.names(), [""; 0]);
    }
    run
}

#[test]
fn a_port_that_does_not_exist() {
    let said = backup("/dev/ttyNONE").refused(2);
    assert_eq!(
        said,
        "fleetmint: /dev/ttyNONE: there is no such port; `fleetmint board list` shows the ports of this computer"
    );
}

#[test]
fn a_port_that_another_program_has() {
    let Some(bench) = Bench::new("esp32c3", &flash(&nvs())) else {
        return;
    };
    let monitor = bench.occupy();
    let said = backup(bench.port()).refused(2);
    let busy = "another program has this port: close it (a serial monitor, an IDE, a browser tab) and try again";
    assert_eq!(said, format!("fleetmint: {}: {busy}", bench.port()));
    drop(monitor);
    backup(bench.port()).done();
}

#[test]
fn an_application_that_runs_and_silence() {
    let Some(bench) = Bench::with("esp32c3", &flash(&nvs()), &["--mode", "application"]) else {
        return;
    };
    let said = backup(bench.port()).refused(2);
    let runs = "the board is not in download mode: its application runs. Put it into download mode (hold BOOT, press and \
                release RESET, release BOOT) and add --before no-reset";
    assert_eq!(said, format!("fleetmint: {}: {runs}", bench.port()));

    let bench = Bench::with("esp32c3", &flash(&nvs()), &["--mode", "silent"]).unwrap();
    let said = backup(bench.port()).refused(2);
    let silent = "no answer from a chip in download mode (this port has no reset lines). Put the board into download mode \
                  (hold BOOT, press and release RESET, release BOOT) and add --before no-reset; if that does not help, try \
                  another cable and port";
    assert_eq!(said, format!("fleetmint: {}: {silent}", bench.port()));
}

#[test]
fn secure_download_mode() {
    for chip in CHIPS {
        let Some(mut bench) = Bench::with(chip, &flash(&nvs()), &["--secure-download"]) else {
            return;
        };
        let said = backup(bench.port()).refused(1);
        let secure = "is in secure download mode: its flash cannot be read, so its other values could not be kept";
        let chip = if chip == "esp32" { "chip" } else { chip };
        assert_eq!(said, format!("fleetmint: the {chip} {secure}"));
        assert_eq!(bench.report().erased, [0; 0]);
    }
}

#[test]
fn unplugged_at_any_command_of_the_connection() {
    let Some(mut bench) = Bench::new("esp32c3", &flash(&nvs())) else {
        return;
    };
    backup(bench.port()).done();
    let commands = bench.report().names.len();
    // The first commands are repeated until one is answered.
    for number in [2, 5, commands / 2, commands - 2, commands] {
        bench.tell(&format!("cut-at-command {number}"));
        let run = backup(bench.port());
        assert!(
            run.stderr
                .contains("the connection to the board is gone: it was unplugged, or lost its power"),
            "{number} of {commands}: {}",
            run.stderr
        );
        bench.tell("replug");
    }
    backup(bench.port()).done();
}

#[test]
fn no_log_of_the_library_has_what_the_flash_has() {
    let Some(bench) = Bench::new("esp32", &flash(&nvs())) else {
        return;
    };
    let folder = Folder::new();
    let arguments = ["board", "backup", "nvs.bin", "--port", bench.port()];
    let run = folder
        .run_with(arguments, &[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")])
        .done();
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
}

#[test]
fn a_board_that_is_unplugged_before_the_call() {
    let Some(mut bench) = Bench::new("esp32", &[]) else {
        return;
    };
    bench.tell("unplug");
    std::thread::sleep(Duration::from_millis(200));
    let run = backup(bench.port());
    assert_eq!(run.exit, 2, "{}", run.stderr);
    assert!(run.stderr.contains("there is no such port"), "{}", run.stderr);
}
