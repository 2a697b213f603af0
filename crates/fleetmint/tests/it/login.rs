//! `fleetmint login`, and which server and token the commands use.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::fleet::{Fleet, command, on_terminal, run};
use crate::folder::Folder;

const LOGIN_FILE: &str = "config/fleetmint/login.json";

fn mode(folder: &Folder) -> u32 {
    let metadata = std::fs::metadata(folder.file(LOGIN_FILE)).unwrap();
    metadata.permissions().mode() & 0o777
}

#[test]
fn a_login_is_checked_stored_for_its_owner_and_used() {
    let (fleet, elsewhere) = (Fleet::start(), Folder::new());
    let login = format!("login {}", fleet.url());
    let wrong = fleet.run_in(&elsewhere, &login, &[], "fma_wrong\n");
    let line = wrong.refused(2);
    assert!(
        line.starts_with("fleetmint: unauthorized: ") && line.ends_with("(the token was not stored)"),
        "{line}"
    );
    assert_eq!(elsewhere.names(), [""; 0], "nothing is stored");
    let line = fleet.run_in(&elsewhere, &login, &[], "\n").refused(2);
    assert_eq!(line, "fleetmint: standard input: the token is empty");

    let done = fleet
        .run_in(&elsewhere, &login, &[], &format!("{}\n", fleet.token))
        .done();
    assert!(
        done.stderr.starts_with(&format!("logged in to {}; ", fleet.url())),
        "{}",
        done.stderr
    );
    assert_eq!(mode(&elsewhere), 0o600);
    let said = fleet.run_in(&elsewhere, "whoami", &[], "").done().stdout;
    assert!(said.contains(&fleet.url()) && said.contains(LOGIN_FILE), "{said}");

    // Others could have read it.
    std::fs::set_permissions(elsewhere.file(LOGIN_FILE), std::fs::Permissions::from_mode(0o640)).unwrap();
    let line = fleet.run_in(&elsewhere, "device list", &[], "").refused(2);
    assert!(
        line.contains("login.json: is open to other users (mode 640)") && line.contains("chmod 600"),
        "{line}"
    );
}

#[test]
fn a_token_is_only_sent_to_its_own_server() {
    let (one, other, elsewhere) = (Fleet::start(), Fleet::start(), Folder::new());
    let log_in = |fleet: &Fleet| {
        let login = format!("login {}", fleet.url());
        fleet.run_in(&elsewhere, &login, &[], &fleet.token).done();
    };
    log_in(&one);
    let to_other = format!("whoami --server {}", other.url());
    let line = one.run_in(&elsewhere, &to_other, &[], "").refused(2);
    assert!(
        line.contains(&format!("there is no token for {}", other.url())),
        "{line}"
    );
    log_in(&other);
    let server = |environment: &[(&str, &str)]| {
        let said = one
            .run_in(&elsewhere, "whoami --format json", environment, "")
            .done()
            .stdout;
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["server"].clone()
    };
    assert_eq!(server(&[]), other.url().as_str(), "that of the last login");
    assert_eq!(server(&[("FLEETMINT_URL", &one.url())]), one.url().as_str());

    // A token of the environment needs a server that is named.
    let environment = [("FLEETMINT_TOKEN", one.token.as_str())];
    let line = one.run_in(&elsewhere, "whoami", &environment, "").refused(2);
    assert!(
        line.contains("not the server that it is for: set FLEETMINT_URL"),
        "{line}"
    );
}

#[test]
fn servers_and_tokens_have_an_order() {
    let (fleet, elsewhere) = (Fleet::start(), Folder::new());
    let url = fleet.url();
    // Another spelling is the same server.
    let login = format!("login {}/", url.replace("http", "HTTP"));
    fleet.run_in(&elsewhere, &login, &[], &fleet.token).done();
    let file = elsewhere.write("token", format!("{}\n", fleet.token));
    let file = file.to_str().unwrap();
    let from = |environment: &[(&str, &str)]| {
        let run = fleet.run_in(&elsewhere, "whoami --format json", environment, "");
        let said = run.done().stdout;
        let from: serde_json::Value = serde_json::from_str(&said).unwrap();
        from["token_from"].as_str().unwrap().to_owned()
    };
    let named = ("FLEETMINT_URL", url.as_str());
    assert_eq!(from(&[named, ("FLEETMINT_TOKEN", &fleet.token)]), "FLEETMINT_TOKEN");
    assert_eq!(
        from(&[named, ("FLEETMINT_TOKEN_FILE", file)]),
        format!("FLEETMINT_TOKEN_FILE, {file}")
    );
    assert!(from(&[named]).ends_with(LOGIN_FILE));
    let refused = |environment: &[(&str, &str)]| fleet.run_in(&elsewhere, "whoami", environment, "").refused(2);
    let line = refused(&[named, ("FLEETMINT_TOKEN", "x"), ("FLEETMINT_TOKEN_FILE", file)]);
    assert!(line.contains("are both set"), "{line}");
    // A wrong one is not replaced by the next source.
    let line = refused(&[named, ("FLEETMINT_TOKEN", "fma_wrong")]);
    assert!(line.ends_with("(the token is from FLEETMINT_TOKEN)"), "{line}");
    let line = refused(&[named, ("FLEETMINT_TOKEN", "")]);
    assert_eq!(line, "fleetmint: FLEETMINT_TOKEN: is empty");
    let line = refused(&[named, ("FLEETMINT_TOKEN_FILE", "missing")]);
    assert!(line.starts_with("fleetmint: missing: "), "{line}");
    // The option comes before the variable.
    let dead = "http://127.0.0.1:1";
    let environment = [named, ("FLEETMINT_TOKEN", fleet.token.as_str())];
    let line = fleet
        .run_in(&elsewhere, &format!("whoami --server {dead}"), &environment, "")
        .refused(2);
    assert_eq!(line, format!("fleetmint: {dead} cannot be reached: connection refused"));
}

#[test]
fn the_server_of_the_data_folder_is_found_while_it_runs() {
    let Fleet { folder, server, token } = Fleet::start();
    let here = |folder: &Folder| run(folder, "whoami", &[], "");
    let said = here(&folder).done().stdout;
    assert!(
        said.contains(&server.address) && said.contains("fleetmint-data/admin-token"),
        "{said}"
    );
    assert!(!said.contains(&token));
    let named = format!("whoami --server http://{}", server.address);
    assert!(run(&folder, &named, &[], "").done().stdout.contains("admin-token"));

    // Whoever listens there after a server that was killed gets no token.
    let file = folder.read("fleetmint-data/address");
    server.end("-KILL");
    let line = here(&folder).refused(2);
    assert!(line.contains("no server runs with fleetmint-data"), "{line}");
    assert_eq!(folder.read("fleetmint-data/address"), file);

    let again = crate::running::Running::start(&folder, &[]);
    here(&folder).done();
    again.end("-TERM");
    assert!(!folder.file("fleetmint-data/address").exists());
    here(&folder).refused(2);
    let line = here(&Folder::new()).refused(2);
    assert!(
        line.contains("no server is named") && line.contains("fleetmint login URL"),
        "{line}"
    );
}

#[test]
fn whoever_has_the_number_and_the_address_of_a_killed_server_gets_no_token() {
    let Fleet { folder, server, .. } = Fleet::start();
    let process = std::process::id();
    server.end("-KILL");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    folder.write(
        "fleetmint-data/address",
        format!(r#"{{"process":{process},"url":"{url}"}}"#),
    );
    // As after a restart of the computer.
    folder.write("fleetmint-data/lock", format!("{process}\n"));
    let line = run(&folder, "whoami", &[], "").refused(2);
    assert!(line.contains("no server runs with fleetmint-data"), "{line}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody called it");
}

#[test]
fn a_login_keeps_what_others_have_changed_since_it_was_begun() {
    let (one, other, folder) = (Fleet::start(), Fleet::start(), Folder::new());
    one.run_in(&folder, &format!("login {}", one.url()), &[], &one.token)
        .done();
    // It waits for its token.
    let begin = |fleet: &Fleet| {
        command(&folder, &["login", &fleet.url()], &[])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let end = |fleet: &Fleet, mut login: std::process::Child| {
        let mut input = login.stdin.take().unwrap();
        input.write_all(fleet.token.as_bytes()).unwrap();
        drop(input);
        assert!(login.wait().unwrap().success());
    };
    let waiting = begin(&other);
    std::thread::sleep(std::time::Duration::from_millis(500));
    one.run_in(&folder, &format!("logout {}", one.url()), &[], "").done();
    end(&other, waiting);
    let stored = folder.read(LOGIN_FILE);
    assert!(
        !String::from_utf8_lossy(&stored).contains(&one.url()),
        "the token is back"
    );
    let both = [begin(&one), begin(&other)];
    for (fleet, login) in [&one, &other].into_iter().zip(both) {
        end(fleet, login);
    }
    for fleet in [&one, &other] {
        fleet
            .run_in(&folder, &format!("whoami --server {}", fleet.url()), &[], "")
            .done();
    }
}

#[test]
fn a_pipe_in_the_place_of_the_login_file_is_refused() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.file("config/fleetmint")).unwrap();
    let made = Command::new("mkfifo").arg(folder.file(LOGIN_FILE)).status().unwrap();
    assert!(made.success());
    let line = run(&folder, "whoami", &[], "").refused(2);
    assert!(line.ends_with("login.json: is not a file"), "{line}");
}

/// A server that gives each call this answer.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
    });
    url
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    const EMPTY: &[u8] =
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 30\r\n\r\n{\"items\":[],\"next_cursor\":\"a\"}";
    let url = answering(EMPTY);
    let environment = [("FLEETMINT_URL", url.as_str()), ("FLEETMINT_TOKEN", "token")];
    let line = run(&Folder::new(), "model list", &environment, "").refused(2);
    assert!(line.contains("there is a page after an empty one"), "{line}");
}

#[test]
fn an_address_that_is_none_is_refused_and_not_repeated() {
    let folder = Folder::new();
    for url in [
        "example.com",
        "ftp://example.com",
        "https://a:hunter2@example.com",
        "https://example.com?t=hunter2",
    ] {
        for line in [format!("login {url}"), format!("whoami --server {url}")] {
            let line = run(&folder, &line, &[], "").refused(2);
            assert!(line.contains("must be ") && !line.contains("hunter2"), "{line}");
        }
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let target = second.local_addr().unwrap();
    let url = format!("http://{}", first.local_addr().unwrap());
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = first.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        write!(
            stream,
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n"
        )
        .unwrap();
    });
    let folder = Folder::new();
    let line = run(&folder, &format!("login {url}"), &[], "hunter2hunter2").refused(2);
    answer.join().unwrap();
    assert!(
        line.contains(&format!("{url} redirects to http://{target}/, which is not followed")),
        "{line}"
    );
    second.set_nonblocking(true).unwrap();
    assert!(second.accept().is_err(), "nobody called the other server");
}

#[test]
fn a_server_that_is_none_of_ours_is_said_to_be_so() {
    for (answer, expected) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno",
            "answers 404 Not Found without saying why",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<html>hi</html>",
            "does not answer as a Fleetmint server",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{",
            "the answer was cut off",
        ),
        ("", "did not answer: "),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let line = run(&Folder::new(), &format!("login {url}"), &[], "token").refused(2);
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn http_across_the_network_is_warned_about() {
    let (fleet, elsewhere) = (Fleet::start(), Folder::new());
    // It leads to this computer, and its name does not say so.
    let url = fleet.url().replace("127.0.0.1", "0.0.0.0");
    let environment = [("FLEETMINT_TOKEN", fleet.token.as_str()), ("FLEETMINT_URL", &url)];
    let run = fleet.run_in(&elsewhere, "whoami", &environment, "").done();
    assert!(
        run.stderr
            .starts_with(&format!("warning: {url} is http and not on this computer")),
        "{}",
        run.stderr
    );
}

#[test]
fn authorities_are_read_from_a_pem_file() {
    let folder = Folder::new();
    folder.write("no.pem", "nothing");
    let environment = [
        ("FLEETMINT_CA_FILE", "no.pem"),
        ("FLEETMINT_URL", "https://127.0.0.1:1"),
        ("FLEETMINT_TOKEN", "x"),
    ];
    let line = run(&folder, "whoami", &environment, "").refused(2);
    assert_eq!(line, "fleetmint: FLEETMINT_CA_FILE: no.pem: it contains no certificate");
}

#[test]
fn the_terminal_does_not_show_the_token() {
    let (fleet, elsewhere) = (Fleet::start(), Folder::new());
    let call = format!("login {}", fleet.url());
    let Some((exit, said)) = on_terminal(&elsewhere, &call, "Token for ", &fleet.token) else {
        return;
    };
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("logged in to") && !said.contains(&fleet.token), "{said}");
    assert_eq!(mode(&elsewhere), 0o600);
}
