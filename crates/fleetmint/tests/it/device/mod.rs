//! `fleetmint device`, one file per subcommand.

mod create;
mod delete;
mod edit;
mod export;
mod image;
mod import;
mod list;
mod show;

use crate::fleet::Fleet;

/// From a login to the end, as a person would.
#[test]
fn a_device_from_its_model_to_its_end() {
    let fleet = Fleet::start();
    let elsewhere = crate::folder::Folder::new();
    let run = |line: &str, input: &str| fleet.run_in(&elsewhere, line, &[], input);
    run(&format!("login {}", fleet.url()), &fleet.token).done();
    run("model create tempsensor --name Sensor", "").done();
    let created =
        "device create --model tempsensor --name Kitchen --serial SN-1 --wifi-ssid Home --wifi-password-file -";
    let created = run(created, "hunter2 hunter2\n").done();
    assert!(
        created.stdout.contains("serial               SN-1\n"),
        "{}",
        created.stdout
    );
    run("device image 1 kitchen.bin --size 0x6000", "").done();
    let dumped = run("nvs dump kitchen.bin", "").done().stdout;
    assert!(dumped.contains("device_key"), "{dumped}");
    for format in ["table", "json", "csv"] {
        let listed = run(&format!("device list --format {format}"), "").done().stdout;
        assert!(listed.contains("Kitchen") && listed.contains("SN-1"), "{listed}");
        assert!(!listed.contains("hunter2"), "{listed}");
    }
    let exported = run("device export", "").done().stdout;
    assert!(exported.contains("tempsensor,Kitchen,SN-1,,,,Home,***\n"), "{exported}");
    run("device delete 1 --yes", "").done();
    run("model delete tempsensor --yes", "").done();
    run("logout", "").done();
}

#[test]
fn a_server_that_is_gone_is_said_to_be_gone() {
    let fleet = Fleet::with_model();
    let (url, token) = (fleet.url(), fleet.token.clone());
    let Fleet { folder, server, .. } = fleet;
    server.end("-KILL");
    let environment = [("FLEETMINT_URL", url.as_str()), ("FLEETMINT_TOKEN", token.as_str())];
    for line in ["device list", "device show 1", "model create a", "device export"] {
        let line = crate::fleet::run(&folder, line, &environment, "").refused(2);
        assert_eq!(line, format!("fleetmint: {url} cannot be reached: connection refused"));
    }
}
