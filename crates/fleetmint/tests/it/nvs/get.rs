//! `fleetmint nvs get`.

use serde_json::{Value as Json, json};

use crate::folder::Folder;
use crate::reference::folder;

const TABLE: &str = "\
key,type,encoding,value
prov,namespace,,
client_id,data,string,iotdevice-m-k3x9a2b7
app,namespace,,
boots,data,i32,-7
ratio,data,double,1e20
cal,data,hex2bin,00ff0a
";

fn image(size: &str) -> Folder {
    let folder = Folder::new();
    folder.write("t.csv", TABLE);
    folder
        .line(&format!("fleetmint nvs generate t.csv device.bin {size}"))
        .done();
    folder
}

#[test]
fn the_value_alone_also_of_one_page() {
    for size in ["0x3000", "0x1000"] {
        let folder = image(size);
        for (name, value) in [
            ("prov client_id", "iotdevice-m-k3x9a2b7"),
            ("app boots", "-7"),
            ("app ratio", "1e20"),
        ] {
            let run = folder.line(&format!("fleetmint nvs get device.bin {name}")).done();
            assert_eq!((run.stdout.as_str(), run.stderr.as_str()), (value, ""));
        }
        let line = format!("{} nvs get device.bin app cal", env!("CARGO_BIN_EXE_fleetmint"));
        let mut words = line.split(' ');
        let blob = std::process::Command::new(words.next().unwrap())
            .args(words)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(blob.stdout, [0x00, 0xFF, 0x0A]);
    }
}

#[test]
fn as_json() {
    let run = image("0x1000")
        .line("fleetmint nvs get device.bin prov client_id --format json")
        .done();
    let value: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        value,
        json!({"namespace": "prov", "key": "client_id", "type": "str", "value": "iotdevice-m-k3x9a2b7", "size": 21, "ns_index": 1})
    );
}

#[test]
fn what_is_not_there_is_no() {
    let folder = image("0x3000");
    for (arguments, said) in [
        ("prov gone", "namespace \"prov\" has no key \"gone\""),
        ("gone client_id", "namespace \"gone\" has no key \"client_id\""),
        ("app boots --type u8", "has no key \"boots\" of type u8"),
    ] {
        let line = folder
            .line(&format!("fleetmint nvs get device.bin {arguments}"))
            .refused(1);
        assert!(line.contains(said), "{line}");
    }
    assert_eq!(folder.line("fleetmint nvs get device.bin app boots --type int").exit, 2);
    let other = folder
        .line("fleetmint nvs get device.bin app boots --as readonly")
        .done();
    assert_eq!(other.stdout, "-7");
}

#[test]
fn a_value_that_can_t_be_read_says_why() {
    let image = folder("golden").join("bad_strdata.bin");
    let dump = Folder::new().run(["nvs", "dump", image.to_str().unwrap(), "--format", "json"]);
    let entries: Json = serde_json::from_str(&dump.stdout).unwrap();
    let broken = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry.get("error").is_some())
        .unwrap();
    let [namespace, key] = ["namespace", "key"].map(|name| broken[name].as_str().unwrap());
    let run = Folder::new().run(["nvs", "get", image.to_str().unwrap(), namespace, key]);
    assert_eq!((run.exit, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("ESP_ERR_NVS_NOT_FOUND"), "{}", run.stderr);
}

#[test]
fn of_an_encrypted_image_with_its_keys() {
    let folder = Folder::new();
    folder.write("t.csv", TABLE);
    folder
        .line("fleetmint nvs encrypt t.csv device.bin 0x3000 --keygen --keyfile keys.bin")
        .done();
    let keys = folder.names().into_iter().find(|name| name == "keys.bin");
    let keys = keys.unwrap_or_else(|| "keys/keys.bin".to_string());
    let run = folder
        .line(&format!("fleetmint nvs get device.bin prov client_id --keys {keys}"))
        .done();
    assert_eq!(run.stdout, "iotdevice-m-k3x9a2b7");
    folder.line("fleetmint nvs get device.bin prov client_id").refused(1);
}
