use crate::fleet::Fleet;

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
    fleet.run(&format!("device delete {key} --yes")).refused(1);
}
