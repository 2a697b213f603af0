//! The checks of the server's files: their folders, links, sizes.

use std::os::unix::fs::PermissionsExt as _;

use super::under;
use crate::folder::Folder;
use crate::running::{Running, token};

#[test]
fn a_database_in_another_folder_that_others_can_write_is_refused() {
    let folder = Folder::new();
    for dir in ["elsewhere", "linked"] {
        std::fs::create_dir(folder.file(dir)).unwrap();
    }
    let mode = |dir, mode| std::fs::set_permissions(folder.file(dir), std::fs::Permissions::from_mode(mode)).unwrap();
    let place = ("FLEETMINT_DATA__DATABASE_URL", "sqlite://elsewhere/devices.db");
    let refused = |shared: &str| {
        let line = folder
            .run_with(["serve", "--listen", "127.0.0.1:0"], &[place])
            .refused_with_log(1);
        assert_eq!(
            line,
            format!(
                "fleetmint: {shared} can be written by other users (mode 777), who could replace the database; remove \
                 their permissions (chmod 700), or set data.allow_shared_dir = true if they may"
            )
        );
    };
    mode("elsewhere", 0o777);
    refused("elsewhere");
    assert!(std::fs::read_dir(folder.file("elsewhere")).unwrap().next().is_none());
    Running::start(&folder, &[place, ("FLEETMINT_DATA__ALLOW_SHARED_DIR", "true")]).end("-TERM");
    // Commands beside the server refuse it as well.
    let keycloak = [
        ("FLEETMINT_IDENTITY__PROVIDER", "keycloak"),
        ("FLEETMINT_IDENTITY__KEYCLOAK__BASE_URL", "http://127.0.0.1:9"),
        ("FLEETMINT_IDENTITY__KEYCLOAK__REALM", "r"),
        ("FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_ID", "c"),
        ("FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_SECRET", "secret"),
        place,
    ];
    let commands = [
        &["admin", "reset-token"][..],
        &["admin", "backup", "copy.db"],
        &["adopt"],
    ];
    let before = token(&folder);
    let refused_beside = |words: &str| {
        for command in commands {
            let environment = if command == ["adopt"] { &keycloak[..] } else { &[place] };
            let line = folder.run_with(command, environment).refused(1);
            assert!(line.contains(words), "{line}");
            assert_eq!(token(&folder), before);
        }
    };
    refused_beside("elsewhere can be written by other users");
    mode("elsewhere", 0o700);
    mode("fleetmint-data", 0o770);
    refused_beside("fleetmint-data can be written by other users");
    let allowed = ("FLEETMINT_DATA__ALLOW_SHARED_DIR", "true");
    folder.run_with(["admin", "reset-token"], &[place, allowed]).done();
    assert_ne!(token(&folder), before);
    mode("fleetmint-data", 0o700);
    assert!(!folder.file("copy.db").exists());

    let said = |words: &str| String::from_utf8(folder.read("stderr")).unwrap().contains(words);
    mode("elsewhere", 0o755);
    Running::start(&folder, &[place]).end("-TERM");
    assert!(said(
        "other users can read or enter the database's folder elsewhere (mode 755)"
    ));
    mode("elsewhere", 0o700);
    Running::start(&folder, &[place]).end("-TERM");
    assert!(!said("other users can read"));

    // The setting may name a link: both folders are checked, and the log is beside the file itself.
    mode("linked", 0o700);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::rename(
            folder.file(&format!("elsewhere/devices.db{suffix}")),
            folder.file(&format!("linked/real.db{suffix}")),
        );
    }
    std::os::unix::fs::symlink("../linked/real.db", folder.file("elsewhere/devices.db")).unwrap();
    let server = Running::start(&folder, &[place]);
    assert_eq!(server.get("/readyz", &token(&folder)), 200);
    let mut names: Vec<_> = std::fs::read_dir(folder.file("linked"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["real.db", "real.db-shm", "real.db-wal"]);
    server.end("-TERM");
    for shared in ["elsewhere", "linked"] {
        mode(shared, 0o777);
        let line = folder
            .run_with(["serve", "--listen", "127.0.0.1:0"], &[place])
            .refused_with_log(1);
        assert!(line.contains("can be written by other users (mode 777)"), "{line}");
        assert!(line.contains(&format!("{shared} can be")), "{line}");
        mode(shared, 0o700);
    }
}

#[test]
fn links_are_followed_where_a_setting_names_them_and_not_in_the_data_folder() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    let before = token(&folder);
    std::fs::create_dir(folder.file("secrets")).unwrap();
    for name in ["master-key", "fleetmint.db", "admin-token", "lock"] {
        let (place, away) = (
            folder.file("fleetmint-data").join(name),
            folder.file("secrets").join(name),
        );
        std::fs::rename(&place, &away).unwrap();
        std::fs::set_permissions(&away, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&away, &place).unwrap();
        let line = folder.line("fleetmint serve --listen 127.0.0.1:0").refused_with_log(1);
        assert!(
            line.starts_with(&format!(
                "fleetmint: fleetmint-data/{name}: it is a symbolic link, which is not followed here"
            )),
            "{line}"
        );
        let mode = std::fs::metadata(&away).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "what a link leads to is not changed");
        std::fs::remove_file(&place).unwrap();
        std::fs::rename(&away, &place).unwrap();
    }

    // As Kubernetes mounts a secret: a link to a link to a read-only file.
    std::fs::rename(folder.file("fleetmint-data/master-key"), folder.file("secrets/key")).unwrap();
    std::fs::set_permissions(folder.file("secrets/key"), std::fs::Permissions::from_mode(0o444)).unwrap();
    std::os::unix::fs::symlink("secrets/key", folder.file("..data")).unwrap();
    std::os::unix::fs::symlink("..data", folder.file("key")).unwrap();
    let named = &[("FLEETMINT_DATA__MASTER_KEY_FILE", "key")];
    let server = Running::start(&folder, named);
    assert_eq!(server.get("/api/devices", &before), 200);
    let mode = std::fs::metadata(folder.file("secrets/key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o444);
    // A token's link is replaced by a file.
    std::fs::rename(folder.file("fleetmint-data/admin-token"), folder.file("secrets/token")).unwrap();
    std::os::unix::fs::symlink("../secrets/token", folder.file("fleetmint-data/admin-token")).unwrap();
    folder.run_with(["admin", "reset-token"], named).done();
    assert_eq!(server.get("/api/devices", &token(&folder)), 200);
    assert_eq!(server.get("/api/devices", &before), 401);
    assert!(!folder.file("fleetmint-data/admin-token").is_symlink());
    assert_eq!(folder.read("secrets/token"), format!("{before}\n").as_bytes());
    server.end("-TERM");
}

#[test]
fn a_link_in_the_place_of_a_file_beside_the_database_is_named() {
    for has_database in [false, true] {
        for suffix in ["-wal", "-shm", "-journal"] {
            let folder = Folder::new();
            if has_database {
                Running::start(&folder, &[]).end("-TERM");
            } else {
                folder.write("fleetmint-data/other", "");
                std::fs::set_permissions(folder.file("fleetmint-data"), std::fs::Permissions::from_mode(0o700))
                    .unwrap();
            }
            let link = folder.file("fleetmint-data").join(format!("fleetmint.db{suffix}"));
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink("nowhere", &link).unwrap();
            let line = folder.line("fleetmint serve --listen 127.0.0.1:0").refused_with_log(1);
            assert!(
                line.starts_with(&format!(
                    "fleetmint: fleetmint-data/fleetmint.db: fleetmint-data/fleetmint.db{suffix}: it is a symbolic link"
                )),
                "{line}"
            );
            assert_eq!(folder.file("fleetmint-data/fleetmint.db").exists(), has_database);
            assert!(!folder.file("fleetmint-data/nowhere").exists());
        }
    }
}

#[test]
fn a_parent_folder_that_others_can_write_is_warned_about() {
    let folder = Folder::new();
    for dir in ["a/b", "other/c", "linked"] {
        std::fs::create_dir_all(folder.file(dir)).unwrap();
    }
    std::os::unix::fs::symlink("../a/b", folder.file("linked/b")).unwrap();
    let mode = |dir: &str, mode| {
        std::fs::set_permissions(folder.file(dir), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let warnings = |environment: &[(&str, &str)]| {
        Running::start(&folder, environment).end("-TERM");
        let said = String::from_utf8(folder.read("stderr")).unwrap();
        let lines = said.lines().filter(|line| line.contains("could rename"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let data = ("FLEETMINT_DATA__DIR", "a/b/data");
    let linked = ("FLEETMINT_DATA__DIR", "linked/b/data");
    let elsewhere = ("FLEETMINT_DATA__DATABASE_URL", "sqlite://other/c/devices.db");
    for dir in ["a", "a/b", "other", "other/c", "linked"] {
        mode(dir, 0o755);
    }
    assert_eq!(warnings(&[data, elsewhere]), [""; 0]);
    for (open, environment) in [
        ("a", [data, elsewhere]),
        ("a/b", [data, elsewhere]),
        ("other", [data, elsewhere]),
        ("a", [linked, elsewhere]),
        ("linked", [linked, elsewhere]),
    ] {
        mode(open, 0o777);
        let said = warnings(&environment);
        let path = folder.file(open).canonicalize().unwrap();
        assert_eq!(said.len(), 1, "{open}: {said:?}");
        let words = format!(
            "{} can be written by other users (mode 777), who could rename",
            path.display()
        );
        assert!(said[0].contains("\"WARN\"") && said[0].contains(&words), "{said:?}");
        // In /tmp only owners can rename their folders.
        mode(open, 0o1777);
        assert_eq!(warnings(&environment), [""; 0], "{open}");
        mode(open, 0o777);
        let allowed = ("FLEETMINT_DATA__ALLOW_SHARED_DIR", "true");
        assert_eq!(warnings(&[environment[0], environment[1], allowed]), [""; 0], "{open}");
        mode(open, 0o755);
    }
}

#[test]
fn a_new_database_is_warned_about() {
    let folder = Folder::new();
    // As if a volume were not mounted: keys and token are in the settings, so nothing else shows it.
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let settings = [
        ("FLEETMINT_DATA__MASTER_KEY", key),
        (
            "FLEETMINT_ACCESS__BOOTSTRAP_TOKEN",
            "a-token-of-the-settings-of-this-test",
        ),
    ];
    let warned = || {
        let said = String::from_utf8(folder.read("stderr")).unwrap();
        let mut lines = said.lines().filter(|line| line.contains("\"WARN\""));
        lines.any(|line| line.contains("a new, empty database was created in fleetmint-data/fleetmint.db"))
    };
    Running::start(&folder, &settings).end("-TERM");
    assert!(warned());
    Running::start(&folder, &settings).end("-TERM");
    assert!(!warned());
    // An empty file is not a database yet.
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.file(&format!("fleetmint-data/fleetmint.db{suffix}")));
    }
    folder.write("fleetmint-data/fleetmint.db", "");
    std::fs::remove_file(folder.file("fleetmint-data/database-created")).unwrap();
    Running::start(&folder, &settings).end("-TERM");
    assert!(warned());
}

#[test]
fn a_file_that_never_ends_is_read_up_to_a_limit() {
    let folder = Folder::new();
    let never_ends = |arguments: &[&str], variable: (&str, &str)| {
        folder
            .run_with([&["serve", "--listen", "127.0.0.1:0"], arguments].concat(), &[variable])
            .refused(2)
    };
    for key in [
        "DATA__MASTER_KEY",
        "DATA__DATABASE_URL",
        "ACCESS__BOOTSTRAP_TOKEN",
        "IDENTITY__KEYCLOAK__CLIENT_SECRET",
        "PROVISIONING__MQTT_URL",
        "PROVISIONING__WIFI_PASSWORD",
    ] {
        let variable = format!("FLEETMINT_{key}_FILE");
        let line = never_ends(&[], (&variable, "/dev/zero"));
        assert!(
            line.starts_with(&format!("fleetmint: {variable}: "))
                && line.ends_with(
                    "the file /dev/zero cannot be read: it has more than 65536 bytes, the limit for such a file"
                ),
            "{line}"
        );
    }
    let nothing = ("FLEETMINT_PORT", "");
    assert_eq!(
        never_ends(&["--config", "/dev/zero"], nothing),
        "fleetmint: /dev/zero: it has more than 1048576 bytes, the limit for such a file"
    );
    folder.write(
        "fleetmint.toml",
        "[identity]\nprovider = 'keycloak'\nkeycloak = { base_url = 'https://localhost', realm = 'r', client_id = 'c', \
         client_secret = 's', ca_file = '/dev/zero' }\n",
    );
    let line = folder.line("fleetmint serve --listen 127.0.0.1:0").refused_with_log(1);
    assert!(
        line.contains("/dev/zero: it has more than 4194304 bytes, the limit for such a file"),
        "{line}"
    );
    std::fs::remove_file(folder.file("fleetmint.toml")).unwrap();

    // Its own files have limits too, and cannot be devices or pipes.
    Running::start(&folder, &[]).end("-TERM");
    for name in ["master-key", "admin-token"] {
        let file = format!("fleetmint-data/{name}");
        let content = folder.read(&file);
        folder.write(&file, [b'a'; 65_537]);
        let line = folder.line("fleetmint serve --listen 127.0.0.1:0").refused_with_log(1);
        assert!(
            line.contains(&format!("{file}: it has more than 65536 bytes")),
            "{line}"
        );
        folder.write(&file, content);
    }

    // A setting may also name a pipe.
    let mut command = under(
        "exec 3<<END\naccess.bootstrap_token = 'the-token-came-by-a-pipe'\nEND\nset -- \"$@\" --config /dev/fd/3",
    );
    command.env("COLUMNS", "100");
    let server = Running::start_by(command, &folder, &[]);
    assert_eq!(server.get("/api/devices", "the-token-came-by-a-pipe"), 200);
    server.end("-TERM");
}

#[cfg(target_os = "linux")]
#[test]
fn a_missing_folder_is_named() {
    let folder = Folder::new();
    // Nobody can create anything in /proc.
    let line = folder
        .run_with(["serve"], &[("FLEETMINT_DATA__DIR", "/proc/missing")])
        .refused_with_log(1);
    assert!(
        line.starts_with("fleetmint: the data folder /proc/missing cannot be created: "),
        "{line}"
    );
    let line = folder
        .run_with(
            ["serve"],
            &[("FLEETMINT_DATA__DATABASE_URL", "sqlite://missing/devices.db")],
        )
        .refused_with_log(1);
    assert_eq!(
        line,
        "fleetmint: missing/devices.db: it cannot be created: the folder missing is missing"
    );
    assert!(!folder.file("missing").exists());
}

/// SQLite would read some of these as URIs, and would create another file than the one that was checked, with the mode
/// of the umask.
#[test]
fn the_database_is_the_named_file_whatever_its_name() {
    let url = "FLEETMINT_DATA__DATABASE_URL";
    let dir = "FLEETMINT_DATA__DIR";
    for (variable, value, file) in [
        (url, "sqlite://file:x.db", "file:x.db"),
        (url, "sqlite://file:%78.db#y", "file:%78.db#y"),
        (url, "sqlite://%41#b.db", "%41#b.db"),
        (url, "sqlite://sqlite:x.db", "sqlite:x.db"),
        (dir, "file:data", "file:data/fleetmint.db"),
        (dir, "file:data?mode=memory#x", "file:data?mode=memory#x/fleetmint.db"),
        (dir, "a?b#c%20d", "a?b#c%20d/fleetmint.db"),
    ] {
        let folder = Folder::new();
        let settings = [(variable, value)];
        let server = Running::start(&folder, &settings);
        for suffix in ["", "-wal"] {
            let path = folder.file(&format!("{file}{suffix}"));
            let metadata = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(metadata.len() > 0, "{}", path.display());
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
        let names = folder.names();
        let expected: &[&str] = match variable == url {
            true => &["fleetmint-data", "stderr"],
            false => &["stderr"],
        };
        let others: Vec<_> = names
            .iter()
            .filter(|name| !name.starts_with(file.split('/').next().unwrap()))
            .collect();
        assert_eq!(others, expected);
        server.end("-TERM");
        // Commands beside the server and the next start find it again.
        folder.run_with(["admin", "reset-token"], &settings).done();
        Running::start(&folder, &settings).end("-TERM");
    }
}
