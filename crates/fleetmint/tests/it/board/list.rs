//! `fleetmint board list`. Which ports belong to boards is tested in `src/chip/port.rs`: a test has no USB device.

use serde_json::Value as Json;

use crate::folder::Folder;

#[test]
fn the_ports_of_this_computer_as_a_table_or_as_json() {
    let folder = Folder::new();
    let json = folder.line("fleetmint board list --format json").done().stdout;
    let ports: Vec<Json> = serde_json::from_str(&json).unwrap();
    let text = folder.line("fleetmint board list").done();
    if ports.is_empty() {
        assert_eq!(text.stderr, "this computer has no serial port\n");
    }
    for port in &ports {
        assert!(text.stdout.contains(port["port"].as_str().unwrap()), "{}", text.stdout);
    }
}
