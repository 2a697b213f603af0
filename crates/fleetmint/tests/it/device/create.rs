use crate::fleet::Fleet;

#[test]
fn a_device_is_created_with_its_identity() {
    let fleet = Fleet::with_model();
    let device = fleet.json("device create --model tempsensor --name Kitchen --serial SN-1");
    let key = device.text("/key");
    assert_eq!(device.text("/client_id"), format!("iotdevice-tempsensor-{key}"));
    assert_eq!(
        fleet
            .run("device create --model tempsensor --name Hall --serial SN-1")
            .refused(1),
        "fleetmint: already-exists: /serial: there is a device with this serial already"
    );
    let line = fleet.run("device create --model temp --name Hall").refused(1);
    assert!(
        line.ends_with("there is no device model with the id or code temp"),
        "{line}"
    );
}
