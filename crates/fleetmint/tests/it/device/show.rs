use crate::fleet::Fleet;

#[test]
fn a_device_is_named_by_id_key_or_client_id() {
    let fleet = Fleet::with_model();
    let device = fleet.json("device create --model tempsensor --name Kitchen --serial SN-1");
    let (key, client) = (device.text("/key"), device.text("/client_id"));
    // Its name has the other's key, and a search for the key finds both.
    fleet
        .run(&format!("device create --model tempsensor --name {key}"))
        .done();
    for reference in ["1", key, client] {
        assert_eq!(fleet.json(&format!("device show {reference}")).text("/key"), key);
    }
    let shown = fleet.run(&format!("device show {key}")).done().stdout;
    assert!(
        shown.contains("model       tempsensor\n") && !shown.contains("wifi"),
        "{shown}"
    );
    for reference in ["99", "+1", "01", "nosuchky", "SN-1", &key[1..], "../device-models"] {
        assert_eq!(
            fleet.run(&format!("device show {reference}")).refused(1),
            format!("fleetmint: there is no device with the id, key or client id {reference}")
        );
    }
}
