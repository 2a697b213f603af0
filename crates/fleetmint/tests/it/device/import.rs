use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::fleet::{Fleet, command, run};
use crate::folder::Folder;

/// A table of so many devices.
fn table(count: usize) -> String {
    let mut table = "model,name,serial,wifi_ssid,wifi_password\n".to_owned();
    for number in 1..=count {
        table.push_str(&format!(
            "tempsensor,Sensor {number},SN-{number:04},Site,hunter2 {number:04}\n"
        ));
    }
    table
}

/// The serials of all devices, with how many have each.
fn serials(fleet: &Fleet) -> BTreeMap<String, usize> {
    let mut serials = BTreeMap::new();
    for device in fleet.json("device list").0.as_array().unwrap() {
        let serial = device["serial"].as_str().unwrap_or("none").to_owned();
        *serials.entry(serial).or_default() += 1;
    }
    serials
}

#[test]
fn each_row_becomes_a_device() {
    let fleet = Fleet::with_model();
    fleet.folder.write("devices.csv", table(3));
    let checked = fleet.run("device import devices.csv --dry-run").done();
    assert_eq!(
        checked.stderr,
        "devices.csv: 3 rows, all of them right: 0 exist already, 3 would be created\n"
    );
    assert_eq!(serials(&fleet).len(), 0);
    let run = fleet.run("device import devices.csv").done();
    assert_eq!(run.stderr, "devices.csv: 3 rows: 3 created, 0 existed already\n");
    assert!(run.stdout.starts_with("LINE  OUTCOME  ID  KEY"), "{}", run.stdout);
    assert!(!run.stdout.contains("hunter2"));
    assert_eq!(
        fleet.json("device show 2").text("/provisioning/wifi_password_state"),
        "set"
    );

    fleet.folder.write("devices.csv", table(4));
    let run = fleet.run("device import devices.csv --format csv").done();
    assert_eq!(run.stderr, "devices.csv: 4 rows: 1 created, 3 existed already\n");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "line,outcome,id,key,client_id,serial,name");
    assert!(
        lines[1].starts_with("2,existed,1,") && lines[4].starts_with("5,created,4,"),
        "{lines:?}"
    );
}

#[test]
fn every_bad_line_is_named_before_anything_is_created() {
    let fleet = Fleet::with_model();
    fleet.run("model create gateway").done();
    fleet.run("device create --model gateway --name G --serial SN-G").done();
    fleet.folder.write(
        "devices.csv",
        "model,name,serial,base_url,wifi_password\n\
         tempsensor,Good,SN-1,,\n\
         tempsenser,Typo,SN-2,,\n\
         tempsensor,,SN-1,ftp://x,hunter2\n\
         tempsensor,Theirs,SN-G,,\n\
         tempsensor,Short\n",
    );
    let run = fleet.run("device import devices.csv");
    assert_eq!((run.exit, run.stdout.as_str()), (2, ""));
    assert_eq!(
        run.stderr.lines().collect::<Vec<_>>(),
        [
            "devices.csv:3: column model: there is no device model with the id or code tempsenser",
            "devices.csv:4: column name: must have a visible character",
            "devices.csv:4: column base_url: must be an http or https URL, such as https://example.com",
            "devices.csv:4: column wifi_password: wifi_password has 7 bytes: it must be 8 to 63 bytes of UTF-8, or 64 \
             hexadecimal digits",
            "devices.csv:4: column serial: line 2 has the same serial",
            &format!(
                "devices.csv:5: column serial: the device {} has this serial, and its model is gateway",
                fleet.json("device show 1").text("/key")
            ),
            "devices.csv:6: it has 2 fields, the header has 5 columns",
            "fleetmint: devices.csv: nothing was created: 7 places must be corrected first",
        ]
    );
    assert_eq!(serials(&fleet).len(), 1);
}

#[test]
fn a_row_that_only_the_server_refuses_is_named_and_the_others_are_created() {
    let fleet = Fleet::with_model();
    // A braille cell without dots: blank on every screen, and a symbol in Unicode.
    fleet.folder.write(
        "devices.csv",
        "model,name\ntempsensor,A\ntempsensor,\u{2800}\ntempsensor,B\n",
    );
    let run = fleet.run("device import devices.csv");
    assert_eq!(run.exit, 1);
    assert_eq!(
        run.stderr,
        "devices.csv:3: column name: the name must not be blank\n\
         devices.csv: 3 rows: 2 created, 0 existed already\n\
         fleetmint: devices.csv: the server refused 1 row, see above; the others are there\n"
    );
    assert_eq!(run.stdout.lines().count(), 3);
}

#[test]
fn rows_without_a_serial_are_recognized_too() {
    let fleet = Fleet::with_model();
    fleet
        .folder
        .write("devices.csv", "model,name\ntempsensor,A\ntempsensor,A\ntempsensor,B\n");
    let import = || fleet.run("device import devices.csv").done().stderr;
    assert_eq!(import(), "devices.csv: 3 rows: 3 created, 0 existed already\n");
    assert_eq!(import(), "devices.csv: 3 rows: 0 created, 3 existed already\n");
    // The server remembers its first answer, but the device is gone.
    fleet.run("device delete 2 --yes").done();
    assert_eq!(import(), "devices.csv: 3 rows: 1 created, 2 existed already\n");
    assert_eq!(import(), "devices.csv: 3 rows: 0 created, 3 existed already\n");
    assert_eq!(serials(&fleet)["none"], 3);
}

#[test]
fn a_row_without_a_serial_whose_values_have_changed_says_what_to_do() {
    let fleet = Fleet::with_model();
    let import = |ssid: &str| {
        let table = format!("model,name,wifi_ssid\ntempsensor,A,{ssid}\n");
        fleet.folder.write("devices.csv", table);
        fleet.run("device import devices.csv")
    };
    import("one").done();
    let run = import("other");
    assert_eq!(run.exit, 1);
    assert!(
        run.stderr.starts_with(
            "devices.csv:2: a device with this model and name was created from other values within the last day: "
        ),
        "{}",
        run.stderr
    );
}

#[test]
fn a_password_with_quotation_marks_is_taken_whole_or_refused() {
    let fleet = Fleet::with_model();
    for row in ["tempsensor,A,\"abc\"defgh", "tempsensor,A,\"abcdefgh"] {
        fleet
            .folder
            .write("devices.csv", format!("model,name,wifi_password\n{row}"));
        let run = fleet.run("device import devices.csv");
        assert!(
            run.exit == 2 && run.stderr.starts_with("devices.csv:2: ") && run.stderr.contains("quotation mark"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("defgh"), "{}", run.stderr);
    }
    assert_eq!(serials(&fleet).len(), 0);
}

#[test]
fn an_import_that_is_killed_goes_on_and_creates_each_serial_once() {
    const ROWS: usize = 1000;
    let fleet = Fleet::with_model();
    fleet.folder.write("devices.csv", table(ROWS));
    let mut import = command(&fleet.folder, &["device", "import", "devices.csv"], &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let halfway = "/api/devices?serial=SN-0400";
    while !fleet
        .server
        .call("GET", halfway, &fleet.token, "")
        .1
        .contains("SN-0400")
    {
        assert!(Instant::now() < deadline && import.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    import.kill().unwrap();
    import.wait().unwrap();
    let there = serials(&fleet).len();
    assert!((400..ROWS).contains(&there), "{there}");

    let run = fleet.run("device import devices.csv --format csv").done();
    let count = |outcome: &str| run.stdout.matches(&format!(",{outcome},")).count();
    // The last one may have been created between the kill and the list.
    assert!(count("existed") >= there, "{} of {there}", count("existed"));
    assert_eq!(count("existed") + count("created"), ROWS);
    let serials = serials(&fleet);
    assert_eq!(serials.len(), ROWS);
    assert!(serials.values().all(|count| *count == 1));
}

#[test]
fn an_import_stops_where_the_server_is_gone() {
    let fleet = Fleet::with_model();
    fleet.folder.write("devices.csv", table(1000));
    let environment = [("FLEETMINT_URL", fleet.url()), ("FLEETMINT_TOKEN", fleet.token.clone())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let import = command(
        &fleet.folder,
        &["device", "import", "devices.csv", "--format", "csv"],
        &environment,
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    while !fleet
        .server
        .call("GET", "/api/devices?serial=SN-0050", &fleet.token, "")
        .1
        .contains("SN-0050")
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    fleet.server.signal("-KILL");
    let run = crate::folder::Run::from(import.wait_with_output().unwrap());
    assert_eq!(run.exit, 2, "{}", run.stderr);
    let last = run.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("fleetmint: devices.csv:") && last.contains("the same command goes on where it stopped"),
        "{last}"
    );
    assert!(run.stdout.contains("51,created,50,"), "what was done is reported");
}

/// A call was answered and its answer lost, and the server is gone again when it is asked what became of it.
#[test]
fn an_import_outlasts_a_server_that_is_gone_between_two_calls() {
    let object = r#""id":1,"name":"A","provisioning":{},"created_at":"","updated_at":"""#;
    let model = format!(r#"{{"items":[{{{object},"code":"m"}}],"next_cursor":null}}"#);
    let device = format!(
        r#"{{"items":[{{{object},"key":"k","client_id":"c","serial":"S","device_model_id":1}}],"next_cursor":null}}"#
    );
    let none = r#"{"items":[],"next_cursor":null}"#.to_owned();
    let taken = r#"{"type":"urn:fleetmint:problem:already-exists","status":409,"detail":"taken"}"#.to_owned();
    let script = [
        (200, model),
        (200, none),
        (409, taken.clone()),
        // No answer.
        (0, String::new()),
        (409, taken),
        (200, device),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for (status, body) in script {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 8192]);
            if status > 0 {
                let kind = if status == 200 { "json" } else { "problem+json" };
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/{kind}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        }
    });
    let folder = Folder::new();
    folder.write("devices.csv", "model,name,serial\nm,A,S\n");
    let environment = [("FLEETMINT_URL", url.as_str()), ("FLEETMINT_TOKEN", "token")];
    let run = run(&folder, "device import devices.csv", &environment, "").done();
    assert!(run.stderr.ends_with("0 created, 1 existed already\n"), "{}", run.stderr);
    server.join().unwrap();
}

#[test]
fn a_table_that_is_none_is_refused() {
    let fleet = Fleet::with_model();
    let line = fleet.run("device import missing.csv").refused(2);
    assert!(line.starts_with("fleetmint: missing.csv: "), "{line}");
    for (table, expected) in [
        (
            "",
            "devices.csv:1: the table is empty; its columns are model, name, serial",
        ),
        ("model,name\n", "devices.csv:1: the table has no rows"),
        ("name,serial\n", "devices.csv:1: the column model is missing"),
        ("model,name,pw\n", "devices.csv:1: the column \"pw\" is unknown"),
        (
            "model,name\n\u{e4},b\n",
            "devices.csv:2: column model: there is no device model",
        ),
    ] {
        fleet.folder.write("devices.csv", table);
        let run = fleet.run("device import devices.csv");
        assert!(run.exit == 2 && run.stderr.starts_with(expected), "{}", run.stderr);
    }
    fleet.folder.write("devices.csv", b"model,name\nt,\xFF\n");
    let run = fleet.run("device import devices.csv");
    assert!(
        run.stderr
            .contains("2: column name: it is not UTF-8; save the table as UTF-8"),
        "{}",
        run.stderr
    );
}
