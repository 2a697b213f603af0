//! `fleetmint board verify`.

use serde_json::{Value as Json, json};

use crate::bench::{Bench, flash};
use crate::fleet::Fleet;
use crate::folder::Run;

fn verify(fleet: &Fleet, bench: &Bench, key: &str, more: &str) -> Run {
    fleet.run(&format!("board verify --device {key} --port {} {more}", bench.port()))
}

#[test]
fn current_outdated_missing_and_foreign_keys() {
    let Some(mut bench) = Bench::new("esp32c3", &flash(&[0xFF; 0x6000])) else {
        return;
    };
    let fleet = Fleet::with_model();
    let device = fleet.json("device create --model tempsensor --name Kitchen");
    let key = device.text("/key").to_string();

    let run = verify(&fleet, &bench, &key, "--format json");
    assert_eq!(run.exit, 1, "{}", run.stderr);
    let answer: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&answer["matches"], &answer["keys"]["client_secret"], &answer["device"]),
        (&json!(false), &json!("missing"), &json!(key))
    );

    fleet.run(&format!("device image {key} image.bin --size 0x6000")).done();
    let mut rows = String::from("key,type,encoding,value\nprov,namespace,,\nnote,data,string,SECRET-of-another\n");
    fleet.folder.write("changes.csv", &rows);
    fleet.run("nvs patch image.bin changes.csv current.bin").done();
    bench.set_flash(&flash(&fleet.folder.read("current.bin")));
    let run = verify(&fleet, &bench, &key, "").done();
    assert!(
        run.stdout.starts_with("KEY            STATE\ndevice_key     current\n"),
        "{}",
        run.stdout
    );
    let said = format!(
        "note           foreign\n\nesp32c3 {} has what device {key} gets now\n",
        bench.mac()
    );
    assert!(run.stdout.ends_with(&said), "{}", run.stdout);

    rows.push_str("client_secret,data,string,SECRET-that-was\ntoken_url,delete,,\n");
    fleet.folder.write("changes.csv", &rows);
    fleet.run("nvs patch image.bin changes.csv old.bin").done();
    bench.set_flash(&flash(&fleet.folder.read("old.bin")));
    let run = verify(&fleet, &bench, &key, "");
    assert_eq!(run.exit, 1);
    for line in [
        "client_secret  outdated\n",
        "token_url      missing\n",
        "client_id      current\n",
    ] {
        assert!(run.stdout.contains(line), "{}", run.stdout);
    }
    assert!(!(run.stdout + &run.stderr).contains("SECRET"));
    let report = bench.report();
    assert_eq!((report.erased.len(), report.written), (0, 0));
}

#[test]
fn a_device_that_does_not_exist_is_found_out_before_the_board_is_touched() {
    let Some(mut bench) = Bench::new("esp32", &flash(&[0; 0x6000])) else {
        return;
    };
    let fleet = Fleet::with_model();
    assert_eq!(
        verify(&fleet, &bench, "nosuchky", "").refused(1),
        "fleetmint: there is no device with the id, key or client id nosuchky"
    );
    assert_eq!(bench.report().names.len(), 0);

    fleet.run("device create --model tempsensor --name Kitchen").done();
    let run = verify(&fleet, &bench, "1", "");
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("fleetmint: partition nvs: "), "{}", run.stderr);
}
