use std::os::unix::fs::PermissionsExt as _;

use crate::folder::Folder;
use crate::running::{Running, token};

/// The image holds it, and the port is another at each start.
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
        "the database was copied to copy.db; it can be read with the master key in fleetmint-data/master-key alone, so \
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

    // As docs/backup.md says.
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

/// A folder that is missing may be a disk that is not mounted: nothing is created in its place.
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
