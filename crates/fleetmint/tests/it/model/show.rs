use crate::fleet::Fleet;

#[test]
fn a_model_is_named_by_id_or_code() {
    let fleet = Fleet::start();
    for code in ["2", "gateway", "gate"] {
        fleet.run(&format!("model create {code}")).done();
    }
    assert_eq!(fleet.json("model show gate").text("/code"), "gate");
    assert_eq!(fleet.json("model show 3").text("/code"), "gate");
    assert_eq!(fleet.json("model show 1").text("/code"), "2");
    let line = fleet.run("model show 2").refused(1);
    assert!(
        line.contains("2 is the id of the model gateway and the code of the model with the id 1"),
        "{line}"
    );
    fleet.run("model create 02").done();
    assert_eq!(fleet.json("model show 02").text("/code"), "02");
    assert_eq!(
        fleet.run("model show gat").refused(1),
        "fleetmint: there is no device model with the id or code gat"
    );
}
