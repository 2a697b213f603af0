//! What devices will get: each value with its source, and what looks wrong.

use serde_json::{Value, json};

use crate::harness::{Server, problem};

/// A value of an answer by its key: set, value, source, setting.
fn value(answer: &Value, key: &str) -> Value {
    let values = answer["values"].as_array().unwrap();
    let value = values.iter().find(|value| value["key"] == key).unwrap();
    json!([value["set"], value["value"], value["source"], value["setting"]])
}

/// The findings of an answer: severity, key, code.
fn findings(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            assert!(finding["detail"].as_str().unwrap().len() > 10, "{finding}");
            let text = |member: &str| finding[member].as_str().unwrap();
            format!("{} {} {}", text("severity"), text("key"), text("code"))
        })
        .collect()
}

#[tokio::test]
async fn each_value_is_shown_with_its_source_and_without_secrets() {
    let server = Server::start_with(&[
        ("provisioning.base_url", "https://api.example"),
        ("provisioning.mqtt_url", "mqtts://fleet:hunter2hunter2@broker.example"),
        ("provisioning.wifi_ssid", "workshop"),
        ("provisioning.wifi_password", "correct horse battery"),
        ("server.public_url", "https://fleet.example"),
    ])
    .await;
    server.keep_secret("hunter2hunter2");
    server.keep_secret("correct horse battery");
    let answer = server.get("/api/settings").await.expect(200);
    assert!(!answer.to_string().contains("hunter2"));
    assert!(!answer.to_string().contains("correct horse"));
    assert_eq!(
        value(&answer, "base_url"),
        json!([true, "https://api.example", "settings", "provisioning.base_url"])
    );
    assert_eq!(
        value(&answer, "token_url"),
        json!([
            true,
            "https://fleet.example/oauth2/token",
            "provider",
            "server.public_url"
        ])
    );
    assert_eq!(
        value(&answer, "mqtt_url"),
        json!([true, "mqtts://***@broker.example", "settings", "provisioning.mqtt_url"])
    );
    assert_eq!(
        value(&answer, "wifi_password"),
        json!([true, null, "settings", "provisioning.wifi_password"])
    );
    assert_eq!(findings(&answer), [""; 0]);
    assert_eq!(answer["identity_provider"], "builtin");
    assert_eq!(answer["public_url"], "https://fleet.example");
    assert_eq!(answer["version"], env!("CARGO_PKG_VERSION"));
    let [base, password] = ["base_url", "wifi_password"].map(|key| {
        let values = answer["values"].as_array().unwrap();
        values.iter().find(|value| value["key"] == key).unwrap().clone()
    });
    assert_eq!([&base["required"], &base["secret"]], [true, false]);
    assert_eq!([&password["required"], &password["secret"]], [false, true]);
    assert_eq!(base["description"], "The service that devices talk to");

    let model = json!({"code": "m", "name": "M", "provisioning": {
        "base_url": "https://model.example", "wifi_ssid": "", "mqtt_url": "mqtts://a:secret-of-model@model.example"}});
    let model = server.post("/api/device-models", &model).await.expect(201);
    let device = json!({"device_model_id": model["id"], "name": "D", "provisioning": {
        "wifi_ssid": "lab", "wifi_password": ""}});
    let device = server.post("/api/devices", &device).await.expect(201);
    let of_model = server
        .get(&format!("/api/device-models/{}/settings", model["id"]))
        .await
        .expect(200);
    let of_device = server
        .get(&format!("/api/devices/{}/settings", device["id"]))
        .await
        .expect(200);
    for answer in [&of_model, &of_device] {
        assert!(!answer.to_string().contains("secret-of-model"));
        assert_eq!(
            value(answer, "base_url"),
            json!([true, "https://model.example", "model", null])
        );
        assert_eq!(
            value(answer, "mqtt_url"),
            json!([true, "mqtts://***@model.example", "model", null])
        );
        assert_eq!(value(answer, "token_url")[2], "provider");
        assert!(answer.get("version").is_none());
    }
    assert_eq!(value(&of_model, "wifi_ssid"), json!([false, null, "model", null]));
    assert_eq!(value(&of_model, "wifi_password")[2], "settings");
    assert_eq!(findings(&of_model), ["warning wifi_ssid wifi-password-without-ssid"]);
    assert_eq!(value(&of_device, "wifi_ssid"), json!([true, "lab", "device", null]));
    assert_eq!(value(&of_device, "wifi_password"), json!([false, null, "device", null]));
    assert_eq!(
        findings(&of_device),
        ["notice wifi_password wifi-ssid-without-password"]
    );

    // What is shown is what the image holds.
    let image = server.values(&device).await;
    assert_eq!(image["base_url"], "https://model.example");
    assert_eq!(image["wifi_ssid"], "lab");
    assert!(!image.contains_key("wifi_password"));
    for path in [
        "/api/devices/99/settings",
        "/api/device-models/99/settings",
        "/api/devices/x/settings",
    ] {
        assert_eq!(
            server.get(path).await.problem(),
            problem(404, "not-found", &[]),
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_missing_or_looks_wrong_has_a_finding() {
    // The defaults are for a first look at one computer.
    let server = Server::start().await;
    let answer = server.get("/api/settings").await.expect(200);
    assert_eq!(
        value(&answer, "base_url"),
        json!([true, server.base, "settings", "server.public_url"])
    );
    assert_eq!(value(&answer, "mqtt_url"), json!([false, null, "none", null]));
    assert_eq!(
        findings(&answer),
        ["warning base_url loopback-url", "warning token_url loopback-url"]
    );
    let long = format!("https://example.com/{}", "x".repeat(3900));
    for (n, (overrides, expected)) in [
        (
            json!({"base_url": ""}),
            &["error base_url value-missing", "warning token_url loopback-url"][..],
        ),
        (
            json!({"base_url": "http://192.0.2.1", "token_url": "http://id.example/token", "mqtt_url": "mqtt://192.0.2.1"}),
            &[
                "warning base_url plain-text-url",
                "warning token_url plain-text-url",
                "warning mqtt_url plain-text-url",
            ],
        ),
        (
            json!({"base_url": "https://localhost", "token_url": "https://[::1]/token", "mqtt_url": "mqtts://0.0.0.0"}),
            &[
                "warning base_url loopback-url",
                "warning token_url loopback-url",
                "warning mqtt_url loopback-url",
            ],
        ),
        (
            json!({"base_url": long, "token_url": "https://id.example/token"}),
            &["warning base_url does-not-fit"],
        ),
        (
            json!({"base_url": "https://api.example", "token_url": "https://id.example/token"}),
            &[],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let model = json!({"code": format!("m{n}"), "name": "M", "provisioning": overrides});
        let model = server.post("/api/device-models", &model).await.expect(201);
        let path = format!("/api/device-models/{}/settings", model["id"]);
        assert_eq!(findings(&server.get(&path).await.expect(200)), expected, "model {n}");
    }
    // Values of an earlier version, which had other rules.
    server.execute(
        "UPDATE device_models SET base_url = 'ftp://old.example', token_url = 'https://a:b@old.example' WHERE id = 1",
    );
    let answer = server.get("/api/device-models/1/settings").await.expect(200);
    assert_eq!(
        findings(&answer),
        ["error base_url invalid-value", "error token_url invalid-value"]
    );
    server.stop().await;

    let wildcard = Server::start_with(&[("server.listen", "0.0.0.0:0")]).await;
    let answer = wildcard.get("/api/settings").await.expect(200);
    assert_eq!(answer["public_url"], Value::Null);
    let mut found = findings(&answer);
    found.sort();
    assert_eq!(
        found,
        [
            "error base_url value-missing",
            "error token_url value-missing",
            "warning server.listen no-tls",
            "warning server.public_url public-url-missing",
        ]
    );
    wildcard.stop().await;
}
