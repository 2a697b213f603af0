use std::os::unix::fs::PermissionsExt as _;

use crate::folder::Folder;
use crate::running::{Running, token};

/// The image contains it, and the port differs at each start.
const URL: &[(&str, &str)] = &[("FLEETMINT_SERVER__PUBLIC_URL", "https://provisioning.example.com")];

fn create(server: &Running, token: &str, path: &str, body: &str) {
    let (status, answer) = server.call("POST", path, token, body);
    assert_eq!(status, 201, "{answer}");
}

#[test]
fn a_copy_from_beside_a_running_server_is_restored() {
    let folder = Folder::new();
    let server = Running::start(&folder, URL);
    let secret = token(&folder);
    create(&server, &secret, "/api/device-models", r#"{"code":"m","name":"M"}"#);
    create(
        &server,
        &secret,
        "/api/devices",
        r#"{"device_model_id":1,"name":"Before"}"#,
    );
    let (_, image) = server.call("GET", "/api/devices/1/provisioning", &secret, "");
    let done = folder.line("fleetmint admin backup copy.db").done();
    assert_eq!(
        done.stdout,
        "the database was copied to copy.db; it can be read only with the master key in fleetmint-data/master-key, so \
         keep a copy of that in another place\n"
    );
    let mode = std::fs::metadata(folder.file("copy.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (_, records) = server.call("GET", "/api/audit?action=back_up_database", &secret, "");
    let records: serde_json::Value = serde_json::from_str(&records).unwrap();
    let outcomes: Vec<_> = records["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["outcome"])
        .collect();
    assert_eq!(outcomes, ["succeeded", "started"]);
    assert!(records["items"][0]["actor"].as_str().unwrap().starts_with("os:"));
    assert!(records["items"][0]["at"].as_str() > records["items"][1]["at"].as_str());

    // An existing file stays, and the database itself is never replaced.
    let line = folder.line("fleetmint admin backup copy.db").refused(2);
    assert_eq!(line, "fleetmint: copy.db: not written: it exists; --force replaces it");
    let line = folder
        .line("fleetmint admin backup --force fleetmint-data/fleetmint.db")
        .refused(2);
    assert!(line.ends_with("it is the database itself"), "{line}");
    folder.line("fleetmint admin backup --force copy.db").done();
    create(
        &server,
        &secret,
        "/api/devices",
        r#"{"device_model_id":1,"name":"After"}"#,
    );
    server.end("-TERM");
    assert_eq!(folder.names(), ["copy.db", "fleetmint-data", "stderr"]);

    // As in docs/backup.md.
    let data = folder.file("fleetmint-data");
    for name in ["fleetmint.db", "fleetmint.db-wal", "fleetmint.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    std::fs::rename(folder.file("copy.db"), data.join("fleetmint.db")).unwrap();
    let server = Running::start(&folder, URL);
    assert_eq!(server.get("/api/devices/1", &secret), 200);
    assert_eq!(server.get("/api/devices/2", &secret), 404);
    assert_eq!(server.call("GET", "/api/devices/1/provisioning", &secret, "").1, image);
}

/// A missing folder may be a disk that is not mounted: it is not created.
#[test]
fn a_missing_folder_is_named_and_not_created() {
    let folder = Folder::new();
    Running::start(&folder, URL).end("-TERM");
    folder.write("file", "");
    std::fs::create_dir(folder.file("backups")).unwrap();
    let before = folder.names();
    for (path, reason) in [
        (
            "missing/x.db",
            "the folder missing is missing: create it, or mount what belongs there",
        ),
        (
            "missing/too/x.db",
            "the folder missing/too is missing: create it, or mount what belongs there",
        ),
        ("file/x.db", "file is not a folder"),
        ("file/a/x.db", "file is not a folder"),
        ("backups", "it is a folder: name a file in it"),
    ] {
        let line = folder
            .line(&format!("fleetmint admin backup --force {path}"))
            .refused(2);
        assert_eq!(line, format!("fleetmint: {path}: not written: {reason}"));
    }
    assert_eq!(folder.names(), before);
    folder.line("fleetmint admin backup backups/x.db").done();
}

/// Under no name: the next start would take the copy for the key, the token or the lock.
#[test]
fn no_file_of_the_data_folder_or_the_settings_is_replaced() {
    let folder = Folder::new();
    folder.write("key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n");
    folder.write("fleetmint.toml", "[identity.keycloak]\nca_file = 'ca.pem'\n");
    folder.write("ca.pem", "");
    Running::start(&folder, URL).end("-TERM");
    let key = [("FLEETMINT_DATA__MASTER_KEY_FILE", "key")];
    std::fs::copy(folder.file("fleetmint-data/master-key"), folder.file("key")).unwrap();
    folder.line("fleetmint admin reset-token").done();
    let data = |name: &str| format!("fleetmint-data/{name}");
    let mut names: Vec<(String, &str)> = Vec::new();
    for name in ["", "-wal", "-shm", "-journal"] {
        names.push((data(&format!("fleetmint.db{name}")), "the database itself"));
    }
    for name in [
        "address",
        "master-key",
        "admin-token",
        "admin-token.lock",
        "control.sock",
        "lock",
        "database-created",
    ] {
        names.push((data(name), "a file of the data folder"));
    }
    for name in ["key", "fleetmint.toml", "ca.pem"] {
        names.push((name.to_owned(), "a file of the settings"));
    }
    let held = || {
        let files = names.iter().map(|(name, _)| std::fs::read(folder.file(name)).ok());
        files.collect::<Vec<_>>()
    };
    let mut before = held();
    let refused = |path: &str, what: &str| {
        let line = folder.run_with(["admin", "backup", "--force", path], &key).refused(2);
        assert_eq!(line, format!("fleetmint: {path}: not written: it is {what}"));
    };
    for (number, (name, what)) in names.iter().enumerate() {
        refused(name, what);
        refused(folder.file(name).to_str().unwrap(), what);
        refused(&format!("fleetmint-data/../{name}"), what);
        let link = format!("link-{number}");
        std::os::unix::fs::symlink(folder.file(name), folder.file(&link)).unwrap();
        refused(&link, what);
        if folder.file(name).exists() {
            let hard = format!("hard-{number}");
            std::fs::hard_link(folder.file(name), folder.file(&hard)).unwrap();
            refused(&hard, what);
        }
    }
    // The name of a missing file is also refused.
    std::fs::remove_file(folder.file("fleetmint-data/lock")).unwrap();
    refused("fleetmint-data/lock", "a file of the data folder");
    let lock = names.iter().position(|(name, _)| name.ends_with("/lock")).unwrap();
    before[lock] = None;
    // The database's own files come from the commands that opened it.
    assert_eq!(held()[4..], before[4..]);
    folder
        .run_with(["admin", "backup", "--force", "fleetmint-data/other"], &key)
        .done();
}

/// SQLite reads such names as URIs, which name other files.
#[test]
fn a_copy_is_in_the_file_that_is_named() {
    let folder = Folder::new();
    Running::start(&folder, URL).end("-TERM");
    std::fs::create_dir(folder.file("file:d?mode=memory")).unwrap();
    let names = ["file:copy.db", "file:d?mode=memory/%41#b.db"];
    for name in names {
        folder.run(["admin", "backup", name]).done();
        assert_eq!(&folder.read(name)[..15], b"SQLite format 3");
    }
    assert_eq!(
        folder.names(),
        ["file:copy.db", "file:d?mode=memory", "fleetmint-data", "stderr"]
    );
}
