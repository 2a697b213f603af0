use crate::fleet::Fleet;

#[test]
fn a_model_is_created_with_values_and_secrets_from_files() {
    let fleet = Fleet::start();
    fleet
        .folder
        .write("broker", "mqtts://site:hunter2@broker.example:8883\n");
    let line = "model create gateway --wifi-ssid Site --wifi-password-file - --mqtt-url-file broker --empty base_url";
    let run = fleet.run_with_input(line, "correct horse\r\n").done();
    let shown = "wifi_password_state  set\n";
    assert!(
        run.stdout.contains(shown) && run.stdout.contains("mqtts://***@broker.example:8883"),
        "{}",
        run.stdout
    );
    assert!(
        !run.stdout.contains("hunter2") && !run.stdout.contains("horse"),
        "{}",
        run.stdout
    );
    let model = fleet.json("model show gateway");
    assert_eq!(model.text("/name"), "gateway");
    assert_eq!(model.text("/provisioning/base_url"), "");
    assert_eq!(model.0["provisioning"]["token_url"], serde_json::Value::Null);
}

#[test]
fn a_refusal_names_type_pointer_and_rule() {
    let fleet = Fleet::with_model();
    assert_eq!(
        fleet.run("model create tempsensor").refused(1),
        "fleetmint: already-exists: /code: there is a device model with the code \"tempsensor\" already"
    );
    let line = fleet.run("model create Temp --base-url ftp://x").refused(1);
    assert!(
        line.starts_with("fleetmint: invalid-value: 2 values break a rule. /code: ")
            && line.contains("; /provisioning/base_url: "),
        "{line}"
    );
}

#[test]
fn secrets_are_not_arguments() {
    let fleet = Fleet::start();
    let line = fleet
        .run("model create a --mqtt-url mqtt://a:hunter2@broker")
        .refused(2);
    assert!(
        line.contains("use --mqtt-url-file") && !line.contains("hunter2"),
        "{line}"
    );
    assert_eq!(fleet.run("model create a --wifi-password x").exit, 2);
    let line = fleet.run("model create a --wifi-password-file missing").refused(2);
    assert!(line.starts_with("fleetmint: missing: "), "{line}");
    let line = fleet.run("model create a --wifi-password-file -").refused(2);
    assert!(line.contains("standard input: it is empty"), "{line}");
    let line = fleet.run("model create a --wifi-ssid x --empty wifi_ssid").refused(2);
    assert_eq!(line, "fleetmint: wifi_ssid is given twice");
    assert_eq!(fleet.run("model list --format csv").done().stdout.lines().count(), 1);
}
