use crate::fleet::{Fleet, on_terminal};

#[test]
fn nobody_deletes_a_device_by_mistake() {
    let fleet = Fleet::with_model();
    let device = fleet.json("device create --model tempsensor --name Kitchen");
    let (key, client) = (device.text("/key"), device.text("/client_id"));
    let line = fleet.run(&format!("device delete {key}")).refused(2);
    let question = format!("Delete the device {key} (Kitchen) with its client {client}?");
    assert!(line.contains(&question) && line.ends_with("use --yes"), "{line}");
    fleet.run(&format!("device show {key}")).done();
    let done = fleet.run(&format!("device delete {key} --yes")).done();
    assert_eq!(
        done.stderr,
        format!("deleted the device {key} (Kitchen) with its client {client}\n")
    );
    fleet.run(&format!("device delete {key} -y")).refused(1);
}

#[test]
fn a_person_is_asked() {
    let fleet = Fleet::with_model();
    fleet.run("device create --model tempsensor --name Kitchen").done();
    for (answer, exit, expected) in [
        ("", 1, "nothing was changed"),
        ("no", 1, "nothing was changed"),
        ("y", 0, "deleted the device "),
    ] {
        fleet.run("device show 1").done();
        let Some((seen, said)) = on_terminal(&fleet.folder, "device delete 1", "? [y/N] ", answer) else {
            return;
        };
        assert_eq!(seen, exit, "{said}");
        assert!(said.contains(expected) && !said.contains("fleetmint: "), "{said}");
    }
    fleet.run("device show 1").refused(1);
}
