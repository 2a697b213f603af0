//! `fleetmint logout`.

use crate::fleet::{Fleet, run};
use crate::folder::Folder;

#[test]
fn a_login_is_deleted_and_the_file_with_the_last_one() {
    let (fleet, elsewhere) = (Fleet::start(), Folder::new());
    let line = run(&elsewhere, "logout", &[], "").refused(1);
    assert!(line.contains("there is no login to log out from"), "{line}");
    fleet
        .run_in(&elsewhere, &format!("login {}", fleet.url()), &[], &fleet.token)
        .done();
    let line = run(&elsewhere, "logout http://127.0.0.1:1", &[], "").refused(1);
    assert!(line.ends_with("there is no login to http://127.0.0.1:1"), "{line}");
    let done = run(&elsewhere, "logout", &[], "").done();
    assert_eq!(done.stderr, format!("logged out from {}\n", fleet.url()));
    assert!(!elsewhere.file("config/fleetmint/login.json").exists());
    run(&elsewhere, "device list", &[], "").refused(2);
}
