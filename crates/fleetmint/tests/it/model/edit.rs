use crate::fleet::Fleet;

#[test]
fn what_is_not_named_stays() {
    let fleet = Fleet::start();
    fleet
        .run("model create a --name A --wifi-ssid Site --base-url https://a.example")
        .done();
    fleet.run("model edit a --name B").done();
    let model = fleet.json("model edit a --inherit base_url --empty mqtt_url");
    assert_eq!(
        (model.text("/name"), model.text("/provisioning/wifi_ssid")),
        ("B", "Site")
    );
    assert_eq!(model.0["provisioning"]["base_url"], serde_json::Value::Null);
    assert_eq!(model.text("/provisioning/mqtt_url"), "");
    let line = fleet.run("model edit a").refused(2);
    assert!(line.contains("there is nothing to change"), "{line}");
    let run = fleet.run("model edit a --inherit wifi");
    assert!(run.exit == 2 && run.stderr.contains("wifi_ssid"), "{}", run.stderr);
}
