use crate::fleet::Fleet;

#[test]
fn a_table_has_no_secrets_and_is_imported_again_as_far_as_it_can_be() {
    let fleet = Fleet::with_model();
    fleet.folder.write("broker", "mqtt://a:hunter2@broker");
    fleet
        .run("device create --model tempsensor --name A,1 --serial SN-1 --wifi-ssid Home")
        .done();
    fleet
        .run("device create --model tempsensor --name B --serial SN-2 --mqtt-url-file broker")
        .done();
    fleet
        .run_with_input(
            "device create --model tempsensor --name C --wifi-password-file -",
            "hunter2hunter2",
        )
        .done();
    fleet
        .run("device create --model tempsensor --name D --empty wifi_ssid")
        .done();
    let run = fleet.run("device export").done();
    assert_eq!(
        run.stdout,
        "model,name,serial,base_url,token_url,mqtt_url,wifi_ssid,wifi_password\n\
         tempsensor,\"A,1\",SN-1,,,,Home,\n\
         tempsensor,B,SN-2,,,mqtt://***@broker,,\n\
         tempsensor,C,,,,,,***\n\
         tempsensor,D,,,,,,\n"
    );
    assert_eq!(
        run.stderr,
        "warning: secrets of 2 devices are *** in the table\n\
         warning: values of 1 device that are empty on purpose are not in the table\n"
    );
    let run = fleet.run("device export out.csv").done();
    assert!(run.stderr.starts_with("created out.csv: 4 devices\n"), "{}", run.stderr);

    let other = Fleet::with_model();
    let table = String::from_utf8(fleet.folder.read("out.csv")).unwrap();
    let refused = other.run_with_input("device import -", &table);
    assert_eq!(refused.exit, 2);
    assert!(
        refused
            .stderr
            .contains("standard input:3: column mqtt_url: *** stands for a secret")
            && refused
                .stderr
                .contains("standard input:4: column wifi_password: *** stands for a secret"),
        "{}",
        refused.stderr
    );
    let table = table.replace("***@", "").replace("***", "");
    other.run_with_input("device import -", &table).done();
    assert_eq!(other.run("device export").done().stdout, table);
}

#[test]
fn only_the_devices_of_a_model_are_exported() {
    let fleet = Fleet::with_model();
    fleet.run("model create gateway").done();
    fleet.run("device create --model gateway --name G").done();
    fleet.run("device create --model tempsensor --name T").done();
    let table = fleet.run("device export --model gateway").done().stdout;
    assert!(table.contains("\ngateway,G,") && table.lines().count() == 2, "{table}");
    fleet.run("device export --model none").refused(1);
}
