//! `fleetmint whoami`. Which server and token it finds is tested in `login.rs`.

use crate::fleet::Fleet;

#[test]
fn it_names_the_server_and_the_place_of_the_token() {
    let fleet = Fleet::start();
    let url = fleet.url();
    assert_eq!(
        fleet.run("whoami").done().stdout,
        format!("server      {url}\ntoken_from  fleetmint-data/admin-token\n")
    );
    assert_eq!(
        fleet.run("whoami --format csv").done().stdout,
        format!("server,token_from\n{url},fleetmint-data/admin-token\n")
    );
    fleet
        .folder
        .write("fleetmint-data/admin-token", "fma_of_another_server\n");
    let line = fleet.run("whoami").refused(2);
    assert!(
        line.contains("unauthorized") && line.contains("fleetmint-data/admin-token"),
        "{line}"
    );
}
