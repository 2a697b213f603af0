use crate::fleet::Fleet;

#[test]
fn a_model_is_deleted_once_it_has_no_devices() {
    let fleet = Fleet::with_model();
    fleet.run("device create --model tempsensor --name D").done();
    let line = fleet.run("model delete tempsensor").refused(2);
    assert!(
        line.contains("Delete the device model tempsensor (Sensor)?") && line.ends_with("use --yes"),
        "{line}"
    );
    assert_eq!(
        fleet.run("model delete tempsensor --yes").refused(1),
        "fleetmint: in-use: There are devices of this model; delete them first."
    );
    fleet.run("device delete 1 --yes").done();
    let done = fleet.run("model delete 1 --yes").done();
    assert_eq!(done.stderr, "deleted the device model tempsensor (Sensor)\n");
    fleet.run("model delete 1 --yes").refused(1);
}
