use crate::fleet::Fleet;

#[test]
fn models_are_listed_in_order_as_table_json_and_csv() {
    let fleet = Fleet::start();
    assert_eq!(fleet.run("model list").done().stdout, "ID  CODE  NAME  CREATED AT\n");
    assert_eq!(fleet.run("model list --format json").done().stdout, "[\n]\n");
    for code in ["a", "b", "c"] {
        fleet.run(&format!("model create {code} --name Name,{code}")).done();
    }
    let codes = |options: &str| {
        let json = fleet.json(&format!("model list {options}"));
        let items = json.0.as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["code"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(codes(""), "abc");
    assert_eq!(codes("--sort -code --limit 2"), "cb");
    assert_eq!(codes("--search name,B"), "b");
    let csv = fleet.run("model list --format csv").done().stdout;
    let header = "id,code,name,base_url,token_url,mqtt_url,wifi_ssid,wifi_password_state,created_at,updated_at\n";
    assert!(
        csv.starts_with(header) && csv.contains("\n1,a,\"Name,a\",,,,,,20"),
        "{csv}"
    );
    let line = fleet.run("model list --sort size").refused(1);
    assert!(
        line.contains("invalid-value: /sort: ") && line.contains("must be one of id, code"),
        "{line}"
    );
}

#[test]
fn more_than_a_page_is_listed() {
    let fleet = Fleet::start();
    for number in 0..501 {
        let model = format!("{{\"code\":\"m{number:03}\",\"name\":\"M\"}}");
        assert_eq!(
            fleet.server.call("POST", "/api/device-models", &fleet.token, &model).0,
            201
        );
    }
    let lines = fleet.run("model list").done().stdout;
    assert_eq!(lines.lines().count(), 502);
    assert!(lines.lines().last().unwrap().contains("m500"));
}
