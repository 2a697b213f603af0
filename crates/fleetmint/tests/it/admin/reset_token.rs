use std::os::unix::fs::PermissionsExt as _;

use crate::folder::Folder;
use crate::running::{Running, token};

/// Outcome and reason of what the audit trail knows of resets.
fn records(server: &Running, token: &str) -> Vec<(String, String)> {
    let (status, body) = server.call("GET", "/api/audit?action=reset_admin_token", token, "");
    assert_eq!(status, 200, "{body}");
    let page: serde_json::Value = serde_json::from_str(&body).unwrap();
    let user = std::process::Command::new("id").arg("-un").output().unwrap();
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
fn it_takes_effect_at_once_beside_a_running_server() {
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
    assert!(!done.stdout.contains(&after) && !done.stderr.contains(&after));
    assert_eq!(server.get("/api/devices", &before), 401);
    assert_eq!(server.get("/api/devices", &after), 200);
    let mode = std::fs::metadata(folder.file("fleetmint-data/admin-token"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // And it lasts.
    server.end("-TERM");
    let server = Running::start(&folder, &[]);
    assert_eq!(server.get("/api/devices", &after), 200);
    let record = |outcome: &str| (outcome.to_owned(), String::new());
    assert_eq!(records(&server, &after), [record("succeeded"), record("started")]);
}

#[test]
fn it_brings_back_a_token_whose_file_was_lost() {
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
fn it_is_refused_while_the_settings_name_the_token() {
    let folder = Folder::new();
    folder.write(
        "fleetmint.toml",
        "access.bootstrap_token = 'the-bootstrap-token-of-this-test'\n",
    );
    let server = Running::start(&folder, &[]);
    let refusal = "the administrator token is the setting access.bootstrap_token";
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert!(line.contains(refusal) && !line.contains("of-this-test"), "{line}");
    // Also where only the running server knows of the setting.
    std::fs::remove_file(folder.file("fleetmint.toml")).unwrap();
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert!(line.contains(refusal), "{line}");
    assert_eq!(server.get("/api/devices", "the-bootstrap-token-of-this-test"), 200);
    assert!(!folder.file("fleetmint-data/admin-token").exists());
    let refused = ("failed".to_owned(), "forbidden".to_owned());
    let records = records(&server, "the-bootstrap-token-of-this-test");
    assert_eq!(records, [refused.clone(), refused]);
    server.end("-TERM");

    // Without the setting the next start makes a token, and the one of the setting opens nothing any more.
    let server = Running::start(&folder, &[]);
    assert!(
        server.said().contains("an administrator token was created"),
        "{}",
        server.said()
    );
    assert_eq!(server.get("/api/devices", "the-bootstrap-token-of-this-test"), 401);
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
    server.end("-TERM");

    // With the setting again, the token that was made opens nothing.
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
fn where_no_server_ever_ran_there_is_nothing_to_reset() {
    let folder = Folder::new();
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert_eq!(
        line,
        "fleetmint: fleetmint-data/fleetmint.db: there is no database; the server makes it at its first start"
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

/// What the server itself wrote proves nothing once it was replaced.
#[test]
fn the_row_of_a_token_that_was_reset_does_not_bring_it_back() {
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

/// The database alone is not enough: what version 0.1.0 had there, anybody who can write it could have put there.
#[test]
fn a_hash_put_into_the_database_opens_nothing_and_a_reset_goes_on() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    let hash = "6d" // SHA-256 of "attacker", as the version before had it
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
fn it_needs_the_master_key() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    let before = token(&folder);
    std::fs::remove_file(folder.file("fleetmint-data/master-key")).unwrap();
    let line = folder.line("fleetmint admin reset-token").refused(1);
    assert!(line.contains("fleetmint-data/master-key is missing"), "{line}");
    assert_eq!(token(&folder), before);
}
