//! The server's readiness with disks that are full or read-only, and with missing files.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::under;
use crate::folder::Folder;
use crate::running::{Running, token};

/// Waits for this answer of /readyz, which is valid for a second; then returns the body for the administrator and for
/// others.
fn ready(server: &Running, status: u16, token: &str) -> [String; 2] {
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.get("/readyz", token) != status {
        assert!(Instant::now() < deadline, "/readyz is not {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
    [token, ""].map(|token| server.call("GET", "/readyz", token, "").1)
}

#[test]
fn readiness_fails_while_nothing_can_be_written() {
    let folder = Folder::new();
    // Without the trap the signal would end it, like any program.
    let server = Running::start_by(under("trap '' XFSZ"), &folder, &[]);
    let secret = token(&folder);
    let [told, bare] = ready(&server, 200, &secret);
    assert_eq!(
        (told.as_str(), bare.as_str()),
        (r#"{"status":"ok","problems":[]}"#, r#"{"status":"ok"}"#)
    );
    let limit = |bytes: &str| {
        let arguments = ["--pid", &server.id().to_string(), &format!("--fsize={bytes}")];
        assert!(
            std::process::Command::new("prlimit")
                .args(arguments)
                .status()
                .unwrap()
                .success()
        );
    };
    limit("4096:unlimited");
    let [told, bare] = ready(&server, 503, &secret);
    assert!(told.contains("the database cannot be written"), "{told}");
    assert_eq!(bare, r#"{"status":"unavailable"}"#);
    assert_eq!(server.get("/livez", ""), 200);
    limit("unlimited:unlimited");
    ready(&server, 200, &secret);
}

/// Whether this machine allows own file systems, in a namespace that nobody else sees.
#[cfg(target_os = "linux")]
fn has_own_file_systems(test: &str) -> bool {
    let mounted = std::process::Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "mount",
            "-t",
            "tmpfs",
            "none",
            "/mnt",
        ])
        .output();
    let yes = mounted.is_ok_and(|mounted| mounted.status.success());
    if !yes {
        let why = format!("SKIPPED: {test}: this user may not mount in a namespace of its own (unshare)\n");
        std::io::stderr().write_all(why.as_bytes()).unwrap();
    }
    yes
}

/// The program in a namespace of its own, after these commands.
#[cfg(target_os = "linux")]
fn in_namespace(shell: &str) -> std::process::Command {
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.args([&format!("{shell}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_fleetmint")]);
    command
}

#[cfg(target_os = "linux")]
#[test]
fn readiness_fails_while_its_file_system_is_full() {
    if !has_own_file_systems("readiness_fails_while_its_file_system_is_full") {
        return;
    }
    let folder = Folder::new();
    const TOKEN: &str = "the-bootstrap-token-of-this-test";
    // The files that control it are outside. It ends by itself if the test fails early.
    let command = in_namespace(
        "set -e; mkdir -m 700 fleetmint-data; mount -t tmpfs -o size=4m,mode=700 none fleetmint-data
         wait_for() { n=0; while ! test -e $1 && test $n -lt 600; do n=$((n+1)); sleep 0.1; done; }
         (wait_for fill; head -c 8m /dev/zero > fleetmint-data/filler || true
          wait_for free; rm fleetmint-data/filler) > steered 2>&1 & true",
    );
    let server = Running::start_by(command, &folder, &[("FLEETMINT_ACCESS__BOOTSTRAP_TOKEN", TOKEN)]);
    ready(&server, 200, TOKEN);
    folder.write("fill", "");
    // Space in the log is used again, so several changes are needed until it must grow.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut n = 0;
    loop {
        n += 1;
        let body = format!(r#"{{"code":"m{n}","name":"{}"}}"#, "M".repeat(60));
        match server.call("POST", "/api/device-models", TOKEN, &body).0 {
            201 => assert!(Instant::now() < deadline, "{n} models, and there is still room"),
            503 => break,
            status => panic!("{status}"),
        }
    }
    let [told, bare] = ready(&server, 503, TOKEN);
    assert!(told.contains("the database cannot be written"), "{told}");
    assert_eq!(bare, r#"{"status":"unavailable"}"#);
    folder.write("free", "");
    ready(&server, 200, TOKEN);
}

#[cfg(target_os = "linux")]
#[test]
fn it_does_not_start_on_a_read_only_file_system() {
    if !has_own_file_systems("it_does_not_start_on_a_read_only_file_system") {
        return;
    }
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    let ended =
        in_namespace("set -e; mount --bind fleetmint-data fleetmint-data; mount -o remount,bind,ro fleetmint-data")
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .output()
            .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let line = said.lines().last().unwrap();
    assert!(
        line.starts_with("fleetmint: fleetmint-data/") && line.contains("Read-only file system"),
        "{line}"
    );
}

#[test]
fn it_writes_nothing_after_its_database_was_deleted_or_replaced() {
    for fault in ["gone", "replaced", "no log"] {
        let folder = Folder::new();
        let server = Running::start(&folder, &[]);
        let secret = token(&folder);
        ready(&server, 200, &secret);
        let database = folder.file("fleetmint-data/fleetmint.db");
        match fault {
            "gone" => std::fs::remove_file(&database).unwrap(),
            "replaced" => {
                std::fs::copy(&database, folder.file("copy")).unwrap();
                std::fs::rename(folder.file("copy"), &database).unwrap();
            }
            _ => std::fs::remove_file(folder.file("fleetmint-data/fleetmint.db-wal")).unwrap(),
        }
        let [told, _] = ready(&server, 503, &secret);
        assert!(
            told.contains("was deleted") || told.contains("was replaced"),
            "{fault}: {told}"
        );
        let model = r#"{"code": "lost", "name": "Lost"}"#;
        let (status, answer) = server.call("POST", "/api/device-models", &secret, model);
        assert_eq!(status, 503, "{fault}: {answer}");
    }
}

#[test]
fn readiness_probes_cost_at_most_one_commit_a_second() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let wal = || {
        std::fs::metadata(folder.file("fleetmint-data/fleetmint.db-wal"))
            .unwrap()
            .len()
    };
    let (before, began) = (wal(), Instant::now());
    for _ in 0..200 {
        assert_eq!(server.get("/readyz", ""), 200);
    }
    // A commit of one row is a page or two of 4096 bytes, with a head of 24 each.
    let most = (began.elapsed().as_secs() + 2) * 3 * 4120;
    assert!(wal() - before <= most, "{} bytes", wal() - before);
}
