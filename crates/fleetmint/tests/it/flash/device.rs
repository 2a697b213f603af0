//! `fleetmint flash --device`: the board, and what the server knows of it.

use serde_json::{Value as Json, json};

use super::journals;
use crate::bench::{Bench, NVS, flash, nvs};
use crate::fleet::Fleet;
use crate::folder::Run;

fn run(fleet: &Fleet, bench: &Bench, line: &str) -> Run {
    let state = fleet.folder.file("state");
    let line = format!("flash --port {} {line}", bench.port());
    let run = fleet.run_in(&fleet.folder, &line, &[("XDG_STATE_HOME", state.to_str().unwrap())], "");
    for said in [&run.stdout, &run.stderr] {
        assert!(!said.contains("SECRET"), "{said}");
    }
    run
}

fn json(run: Run) -> Json {
    serde_json::from_str(&run.done().stdout).unwrap()
}

fn get(fleet: &Fleet, path: &str) -> Json {
    let (status, body) = fleet.server.call("GET", path, &fleet.token, "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Outcome, sectors and bytes of each flash of a device, in their order.
fn flashes(fleet: &Fleet, id: i64) -> Vec<Json> {
    let listed = get(fleet, &format!("/api/devices/{id}/flashes?sort=id"));
    let of = |flash: &Json| json!([flash["state"], flash["outcome"], flash["sectors"], flash["bytes"]]);
    listed["items"].as_array().unwrap().iter().map(of).collect()
}

/// A device that was created, with its id and its key.
fn device(fleet: &Fleet, name: &str) -> (i64, String) {
    let device = fleet.json(&format!("device create --model tempsensor --name {name}"));
    (device.0["id"].as_i64().unwrap(), device.text("/key").to_string())
}

#[test]
fn the_server_knows_which_board_carries_the_device() {
    let Some(mut bench) = Bench::new("esp32c3", &flash(&nvs())) else {
        return;
    };
    let fleet = Fleet::with_model();
    let (id, key) = device(&fleet, "Kitchen");

    let planned = json(run(&fleet, &bench, &format!("--device {key} --dry-run --format json")));
    assert_eq!(
        (&planned["outcome"], &planned["device"]["key"]),
        (&json!("planned"), &json!(key))
    );
    assert!(flashes(&fleet, id).is_empty());

    let report = json(run(&fleet, &bench, &format!("--device {key} --yes --format json")));
    assert_eq!(report["outcome"], "written");
    // The board of the tests carries another device, which the server does not know.
    assert_eq!(
        report["warnings"],
        json!(["the partition holds the identity of device vibxdl4f, which is replaced"])
    );
    let sectors = report["changed_sectors"].as_array().unwrap().len();
    let written = json!(["ended", "written", sectors, sectors * 4096]);
    assert_eq!(flashes(&fleet, id), std::slice::from_ref(&written));
    assert_eq!(get(&fleet, &format!("/api/devices/{id}"))["board"]["mac"], bench.mac());
    fleet
        .run(&format!("board verify --device {key} --port {}", bench.port()))
        .done();

    // By its id, and with nothing to write.
    bench.tell("clear");
    let again = run(&fleet, &bench, &format!("--device {id} --yes")).done();
    assert!(
        again
            .stdout
            .ends_with("nothing to write: the board already has these values\n"),
        "{}",
        again.stdout
    );
    assert_eq!(bench.report().erased, [0; 0]);
    assert_eq!(flashes(&fleet, id), [written, json!(["ended", "unchanged", 0, 0])]);
    assert!(journals(&fleet.folder).is_empty());
}

#[test]
fn a_device_leaves_its_board_only_if_asked() {
    let Some(bench) = Bench::new("esp32s3", &flash(&[0xFF; 0x6000])) else {
        return;
    };
    let fleet = Fleet::with_model();
    let ((id, key), (_, second)) = (device(&fleet, "Kitchen"), device(&fleet, "Hall"));
    run(&fleet, &bench, &format!("--device {key} --yes")).done();

    let mut other = Bench::with("esp32s3", &flash(&nvs()), &["--mac", "24:0a:c4:00:00:01"]).unwrap();
    for (bench, device, names) in [(&other, &key, bench.mac()), (&bench, &second, key.as_str())] {
        let refused = run(&fleet, bench, &format!("--device {device} --yes --format json"));
        assert_eq!((refused.exit, refused.stdout.as_str()), (1, ""), "{}", refused.stderr);
        assert!(
            refused.stderr.contains(names) && refused.stderr.contains("--replace-board"),
            "{}",
            refused.stderr
        );
    }
    let dry = run(&fleet, &other, &format!("--device {key} --dry-run")).done();
    let warning = format!("warning: the server has this device on the board {}", bench.mac());
    assert!(dry.stderr.contains(&warning), "{}", dry.stderr);
    let dry = run(&fleet, &bench, &format!("--device {second} --dry-run")).done();
    let warning = format!("warning: the server has the device {key} on this board: --replace-board replaces it");
    assert!(dry.stderr.contains(&warning), "{}", dry.stderr);
    let report = other.report();
    assert_eq!((report.erased.len(), report.written), (0, 0));
    assert!(journals(&fleet.folder).is_empty());

    run(&fleet, &other, &format!("--device {key} --yes --replace-board")).done();
    assert_eq!(get(&fleet, &format!("/api/devices/{id}"))["board"]["mac"], other.mac());
    run(&fleet, &bench, &format!("--device {second} --yes --replace-board")).done();
}

#[test]
fn the_server_knows_what_was_cut_off() {
    let Some(mut bench) = Bench::new("esp32c6", &flash(&nvs())) else {
        return;
    };
    let fleet = Fleet::with_model();
    let (id, key) = device(&fleet, "Kitchen");
    bench.tell("cut-after-written 100");
    let cut = run(&fleet, &bench, &format!("--device {key} --yes"));
    assert_eq!(cut.exit, 1, "{}", cut.stderr);
    let failed = get(&fleet, &format!("/api/devices/{id}/flashes"))["items"][0].clone();
    assert_eq!(failed["outcome"], "failed");
    assert!(
        failed["reason"]
            .as_str()
            .unwrap()
            .contains("the connection to the board is gone"),
        "{failed}"
    );
    // What the chip holds now is not known, so the board is no longer free.
    assert_eq!(failed["sectors"], 1, "{failed}");
    assert_eq!(get(&fleet, &format!("/api/devices/{id}"))["board"]["mac"], bench.mac());

    bench.tell("replug");
    let report = json(run(&fleet, &bench, &format!("--device {key} --yes --format json")));
    assert_eq!(report["interrupted"]["what"], format!("device {key}"));
    assert_eq!(flashes(&fleet, id)[1][1], "written");
    fleet.folder.write("read.bin", bench.read_by_esptool(NVS));
    let value = fleet.run("nvs get read.bin prov device_key").done();
    assert_eq!(value.stdout.trim_end(), key);
    let wifi = fleet.run("nvs get read.bin nvs.net80211 sta.apsw").done();
    assert_eq!(wifi.stdout.trim_end(), "SECRET-of-the-wifi");
}

#[test]
fn without_the_device_or_the_server_the_board_is_not_touched() {
    let Some(mut bench) = Bench::new("esp32", &flash(&nvs())) else {
        return;
    };
    let mut fleet = Fleet::with_model();
    let unknown = run(&fleet, &bench, "--device nosuchky --yes");
    assert_eq!(
        unknown.refused(1),
        "fleetmint: there is no device with the id, key or client id nosuchky"
    );
    let (_, key) = device(&fleet, "Kitchen");
    fleet.server.signal("-KILL");
    fleet.server.wait();
    let gone = run(&fleet, &bench, &format!("--device {key} --yes"));
    assert_eq!((gone.exit, gone.stdout.as_str()), (2, ""), "{}", gone.stderr);
    let report = bench.report();
    assert_eq!((report.names.len(), report.written), (0, 0));
}
