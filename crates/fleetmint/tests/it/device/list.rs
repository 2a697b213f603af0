use crate::fleet::Fleet;

#[test]
fn devices_are_filtered_and_sorted() {
    let fleet = Fleet::with_model();
    fleet.run("model create gateway").done();
    for (model, name) in [("tempsensor", "b"), ("gateway", "a"), ("tempsensor", "c")] {
        fleet
            .run(&format!(
                "device create --model {model} --name {name} --serial SN-{name}"
            ))
            .done();
    }
    let names = |options: &str| {
        let json = fleet.json(&format!("device list {options}"));
        let items = json.0.as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(names(""), "bac");
    assert_eq!(names("--sort name"), "abc");
    assert_eq!(names("--sort -name --limit 2"), "cb");
    assert_eq!(names("--model tempsensor"), "bc");
    assert_eq!(names("--model 2"), "a");
    assert_eq!(names("--serial SN-c"), "c");
    assert_eq!(names("--search sn-A"), "a");
    // A script whose variable is empty does not mean all devices.
    let run = fleet.run("device list --serial=");
    assert_eq!((run.exit, run.stdout.as_str()), (2, ""));
    let table = fleet.run("device list --model gateway").done().stdout;
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["ID", "KEY", "NAME", "SERIAL", "MODEL", "BOARD"]);
    assert!(lines.next().unwrap().contains("SN-a"), "{table}");
    let csv = fleet.run("device list --model gateway --format csv").done().stdout;
    assert!(
        csv.starts_with("id,key,client_id,name,serial,model,board,base_url,"),
        "{csv}"
    );
    assert!(csv.contains(",a,SN-a,gateway,,"), "{csv}");
}

#[test]
fn foreign_text_does_not_drive_the_terminal() {
    let fleet = Fleet::with_model();
    let device = r#"{"device_model_id":1,"name":"a\u202eb"}"#;
    assert_eq!(fleet.server.call("POST", "/api/devices", &fleet.token, device).0, 201);
    for command in ["device list", "device show 1"] {
        let shown = fleet.run(command).done().stdout;
        assert!(shown.contains(r"a\u{202e}b"), "{shown}");
    }
}
