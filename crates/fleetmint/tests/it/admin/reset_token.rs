use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fleetmint_server::control::{self, Request};
use fleetmint_server::data_folder::DataFolder;

use crate::folder::Folder;
use crate::running::{Running, token};

/// Outcome and reason of the audit trail's records of resets.
fn records(server: &Running, token: &str) -> Vec<(String, String)> {
    let (status, body) = server.call("GET", "/api/audit?action=reset_admin_token", token, "");
    assert_eq!(status, 200, "{body}");
    let page: serde_json::Value = serde_json::from_str(&body).unwrap();
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = format!("os:{}", String::from_utf8(user.stdout).unwrap().trim());
    let items = page["items"].as_array().unwrap().iter().map(|item| {
        assert_eq!(
            (&item["actor"], &item["source"]),
            (&user.as_str().into(), &"fleetmint admin reset-token".into())
        );
        let text = |member: &str| item[member].as_str().unwrap_or_default().to_owned();
        (text("outcome"), text("reason"))
    });
    items.collect()
}

#[test]
fn a_reset_takes_effect_at_once_beside_a_running_server() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let before = token(&folder);
    assert_eq!(server.get("/api/devices", &before), 200);
    let done = folder.line("fleetmint admin reset-token").done();
    assert_eq!(
        done.stdout,
        "a new administrator token was created and stored in fleetmint-data/admin-token\n"
    );
    let after = token(&folder);
    assert_ne!(after, before);
    for token in [&before, &after] {
        assert!(token.len() == 47 && token.starts_with("fma_"));
    }
    assert!(!done.stdout.contains(&after) && !done.stderr.contains(&after));
    assert_eq!(server.get("/api/devices", &before), 401);
    assert_eq!(server.get("/api/devices", &after), 200);
    let mode = std::fs::metadata(folder.file("fleetmint-data/admin-token"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // It is still valid after a restart.
    server.end("-TERM");
    let server = Running::start(&folder, &[]);
    assert_eq!(server.get("/api/devices", &after), 200);
    let record = |outcome: &str| (outcome.to_owned(), String::new());
    assert_eq!(records(&server, &after), [record("succeeded"), record("started")]);
}

#[test]
fn a_reset_replaces_a_token_whose_file_was_lost() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    std::fs::remove_file(folder.file("fleetmint-data/admin-token")).unwrap();
    let server = Running::start(&folder, &[]);
    assert!(
        server
            .said()
            .contains("`fleetmint admin reset-token` creates a new one"),
        "{}",
        server.said()
    );
    folder.line("fleetmint admin reset-token").done();
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
}

#[test]
fn a_reset_is_refused_while_the_settings_have_a_token() {
    let folder = Folder::new();
    folder.write(
        "fleetmint.toml",
        "access.bootstrap_token = 'the-bootstrap-token-of-this-test'\n",
    );
    let server = Running::start(&folder, &[]);
    let refusal = "the administrator token is the setting access.bootstrap_token";
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert!(line.contains(refusal) && !line.contains("of-this-test"), "{line}");
    // Also if only the running server has the setting.
    std::fs::remove_file(folder.file("fleetmint.toml")).unwrap();
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert!(line.contains(refusal), "{line}");
    assert_eq!(server.get("/api/devices", "the-bootstrap-token-of-this-test"), 200);
    assert!(!folder.file("fleetmint-data/admin-token").exists());
    let refused = ("failed".to_owned(), "forbidden".to_owned());
    let records = records(&server, "the-bootstrap-token-of-this-test");
    assert_eq!(records, [refused.clone(), refused]);
    server.end("-TERM");

    // Without the setting the next start creates a token, and that of the setting is no longer valid.
    let server = Running::start(&folder, &[]);
    assert!(
        server.said().contains("an administrator token was created"),
        "{}",
        server.said()
    );
    assert_eq!(server.get("/api/devices", "the-bootstrap-token-of-this-test"), 401);
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
    server.end("-TERM");

    // With the setting again, the created token is not valid.
    let made = token(&folder);
    let server = Running::start(
        &folder,
        &[("FLEETMINT_ACCESS__BOOTSTRAP_TOKEN", "another-token-of-this-test")],
    );
    assert_eq!(server.get("/api/devices", &made), 401);
    assert_eq!(server.get("/api/devices", "another-token-of-this-test"), 200);
    assert!(!folder.file("fleetmint-data/admin-token").exists());
}

#[test]
fn without_an_earlier_server_there_is_nothing_to_reset() {
    let folder = Folder::new();
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert_eq!(
        line,
        "fleetmint: fleetmint-data/fleetmint.db: there is no database; the server creates it at its first start"
    );
    assert_eq!(folder.names(), [""; 0]);
}

fn change_database(folder: &Folder, sql: &str) {
    let database = fleetmint_server::database::Database::attach(&folder.file("fleetmint-data/fleetmint.db")).unwrap();
    database
        .write_blocking::<_, fleetmint_server::database::Error>(|connection| {
            use diesel::connection::SimpleConnection as _;
            Ok(connection.batch_execute(sql)?)
        })
        .unwrap();
}

/// A row that the server itself wrote proves nothing after it was replaced.
#[test]
fn an_old_row_does_not_make_a_replaced_token_valid_again() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let before = token(&folder);
    assert_eq!(server.get("/api/devices", &before), 200);
    change_database(
        &folder,
        "CREATE TABLE saved AS SELECT value FROM instance WHERE name = 'administrator_token'",
    );
    folder.line("fleetmint admin reset-token").done();
    change_database(
        &folder,
        "UPDATE instance SET value = (SELECT value FROM saved) WHERE name = 'administrator_token'",
    );
    assert_eq!(server.get("/api/devices", &before), 401);
    server.end("-TERM");
    let server = Running::start(&folder, &[]);
    let said = server.said();
    assert!(said.contains("nobody is administrator: the file "), "{said}");
    for token in [&before, &token(&folder)] {
        assert_eq!(server.get("/api/devices", token), 401);
    }
    folder.line("fleetmint admin reset-token").done();
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
    assert_eq!(server.get("/api/devices", &before), 401);
}

/// The database alone is not enough: anybody who can write it could have stored the hash of version 0.1.0.
#[test]
fn a_hash_stored_in_the_database_gives_no_access_and_a_reset_works() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    let hash = "6d" // SHA-256 of "attacker", as version 0.1.0 stored it
        .to_owned()
        + &hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"attacker"));
    change_database(
        &folder,
        &format!("UPDATE instance SET value = x'{hash}' WHERE name = 'administrator_token'"),
    );
    let server = Running::start(&folder, &[]);
    let said = server.said();
    assert!(said.contains("nobody is administrator: the file "), "{said}");
    assert!(
        said.contains(
            "admin-token does not match the database: one of the two was restored or replaced; run `fleetmint admin reset-token`"
        ),
        "{said}"
    );
    assert_eq!(server.get("/api/devices", "attacker"), 401);
    assert_eq!(server.get("/api/devices", &token(&folder)), 401);
    server.end("-TERM");
    std::fs::remove_file(folder.file("fleetmint-data/admin-token")).unwrap();
    let server = Running::start(&folder, &[]);
    let said = server.said();
    assert!(
        said.contains("nobody is administrator: the file ") && said.contains("admin-token is missing, and the token"),
        "{said}"
    );
    folder.line("fleetmint admin reset-token").done();
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
}

#[test]
fn a_reset_needs_the_master_key() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    let before = token(&folder);
    std::fs::remove_file(folder.file("fleetmint-data/master-key")).unwrap();
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert!(line.contains("fleetmint-data/master-key is missing"), "{line}");
    assert_eq!(token(&folder), before);
}

/// A data folder of a version whose tokens had no prefix.
#[test]
fn a_token_of_an_earlier_version_is_valid_until_it_is_reset() {
    let folder = Folder::new();
    let from = Path::new("../fleetmint-server/tests/version_0_1_0");
    for name in ["fleetmint.db", "master-key", "admin-token"] {
        folder.write(
            &format!("fleetmint-data/{name}"),
            std::fs::read(from.join(name)).unwrap(),
        );
    }
    std::fs::set_permissions(folder.file("fleetmint-data"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let before = token(&folder);
    assert!(!before.starts_with("fma_"));
    let server = Running::start(&folder, &[]);
    assert_eq!(server.get("/api/devices", &before), 200);
    assert_eq!(token(&folder), before);
    folder.line("fleetmint admin reset-token").done();
    assert_eq!(server.get("/api/devices", &before), 401);
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
    assert!(token(&folder).starts_with("fma_"));
}

#[test]
fn calls_during_a_reset_see_either_token_and_later_ones_only_the_new_one() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let before = token(&folder);
    let is_reset = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let must_be_refused = is_reset.load(Ordering::SeqCst);
                        let status = server.get("/api/devices", &before);
                        assert!(status == 401 || (status == 200 && !must_be_refused), "{status}");
                        if must_be_refused {
                            break;
                        }
                    }
                })
            })
            .collect();
        // Two resets at once run one after the other, in any order.
        let resets: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| folder.line("fleetmint admin reset-token").done()))
            .collect();
        for reset in resets {
            reset.join().unwrap();
        }
        is_reset.store(true, Ordering::SeqCst);
        assert_eq!(server.get("/api/devices", &token(&folder)), 200);
        for caller in callers {
            caller.join().unwrap();
        }
    });
    let after = token(&folder);
    let record = |outcome: &str| (outcome.to_owned(), String::new());
    let [succeeded, started] = [record("succeeded"), record("started")];
    assert_eq!(
        records(&server, &after),
        [succeeded.clone(), started.clone(), succeeded, started]
    );
    server.end("-TERM");
    let server = Running::start(&folder, &[]);
    assert_eq!(server.get("/api/devices", &after), 200);
}

const SOCKET: &str = "fleetmint-data/control.sock";

#[test]
fn the_socket_of_a_killed_server_does_not_prevent_a_reset() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    server.end("-KILL");
    assert!(folder.file(SOCKET).exists());
    let before = token(&folder);
    folder.line("fleetmint admin reset-token").done();
    let after = token(&folder);
    assert_ne!(after, before);
    let server = Running::start(&folder, &[]);
    assert_eq!(server.get("/api/devices", &after), 200);
    assert_eq!(server.get("/api/devices", &before), 401);
    folder.line("fleetmint admin reset-token").done();
    assert_eq!(server.get("/api/devices", &after), 401);
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
    server.end("-TERM");
    assert!(!folder.file(SOCKET).exists());
}

#[test]
fn a_running_server_without_its_socket_keeps_its_token() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let before = token(&folder);
    std::fs::remove_file(folder.file(SOCKET)).unwrap();
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert_eq!(
        line,
        format!(
            "fleetmint: fleetmint-data is used by a running server (process {}), which cannot be asked: no server listens \
             at {SOCKET}: No such file or directory (os error 2); stop it, and run this command again; a server creates its \
             socket only when it starts",
            server.id()
        )
    );
    assert_eq!(token(&folder), before);
    assert_eq!(server.get("/api/devices", &before), 200);
}

#[test]
fn a_file_with_the_name_of_the_socket_is_not_deleted() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    folder.write(SOCKET, "an operator's own");
    let server = Running::start(&folder, &[]);
    let said = String::from_utf8(folder.read("stderr")).unwrap();
    assert!(
        said.contains("there is no control socket") && said.contains("it is not a socket"),
        "{said}"
    );
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert!(
        line.contains(&format!("{SOCKET}: it is not a socket; stop it")),
        "{line}"
    );
    server.end("-TERM");
    assert_eq!(folder.read(SOCKET), b"an operator's own");
}

#[test]
fn a_reset_without_an_answer_times_out_and_is_not_made_later() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let before = token(&folder);
    server.signal("-STOP");
    let request = Request::ResetAdminToken {
        bootstrap_token_is_set: false,
    };
    let data = DataFolder::existing(&folder.file("fleetmint-data"));
    // The command waits longer.
    let error = control::ask(&data, request, Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, control::Error::NoAnswer { .. }), "{error}");
    server.signal("-CONT");
    folder.line("fleetmint admin reset-token").done();
    assert_eq!(server.get("/api/devices", &before), 401);
    let record = |outcome: &str| (outcome.to_owned(), String::new());
    assert_eq!(
        records(&server, &token(&folder)),
        [record("succeeded"), record("started")],
        "once"
    );
}

/// Only root can run programs as other users.
#[test]
fn the_users_own_server_and_roots_command_are_served_and_no_other() {
    const NOBODY: u32 = 65534;
    const OTHER: u32 = 65533;
    if !is_root() {
        let why = "SKIPPED: the_users_own_server_and_roots_command_are_served_and_no_other: only root can run programs as \
                   other users. Run the tests as root, in a container for example.\n";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        // Not by a macro, whose output the test harness would keep to itself.
        let _ = std::io::stderr().write_all(why.as_bytes());
        return;
    }
    let folder = Folder::new();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(folder.path(), 0o755);
    let program = folder.file("program");
    std::fs::copy(env!("CARGO_BIN_EXE_fleetmint"), &program).unwrap();
    // Too deep for the address of a socket; a server's user cannot always read its own /proc.
    let deep = folder.file(&"a-folder-with-a-long-name/".repeat(6));
    std::fs::create_dir_all(&deep).unwrap();
    std::os::unix::fs::chown(&deep, Some(NOBODY), Some(NOBODY)).unwrap();
    mode(&deep, 0o755);
    let data = deep.join("data");
    let url = format!("sqlite://{}/db/fleetmint.db", deep.display());
    std::fs::create_dir(deep.join("db")).unwrap();
    std::os::unix::fs::chown(deep.join("db"), Some(NOBODY), Some(NOBODY)).unwrap();
    let environment = [
        ("FLEETMINT_DATA__DIR", data.to_str().unwrap()),
        ("FLEETMINT_DATA__DATABASE_URL", &url),
    ];
    let mut command = Command::new(&program);
    command.uid(NOBODY).gid(NOBODY);
    let server = Running::start_by(command, &folder, &environment);
    let in_file = || std::fs::read_to_string(data.join("admin-token")).unwrap();
    let reset = |user: u32, allow_shared_dir: &str| {
        let output = Command::new(&program)
            .args(["admin", "reset-token"])
            .current_dir(folder.path())
            .envs(environment)
            .env("FLEETMINT_DATA__ALLOW_SHARED_DIR", allow_shared_dir)
            .uid(user)
            .gid(user)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let mut before = in_file();
    assert!(data.join("control.sock").exists());
    for (user, allow_shared_dir) in [(NOBODY, "false"), (0, "false"), (0, "true")] {
        assert_eq!(reset(user, allow_shared_dir), (Some(0), String::new()), "{user}");
        let after = in_file();
        assert_ne!(after, before);
        assert_eq!(server.get("/api/devices", after.trim()), 200);
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(data.join("admin-token")).unwrap());
        assert_eq!(owner, NOBODY);
        before = after;
    }
    // Even if a careless operator lets everybody connect.
    mode(&data, 0o711);
    mode(&data.join("control.sock"), 0o666);
    let (exit, said) = reset(OTHER, "true");
    assert_eq!(exit, Some(1));
    assert_eq!(
        said,
        "fleetmint: only the server's own user and root may do this while it runs\n"
    );
    assert_eq!(in_file(), before);

    // No request is sent to another user's server in this place.
    let (_, body) = server.call("GET", "/api/audit?action=reset_admin_token", before.trim(), "");
    assert_eq!(body.matches("os:root").count(), 4, "{body}");
    server.end("-TERM");

    // Without a server the command would leave files of root in the user's folder.
    let (exit, said) = reset(0, "false");
    assert_eq!(exit, Some(1));
    assert!(
        said.contains(&format!("can be written by its owner, the user {NOBODY}"))
            && said.contains("run this as that user"),
        "{said}"
    );
    assert_eq!(in_file(), before);
    std::fs::create_dir(folder.file("root")).unwrap();
    let socket = folder.file("root/control.sock");
    let path = socket.to_str().unwrap().to_owned();
    mode(&folder.file("root"), 0o777);
    let mut listener = Command::new("python3");
    listener.args([
        "-c",
        &format!(
            "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind({path:?}); s.listen(); print(flush=True); \
         sys.stdin.read()"
        ),
    ]);
    let mut listener = listener
        .uid(NOBODY)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read(listener.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let line = folder
        .run_with(
            ["admin", "reset-token"],
            &[
                ("FLEETMINT_DATA__DIR", "root"),
                ("FLEETMINT_DATA__ALLOW_SHARED_DIR", "true"),
            ],
        )
        .refused(1);
    assert_eq!(
        line,
        format!("fleetmint: root/control.sock: another user, {NOBODY}, listens there; no request was sent")
    );
    drop(listener.stdin.take());
    listener.wait().unwrap();
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}
