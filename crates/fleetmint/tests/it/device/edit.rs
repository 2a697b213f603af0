use crate::fleet::Fleet;

#[test]
fn a_device_is_changed_where_an_option_says_so() {
    let fleet = Fleet::with_model();
    fleet
        .run("device create --model tempsensor --name Kitchen --serial SN-1 --wifi-ssid Home")
        .done();
    let device = fleet.json("device edit 1 --name Hall --mqtt-url mqtt://broker");
    assert_eq!((device.text("/name"), device.text("/serial")), ("Hall", "SN-1"));
    assert_eq!(device.text("/provisioning/wifi_ssid"), "Home");
    let run = fleet
        .run_with_input("device edit 1 --no-serial --wifi-password-file -", "hunter2hunter2")
        .done();
    assert!(
        !run.stdout.contains("SN-1") && run.stdout.contains("wifi_password_state  set\n"),
        "{}",
        run.stdout
    );
    let device = fleet.json("device edit 1 --inherit wifi_password --inherit mqtt_url");
    assert_eq!(device.text("/provisioning/wifi_password_state"), "unset");
    assert_eq!(fleet.run("device edit 1 --serial a --no-serial").exit, 2);
    fleet.run("device edit 1").refused(2);
    let line = fleet
        .run("device edit 1 --wifi-ssid 123456789012345678901234567890123")
        .refused(1);
    assert!(
        line.starts_with("fleetmint: invalid-value: /provisioning/wifi_ssid: "),
        "{line}"
    );
}
