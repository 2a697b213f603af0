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
        (
            "prov gone",
            "namespace \"prov\" has no key \"gone\"; there is only \"client_id\"",
        ),
        (
            "app gone --type u8",
            "namespace \"app\" has no key \"gone\"; there are \"boots\", \"cal\", \"ratio\"",
        ),
        (
            "provv client_id",
            "there is no namespace \"provv\"; there are \"app\", \"prov\"",
        ),
        (
            "app boots --type u8",
            "namespace \"app\" has no key \"boots\" of type u8; it exists as i32",
        ),
    ] {
        let line = folder
            .line(&format!("fleetmint nvs get device.bin {arguments}"))
            .refused(1);
        assert_eq!(line, format!("fleetmint: device.bin: {said}"));
    }
    assert_eq!(folder.line("fleetmint nvs get device.bin app boots --type int").exit, 2);
    let other = folder
        .line("fleetmint nvs get device.bin app boots --as readonly")
        .done();
    assert_eq!(other.stdout, "-7");
}

#[test]
fn what_is_there_is_listed_in_bounds_and_escaped() {
    let folder = Folder::new();
    let mut table = "key,type,encoding,value\nn,namespace,,\n".to_owned();
    (0..300).for_each(|number| table += &format!("k{number:03},data,u8,1\n"));
    (0..100).for_each(|number| table += &format!("n{number:03},namespace,,\n"));
    table += "\u{202e}x,namespace,,\na\u{1b}[2J,data,u8,1\n";
    folder.write("t.csv", table);
    folder.line("fleetmint nvs generate t.csv device.bin 0x10000").done();
    let line = folder.line("fleetmint nvs get device.bin n gone").refused(1);
    assert!(
        line.contains("\"n\" has no key \"gone\"; there are \"k000\", \"k001\"")
            && line.ends_with("\"k019\" and 280 more"),
        "{line}"
    );
    let line = folder.line("fleetmint nvs get device.bin gone k000").refused(1);
    assert!(
        line.contains("no namespace \"gone\"; there are \"")
            && line.contains("\\u{202e}x\"")
            && line.ends_with("and 82 more"),
        "{line}"
    );
    let line = folder.run(["nvs", "get", "device.bin", "\u{202e}x", "gone"]).refused(1);
    assert!(line.ends_with("there is only \"a\\u{1b}[2J\""), "{line}");
    // A namespace without keys is there too.
    let line = folder.line("fleetmint nvs get device.bin n050 gone").refused(1);
    assert!(
        line.ends_with("namespace \"n050\" has no key \"gone\"; there are none"),
        "{line}"
    );
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
