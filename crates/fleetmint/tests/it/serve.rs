mod files;
mod readiness;

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fleetmint_nvs::entry::{Entry, Number};
use fleetmint_nvs::layout::{BITMAP_OFFSET, ENTRIES_OFFSET, ENTRY_COUNT, ENTRY_SIZE, PAGE_SIZE, Version};
use fleetmint_nvs::page::{Bitmap, EntryState, PageHeader, PageState};
use fleetmint_nvs::{Key, Namespace};

use crate::folder::Folder;
use crate::running::{Running, token};

#[test]
fn without_settings_it_serves_and_ends_on_a_signal() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[("FLEETMINT_PORT", "tcp://10.0.0.1:80")]);
    let secret = token(&folder);
    assert_eq!(server.get("/readyz", ""), 200);
    assert_eq!(server.get("/api/devices", &secret), 200);
    assert_eq!(server.get("/api/devices", "x"), 401);
    let mode = |name: &str| std::fs::metadata(folder.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("fleetmint-data"), 0o700);
    assert_eq!(mode("fleetmint-data/admin-token"), 0o600);
    assert_eq!(mode("fleetmint-data/master-key"), 0o600);
    let said = server.said().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        said,
        format!(
            "fleetmint {version} listens on http://{}\nan administrator token was created and stored in \
             fleetmint-data/admin-token\n",
            server.address
        )
    );
    assert_eq!(server.end("-TERM"), (Some(0), said));

    let again = Running::start(&folder, &[]);
    assert!(
        again
            .said()
            .contains("the administrator token is in fleetmint-data/admin-token")
    );
    assert_eq!(again.get("/api/devices", &secret), 200);
    assert_eq!(again.end("-INT").0, Some(0));
    for line in String::from_utf8(folder.read("stderr")).unwrap().lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line} is not JSON");
    }
}

#[test]
fn a_second_server_in_the_same_folder_is_refused() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let line = folder.line("fleetmint serve --listen 127.0.0.1:0").refused_with_log(1);
    assert_eq!(
        line,
        format!(
            "fleetmint: fleetmint-data is used by another fleetmint server (process {}); stop it, or set data.dir to \
             another folder",
            server.id()
        )
    );
    assert_eq!(server.get("/livez", ""), 200);
    // Whatever ended the first one, the folder is then free.
    server.end("-KILL");
    Running::start(&folder, &[]);
}

#[test]
fn a_used_port_is_a_clear_error() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let line = folder
        .line(&format!("fleetmint serve --listen {address}"))
        .refused_with_log(1);
    assert_eq!(
        line,
        format!(
            "fleetmint: server.listen: {address} is in use by another program; choose another address with --listen"
        )
    );
}

#[test]
fn settings_that_cannot_be_used_stop_the_start() {
    for (file, line) in [
        (
            "[server]\nport = 80\n",
            "fleetmint.toml:2: unknown key server.port; [server] has forwarded, large_bodies_max, listen, max_connections, max_connections_per_address, public_url, trusted_proxies",
        ),
        (
            "[server]\nlisten = '127.0.0.1:http'\n",
            "fleetmint.toml:2: server.listen: must end in a port from 0 to 65535; \"http\" is not one",
        ),
        (
            "identity.provider = 'keycloak'\n",
            "settings: identity.keycloak.base_url: is required when identity.provider is keycloak",
        ),
    ] {
        let folder = Folder::new();
        folder.write("fleetmint.toml", file);
        assert_eq!(folder.line("fleetmint serve").refused(2), format!("fleetmint: {line}"));
        assert_eq!(folder.names(), ["fleetmint.toml"], "nothing was made");
    }
    let folder = Folder::new();
    let line = folder.line("fleetmint serve --config elsewhere.toml").refused(2);
    assert!(line.starts_with("fleetmint: elsewhere.toml: "), "{line}");
    folder.write("other.toml", "[data]\ndir = 'elsewhere'\n[server]\nlisten = 'here'\n");
    let line = folder.line("fleetmint serve --config other.toml").refused(2);
    assert!(line.starts_with("fleetmint: other.toml:4: server.listen: "), "{line}");
    let line = folder.line("fleetmint serve --listen here").refused(2);
    assert!(line.starts_with("fleetmint: --listen: server.listen: "), "{line}");
}

#[test]
fn another_master_key_stops_the_start() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    let key = folder.read("fleetmint-data/master-key");

    std::fs::remove_file(folder.file("fleetmint-data/master-key")).unwrap();
    let start = || folder.line("fleetmint serve --listen 127.0.0.1:0").refused_with_log(1);
    let line = start();
    assert!(line.contains("fleetmint-data/master-key is missing"), "{line}");
    assert!(
        !folder.file("fleetmint-data/master-key").exists(),
        "no other key was made"
    );

    folder.write(
        "fleetmint-data/master-key",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    );
    let line = start();
    assert!(line.contains("the database was made with another master key"), "{line}");
    assert!(line.contains("fleetmint-data/master-key"), "{line}");

    folder.write("fleetmint-data/master-key", "too short");
    let line = start();
    assert!(
        line.contains("fleetmint-data/master-key: must be standard base64 of 32 bytes"),
        "{line}"
    );

    // The correct key, from another source.
    folder.write("fleetmint-data/master-key", "");
    let key = String::from_utf8(key).unwrap();
    let server = Running::start(&folder, &[("FLEETMINT_DATA__MASTER_KEY", key.trim())]);
    assert_eq!(server.get("/readyz", ""), 200);
}

#[test]
fn nothing_that_it_prints_contains_a_secret() {
    let folder = Folder::new();
    folder.write("bootstrap", "the-bootstrap-token-of-this-test\n");
    let environment = [
        ("FLEETMINT_ACCESS__BOOTSTRAP_TOKEN_FILE", folder.file("bootstrap")),
        ("FLEETMINT_PROVISIONING__WIFI_PASSWORD", "the wifi password".into()),
    ];
    let mut environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.to_str().unwrap()))
        .collect();
    environment.push(("RUST_LOG", "trace"));
    let server = Running::start(&folder, &environment);
    let token = "the-bootstrap-token-of-this-test";
    assert!(
        server
            .said()
            .ends_with("the administrator token is the setting access.bootstrap_token\n")
    );
    assert!(!folder.file("fleetmint-data/admin-token").exists());
    let post = |path: &str, body: &str| server.call("POST", path, token, body);
    assert_eq!(post("/api/device-models", r#"{"code":"m","name":"M"}"#).0, 201);
    let body = r#"{"device_model_id":1,"name":"D","provisioning":{"wifi_password":"of the device"}}"#;
    assert_eq!(post("/api/devices", body).0, 201);
    let (status, image) = server.call("GET", "/api/devices/1/provisioning", token, "");
    assert_eq!(status, 200);
    assert_eq!(post("/oauth2/token", "client_secret=of+nobody+at+all").0, 400);
    let (_, said) = server.end("-TERM");
    let everything = said + &String::from_utf8(folder.read("stderr")).unwrap();
    let data = image.split('"').find(|part| part.len() > 1000).unwrap();
    for secret in [
        token,
        "the wifi password",
        "of the device",
        "of+nobody",
        &data[..64],
        String::from_utf8(folder.read("fleetmint-data/master-key"))
            .unwrap()
            .trim(),
    ] {
        assert!(!everything.contains(secret));
    }
    assert!(everything.contains("create_device"), "the log holds what happened");
}

#[test]
fn it_runs_even_if_nobody_reads_its_output() {
    let folder = Folder::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_fleetmint"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(server.stdout.take());
    let deadline = Instant::now() + Duration::from_secs(30);
    let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    while !listens() && Instant::now() < deadline && server.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // It listens before it prints: this gives it time to fail when it prints.
    std::thread::sleep(Duration::from_millis(300));
    let ended = server.try_wait().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(ended, None);
}

/// A partition full of items that `item` creates for each page and entry.
fn partition(size: usize, item: impl Fn(usize, usize) -> Entry) -> Vec<u8> {
    let page = |number: usize| {
        let mut page = vec![0xFF; PAGE_SIZE];
        let mut bitmap = Bitmap::EMPTY;
        for (index, entry) in page[ENTRIES_OFFSET..].chunks_exact_mut(ENTRY_SIZE).enumerate() {
            entry.copy_from_slice(&item(number, index).to_bytes());
            bitmap.set(index, EntryState::Written);
        }
        let header = PageHeader::encode(PageState::Full, u32::try_from(number).unwrap(), Version::V2);
        page[..BITMAP_OFFSET].copy_from_slice(&header);
        page[BITMAP_OFFSET..ENTRIES_OFFSET].copy_from_slice(&bitmap.to_bytes());
        page
    };
    let pages = size / PAGE_SIZE;
    let mut image: Vec<u8> = (0..pages - 2).flat_map(page).collect();
    image.resize(size, 0xFF);
    image
}

/// 16 MiB with one key again and again, in the namespace index for which all others are searched.
fn malicious_partition() -> Vec<u8> {
    partition(16 << 20, |page, index| match (page, index) {
        (0, 0) => Entry::namespace(&Namespace::new("any").unwrap(), 255),
        _ => Entry::string(255, &Key::new(format!("k{}", index % 3)).unwrap(), b""),
    })
}

/// As many small values as fit, in two namespaces with one name: the content that needs the most memory for its size.
fn crowded_partition(size: usize) -> Vec<u8> {
    partition(size, |page, index| match (page, index) {
        (0, 0 | 1) => Entry::namespace(&Namespace::new("any").unwrap(), if index == 0 { 1 } else { 2 }),
        _ => {
            let key = Key::new(format!("k{}", page * ENTRY_COUNT + index)).unwrap();
            Entry::number(if index % 2 == 0 { 1 } else { 2 }, &key, Number::U8(7))
        }
    })
}

/// The peak memory of a server so far, in bytes.
#[cfg(target_os = "linux")]
fn most_memory(server: &Running) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_of_patches_is_bounded_for_any_partitions() {
    const MAX: usize = 64 << 20;
    let folder = Folder::new();
    let server = Running::start(&folder, &[("FLEETMINT_SERVER__LARGE_BODIES_MAX", &MAX.to_string())]);
    let secret = token(&folder);
    let (status, _) = server.call("POST", "/api/device-models", &secret, r#"{"code":"m","name":"M"}"#);
    assert_eq!(status, 201);
    let (status, _) = server.call("POST", "/api/devices", &secret, r#"{"device_model_id":1,"name":"D"}"#);
    assert_eq!(status, 201);
    let before = most_memory(&server);
    let body = format!(r#"{{"data":"{}"}}"#, BASE64_STANDARD.encode(crowded_partition(2 << 20)));
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let patch = || {
            server
                .call("POST", "/api/devices/1/provisioning/patch", &secret, &body)
                .0
        };
        let calls: Vec<_> = (0..12).map(|_| scope.spawn(patch)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|status| matches!(status, 200 | 503)), "{answers:?}");
    assert!(answers.contains(&200), "{answers:?}");
    let taken = most_memory(&server) - before;
    // The allocator keeps some freed memory for each thread.
    assert!(taken < 2 * MAX, "{taken} bytes");
}

#[test]
fn the_end_does_not_wait_for_abandoned_work() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let secret = token(&folder);
    let (status, _) = server.call("POST", "/api/device-models", &secret, r#"{"code":"m","name":"M"}"#);
    assert_eq!(status, 201);
    let (status, _) = server.call("POST", "/api/devices", &secret, r#"{"device_model_id":1,"name":"D"}"#);
    assert_eq!(status, 201);

    let body = format!(r#"{{"data":"{}"}}"#, BASE64_STANDARD.encode(malicious_partition()));
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "POST /api/devices/1/provisioning/patch HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {secret}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    )
    .unwrap();
    // The work begins; then its caller disconnects.
    std::thread::sleep(Duration::from_millis(500));
    drop(stream);
    let told = Instant::now();
    assert_eq!(server.end("-TERM").0, Some(0));
    assert!(told.elapsed() < Duration::from_secs(9), "{:?}", told.elapsed());
}

#[test]
fn sighup_ends_it_like_the_other_signals() {
    let folder = Folder::new();
    for (how, ends) in [("--default-signal=HUP", true), ("--ignore-signal=HUP", false)] {
        let mut command = std::process::Command::new("env");
        command.args([how, env!("CARGO_BIN_EXE_fleetmint")]);
        let server = Running::start_by(command, &folder, &[]);
        if ends {
            assert_eq!(server.end("-HUP").0, Some(0));
        } else {
            // Like under nohup.
            server.signal("-HUP");
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(server.get("/livez", ""), 200);
        }
    }
}

/// A request whose body never arrives: the server waits ten seconds for it.
fn unfinished(server: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(server.get("/livez", ""), 200);
    stream
}

#[test]
fn a_second_signal_ends_it_at_once() {
    use std::os::unix::process::ExitStatusExt as _;
    let folder = Folder::new();
    let mut server = Running::start(&folder, &[]);
    let _stream = unfinished(&server);
    let began = Instant::now();
    server.signal("-TERM");
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.ended().is_none(), "it waits for the request");
    server.signal("-INT");
    let status = server.wait();
    assert_eq!(status.signal(), Some(2));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_request_that_never_ends_does_not_keep_it_from_ending() {
    let folder = Folder::new();
    let mut server = Running::start(&folder, &[]);
    let _stream = unfinished(&server);
    let began = Instant::now();
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

/// The program run by a shell command line, which gets it and its arguments as `"$0" "$@"`.
fn under(shell: &str) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        &format!("{shell}; exec \"$0\" \"$@\""),
        env!("CARGO_BIN_EXE_fleetmint"),
    ]);
    command
}

#[test]
fn its_files_are_private_with_any_umask_and_in_any_folder() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file("elsewhere")).unwrap();
    let place = &[("FLEETMINT_DATA__DATABASE_URL", "sqlite://elsewhere/devices.db")];
    let private = || {
        let mut seen = Vec::new();
        for dir in ["fleetmint-data", "elsewhere"] {
            for entry in std::fs::read_dir(folder.file(dir)).unwrap() {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", entry.path().display());
                seen.push(entry.file_name().into_string().unwrap());
            }
        }
        seen.sort();
        seen
    };
    let all = [
        "address",
        "admin-token",
        "admin-token.lock",
        "control.sock",
        "database-created",
        "devices.db",
        "devices.db-shm",
        "devices.db-wal",
        "lock",
        "master-key",
    ];
    let server = Running::start_by(under("umask 000"), &folder, place);
    assert_eq!(private(), all);
    server.end("-KILL");

    // A carelessly made copy is made private again.
    for name in all {
        for dir in ["fleetmint-data", "elsewhere"] {
            let file = folder.file(dir).join(name);
            if file.exists() {
                std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).unwrap();
            }
        }
    }
    let server = Running::start_by(under("umask 000"), &folder, place);
    folder.run_with(["admin", "reset-token"], place).done();
    assert_eq!(private(), all);
    server.end("-TERM");
}

#[test]
fn a_data_folder_that_others_can_write_is_refused() {
    let folder = Folder::new();
    let data = folder.file("fleetmint-data");
    std::fs::create_dir(&data).unwrap();
    let mode = |mode| std::fs::set_permissions(&data, std::fs::Permissions::from_mode(mode)).unwrap();
    for shared in [0o770, 0o702] {
        mode(shared);
        let line = folder.line("fleetmint serve --listen 127.0.0.1:0").refused_with_log(1);
        assert_eq!(
            line,
            format!(
                "fleetmint: fleetmint-data can be written by other users (mode {shared:03o}), who could replace the \
                 database and its keys; remove their permissions (chmod 700), or set data.allow_shared_dir = true if they \
                 may"
            )
        );
        assert!(std::fs::read_dir(&data).unwrap().next().is_none(), "nothing was made");
    }
    let allowed = Running::start(&folder, &[("FLEETMINT_DATA__ALLOW_SHARED_DIR", "true")]);
    assert_eq!(allowed.get("/livez", ""), 200);
    allowed.end("-TERM");
    folder.write("fleetmint.toml", "data.allow_shared_dir = true\n");
    Running::start(&folder, &[]).end("-TERM");
    folder.write("fleetmint.toml", "data.allow_shared_dir = 'yes'\n");
    let line = folder.line("fleetmint serve").refused(2);
    assert_eq!(
        line,
        "fleetmint: fleetmint.toml:1: data.allow_shared_dir: must be true or false"
    );
    std::fs::remove_file(folder.file("fleetmint.toml")).unwrap();

    let said = |words: &str| String::from_utf8(folder.read("stderr")).unwrap().contains(words);
    mode(0o755);
    Running::start(&folder, &[]).end("-TERM");
    assert!(said("other users can read or enter the data folder"));
    mode(0o700);
    Running::start(&folder, &[]).end("-TERM");
    assert!(!said("other users can read"));
}

#[test]
fn a_lost_database_is_replaced_only_with_an_option() {
    let folder = Folder::new();
    let server = Running::start(&folder, &[]);
    let (before, key) = (token(&folder), folder.read("fleetmint-data/master-key"));
    server.end("-TERM");
    for lost in ["gone", "empty"] {
        let database = folder.file("fleetmint-data/fleetmint.db");
        std::fs::remove_file(&database).unwrap();
        if lost == "empty" {
            std::fs::write(&database, "").unwrap();
        }
        let line = folder.line("fleetmint serve --listen 127.0.0.1:0").refused_with_log(1);
        assert!(
            line.starts_with(
                "fleetmint: there is no database at fleetmint-data/fleetmint.db, although fleetmint-data/master-key \
                 shows that there was one"
            ) && line.contains("--new-database"),
            "{line}"
        );
        assert_eq!(database.exists(), lost == "empty");

        let mut command = under("set -- \"$@\" --new-database");
        command.env("COLUMNS", "100");
        let server = Running::start_by(command, &folder, &[]);
        assert_eq!(server.get("/api/devices", &token(&folder)), 200);
        assert_eq!(server.get("/api/devices", &before), 401);
        assert_eq!(folder.read("fleetmint-data/master-key"), key);
        server.end("-TERM");
        Running::start(&folder, &[]).end("-TERM");
    }
}

#[test]
fn a_lost_database_is_noticed_if_key_and_token_are_settings() {
    let folder = Folder::new();
    let settings = [
        (
            "FLEETMINT_DATA__MASTER_KEY",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("FLEETMINT_ACCESS__BOOTSTRAP_TOKEN", "a-token-that-is-long-enough"),
    ];
    // The database may be in another folder: then only the marker file is left.
    for database in ["fleetmint-data/fleetmint.db", "elsewhere.db"] {
        let url = format!("sqlite://{database}");
        let settings = [settings[0], settings[1], ("FLEETMINT_DATA__DATABASE_URL", &url)];
        std::fs::remove_dir_all(folder.file("fleetmint-data")).ok();
        Running::start(&folder, &settings).end("-TERM");
        Running::start(&folder, &settings).end("-TERM");
        std::fs::remove_file(folder.file(database)).unwrap();
        // A server that starts anyway would not end by itself.
        let refused = std::process::Command::new("timeout")
            .args([
                "20",
                env!("CARGO_BIN_EXE_fleetmint"),
                "serve",
                "--listen",
                "127.0.0.1:0",
            ])
            .current_dir(folder.path())
            .envs(settings)
            .output()
            .unwrap();
        let line = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{line}");
        assert!(
            line.contains(&format!(
                "there is no database at {database}, although fleetmint-data/database-created shows that there was one"
            )),
            "{line}"
        );
        assert!(!folder.file(database).exists());
    }
}

#[test]
fn unfinished_files_of_a_killed_process_are_deleted_at_the_next_start() {
    let folder = Folder::new();
    Running::start(&folder, &[]).end("-TERM");
    let secret = token(&folder);
    let left = [
        ".fleetmint-admin-token-a1B2c3D4e5F6g7H8.tmp",
        ".fleetmint-master-key-Zz9Yy8Xx7Ww6Vv5U.tmp",
    ];
    let kept = [
        "admin-token.of-mine.tmp",
        "master-key.backup.tmp",
        "master-key.a1B2c3.tmp",
        "fleetmint.db.a1B2c3.tmp",
    ];
    for name in left.iter().chain(&kept) {
        folder.write(&format!("fleetmint-data/{name}"), "a secret that was never used");
    }
    let server = Running::start(&folder, &[]);
    let is_there = |name: &&str| folder.file(&format!("fleetmint-data/{name}")).exists();
    assert!(!left.iter().any(is_there) && kept.iter().all(is_there));
    assert_eq!(server.get("/api/devices", &secret), 200);
}

#[test]
fn the_token_of_the_settings_is_stored_once_and_recorded_with_its_outcome() {
    const TOKEN: &str = "the-bootstrap-token-of-this-test";
    let folder = Folder::new();
    let start = || Running::start(&folder, &[("FLEETMINT_ACCESS__BOOTSTRAP_TOKEN", TOKEN)]);
    let records = |server: &Running| {
        let (status, body) = server.call("GET", "/api/audit?action=set_admin_token", TOKEN, "");
        assert_eq!(status, 200, "{body}");
        let page: serde_json::Value = serde_json::from_str(&body).unwrap();
        let outcomes = page["items"].as_array().unwrap().iter().map(|item| {
            assert_eq!(
                (item["actor"].as_str(), item["source"].as_str()),
                (Some("system"), Some("fleetmint serve"))
            );
            let text = |member: &str| item[member].as_str().unwrap_or_default();
            format!("{} {}", text("outcome"), text("reason")).trim_end().to_owned()
        });
        outcomes.collect::<Vec<_>>()
    };
    Running::start(&folder, &[]).end("-TERM");
    // The generated token cannot be deleted: its place is taken by a folder.
    let file = folder.file("fleetmint-data/admin-token");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    folder
        .run_with(
            ["serve", "--listen", "127.0.0.1:0"],
            &[("FLEETMINT_ACCESS__BOOTSTRAP_TOKEN", TOKEN)],
        )
        .refused_with_log(1);
    std::fs::remove_dir(&file).unwrap();

    let server = start();
    assert_eq!(records(&server), ["failed unavailable", "started"]);
    server.end("-TERM");
    // With a generated token's file that is not deleted yet, it is a change again.
    folder.write("fleetmint-data/admin-token", "an older token");
    for _ in 0..2 {
        let server = start();
        assert_eq!(
            records(&server),
            ["succeeded", "started", "failed unavailable", "started"]
        );
        assert!(!file.exists());
        server.end("-TERM");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_core_file_and_no_other_process_has_its_memory() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65534;
    let folder = Folder::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fleetmint"));
    if std::fs::metadata(folder.path()).unwrap().uid() == 0 {
        // Root may read everything, so another user must run it, who may have no access to the folder of the build.
        let program = folder.file("program");
        std::fs::copy(env!("CARGO_BIN_EXE_fleetmint"), &program).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        command = std::process::Command::new(program);
        command.uid(NOBODY).gid(NOBODY);
    }
    let server = Running::start_by(command, &folder, &[]);
    let process = format!("/proc/{}", server.id());
    // The files in /proc of a process that is not dumpable belong to root.
    assert_eq!(std::fs::metadata(format!("{process}/mem")).unwrap().uid(), 0);
    let limits = std::fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    // It can still read its own resource usage.
    let (status, metrics) = server.call("GET", "/metrics", "", "");
    assert_eq!(status, 200);
    assert!(metrics.contains("process_open_fds"), "{metrics}");
}
