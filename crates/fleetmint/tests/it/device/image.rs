use std::os::unix::fs::PermissionsExt as _;

use crate::fleet::Fleet;

#[test]
fn an_image_is_written_for_its_owner_alone() {
    let fleet = Fleet::with_model();
    let device = fleet.json("device create --model tempsensor --name Kitchen");
    let key = device.text("/key");
    let done = fleet.run(&format!("device image {key} a.bin --size 24K")).done();
    assert_eq!(
        done.stderr,
        format!("created a.bin: the image of iotdevice-tempsensor-{key}, 24576 bytes\n")
    );
    assert_eq!(fleet.folder.read("a.bin").len(), 0x6000);
    let mode = std::fs::metadata(fleet.folder.file("a.bin"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let of_key = "nvs get a.bin prov device_key";
    assert_eq!(fleet.run(of_key).done().stdout.trim_end(), key);
    // Piped on, it is the same image.
    fleet.run("device image 1 b.bin --size 0x6000").done();
    assert_eq!(fleet.folder.read("a.bin"), fleet.folder.read("b.bin"));
}

#[test]
fn an_image_that_cannot_be_is_refused_and_nothing_is_written() {
    let fleet = Fleet::with_model();
    fleet.run("device create --model tempsensor --name Kitchen").done();
    let line = fleet.run("device image 1 a.bin --size 5000").refused(2);
    assert!(line.contains("--size: ") && line.contains("4096"), "{line}");
    assert_eq!(fleet.run("device image 1 a.bin --size x").exit, 2);
    assert_eq!(fleet.run("device image 1 a.bin").exit, 2, "the size is the board's");
    fleet.run("device edit 1 --empty base_url").done();
    let line = fleet.run("device image 1 a.bin --size 0x6000").refused(1);
    assert!(
        line.starts_with("fleetmint: value-missing: ") && line.contains("base_url"),
        "{line}"
    );
    assert!(!fleet.folder.file("a.bin").exists());
    let line = fleet.run("device image 2 a.bin --size 0x6000").refused(1);
    assert!(line.contains("there is no device"), "{line}");
}

#[test]
fn a_table_of_devices_is_not_replaced_by_mistake() {
    let fleet = Fleet::with_model();
    fleet.run("device create --model tempsensor --name Kitchen").done();
    let table = "\u{feff}Name;Model;wifi_password\nKitchen;tempsensor;correct horse\n";
    fleet.folder.write("devices.csv", table);
    for command in ["device image 1 devices.csv --size 0x6000", "device export devices.csv"] {
        let line = fleet.run(command).refused(2);
        assert!(
            line.contains("devices.csv: not written: it is a table of devices"),
            "{line}"
        );
        assert_eq!(fleet.folder.read("devices.csv"), table.as_bytes());
        fleet.run(&format!("{command} --force")).done();
        assert_ne!(fleet.folder.read("devices.csv"), table.as_bytes());
        fleet.folder.write("devices.csv", table);
    }
}
