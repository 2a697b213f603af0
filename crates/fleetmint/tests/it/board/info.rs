//! `fleetmint board info`.

use serde_json::{Value as Json, json};

use crate::bench::{Bench, CHIPS, FLASH_SIZE, flash, nvs};
use crate::folder::Folder;

fn info(bench: &Bench) -> Json {
    let run = Folder::new()
        .run(["board", "info", "--port", bench.port(), "--format", "json"])
        .done();
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn each_chip_with_its_partitions_and_its_device() {
    for chip in CHIPS {
        let Some(mut bench) = Bench::new(chip, &flash(&nvs())) else {
            return;
        };
        let before = bench.flash();
        let info = info(&bench);
        assert_eq!(info["chip"], chip);
        assert_eq!(info["mac"], bench.mac());
        assert_eq!(info["flash_size"], FLASH_SIZE);
        assert_eq!(
            info["security"],
            json!({"flash_encryption": false, "secure_boot": false})
        );
        let names: Vec<&Json> = info["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["name"])
            .collect();
        assert_eq!(names, ["nvs", "phy_init", "factory", "settings"]);
        let nvs = &info["partitions"][0]["nvs"];
        assert_eq!(
            (&nvs["pages"], &nvs["encrypted"], &nvs["repairs"]),
            (&json!(6), &json!(false), &json!(0))
        );
        assert_eq!(
            nvs["entries"],
            json!({"used": 14, "available": 616, "total": 756, "namespaces": 4})
        );
        assert_eq!(info["partitions"][3]["nvs"]["entries"]["used"], 0);
        assert_eq!(
            info["device"],
            json!({"partition": "nvs", "device_key": "vibxdl4f", "client_id": "iotdevice-vibxdl4f"})
        );
        let report = bench.report();
        assert_eq!((report.erased.len(), report.written), (0, 0));
        assert_eq!(bench.flash(), before);
    }
}

#[test]
fn as_text_without_a_secret() {
    let Some(bench) = Bench::new("esp32c3", &flash(&nvs())) else {
        return;
    };
    let run = Folder::new().run(["board", "info", "--port", bench.port()]).done();
    let expected = format!(
        "{}: esp32c3, MAC address {}, 4 MiB of flash\nflash encryption off, secure boot off\n\n\
         PARTITION  TYPE         OFFSET      SIZE  NVS\n\
         nvs        data, nvs    0x9000    0x6000  6 pages, 14 of 756 entries used, 616 available\n\
         phy_init   data, phy    0xf000    0x1000\n\
         factory    app         0x10000  0x100000\n\
         settings   data, nvs  0x110000    0x3000  3 pages, blank\n\n\
         device vibxdl4f, client id iotdevice-vibxdl4f (partition nvs)\n",
        bench.port(),
        bench.mac()
    );
    assert_eq!(run.stdout, expected);
    assert!(!run.stderr.contains("SECRET"));
    assert_eq!(
        run.stderr,
        "warning: the board was not reset, because its port has no reset lines: press RESET\n"
    );
}

#[test]
fn the_security_state_of_each_chip() {
    for chip in CHIPS {
        let mut options = vec!["--flash-encryption"];
        // The simulated ESP32 has no eFuse of secure boot.
        if chip != "esp32" {
            options.push("--secure-boot");
        }
        let Some(bench) = Bench::with(chip, &flash(&nvs()), &options) else {
            return;
        };
        let security = &info(&bench)["security"];
        assert_eq!(
            *security,
            json!({"flash_encryption": true, "secure_boot": chip != "esp32"}),
            "{chip}"
        );
    }
}

#[test]
fn an_encrypted_partition_with_the_keys_beside_it_and_without() {
    let folder = Folder::new();
    folder.write(
        "nvs.csv",
        "key,type,encoding,value\nprov,namespace,,\ndevice_key,data,string,vibxdl4f\n",
    );
    folder
        .line("fleetmint nvs encrypt nvs.csv nvs.bin 0x6000 --keygen --keyfile keys.bin")
        .done();
    let mut content = flash(&folder.read("nvs.bin"));
    let table = crate::bench::partition_table(
        "nvs,data,nvs,0x9000,0x6000,\nkeys,data,nvs_keys,0xf000,0x1000,\nfactory,app,factory,0x10000,1M,\n",
    );
    content[0x8000..0x8C00].fill(0xFF);
    content[0x8000..][..table.len()].copy_from_slice(&table);
    let keys = folder.read("keys/keys.bin");
    content[0xF000..][..keys.len()].copy_from_slice(&keys);
    let Some(bench) = Bench::new("esp32s3", &content) else {
        return;
    };
    let with = info(&bench);
    assert_eq!(with["partitions"][0]["nvs"]["encrypted"], true);
    assert_eq!(with["device"]["device_key"], "vibxdl4f");

    content[0xF000..0x10000].fill(0xFF);
    let bench = Bench::new("esp32s3", &content).unwrap();
    let without = info(&bench);
    let nvs = &without["partitions"][0]["nvs"];
    assert_eq!((&nvs["encrypted"], &without["device"]), (&json!(true), &Json::Null));
    assert!(nvs["error"].as_str().unwrap().contains("key"), "{nvs}");
    let run = folder
        .run(["board", "info", "--port", bench.port(), "--nvs-keys", "keys/keys.bin"])
        .done();
    assert!(run.stdout.contains("device vibxdl4f"), "{}", run.stdout);
}

#[test]
fn what_is_no_nvs_and_where_no_table_is() {
    let Some(bench) = Bench::new("esp32", &flash(&[0; 0x6000])) else {
        return;
    };
    let error = &info(&bench)["partitions"][0]["nvs"]["error"];
    assert!(error.as_str().unwrap().contains("has a valid header"), "{error}");

    let bench = Bench::new("esp32", &[]).unwrap();
    let run = Folder::new().run(["board", "info", "--port", bench.port()]);
    assert_eq!(run.exit, 1);
    let chip = format!("{}: esp32, MAC address {}, 4 MiB of flash\n", bench.port(), bench.mac());
    assert!(run.stdout.starts_with(&chip), "{}", run.stdout);
    assert!(run.stderr.contains("fleetmint: the flash is erased"), "{}", run.stderr);
    let folder = Folder::new();
    folder.write("partitions.csv", "nvs,data,nvs,0x9000,0x6000,\n");
    let table = ["--partition-table", "partitions.csv"];
    let run = folder
        .run(["board", "info", "--port", bench.port()].iter().chain(&table))
        .done();
    assert!(
        run.stdout
            .contains("nvs        data, nvs  0x9000  0x6000  6 pages, blank\n"),
        "{}",
        run.stdout
    );
}
