mod large;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use crate::harness::nvs::{Espressif, strings};
use crate::harness::{Answer, Server, problem};

/// The settings and overrides of a device that has all of them; not only ASCII.
const SSID: &str = "Werkstatt-Süd 🛠";
const PASSWORD: &str = "größer als acht";

#[tokio::test]
async fn the_image_is_that_of_espressifs_generator_for_the_same_values() {
    let Some(mut espressif) = Espressif::start("provisioning") else {
        return;
    };
    let settings = [
        ("provisioning.base_url", "https://api.example"),
        ("provisioning.mqtt_url", "mqtts://broker.example"),
    ];
    let server = Server::start_with(&settings).await;
    server.keep_secret(PASSWORD);
    let model = server.model("tempsensor").await;
    let body = json!({
        "device_model_id": model["id"], "name": "Kitchen", "provisioning": {"wifi_ssid": SSID, "wifi_password": PASSWORD},
    });
    let device = server.post("/api/devices", &body).await.expect(201);

    let mut secrets = Vec::new();
    for size in [0x1000, 0x6000] {
        let image = server.image(&device, size).await;
        assert_eq!(image.status, 200);
        assert_eq!(image.body.len(), size);
        let values = strings(&image.body);
        let keys: Vec<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
        let order = "device_key client_id client_secret token_url base_url mqtt_url wifi_ssid wifi_password";
        assert_eq!(keys.join(" "), order);
        let value = |key: &str| values.iter().find(|(known, _)| known == key).unwrap().1.clone();
        assert_eq!(value("device_key"), device["key"].as_str().unwrap());
        assert_eq!(value("client_id"), device["client_id"].as_str().unwrap());
        assert_eq!(value("token_url"), format!("{}/oauth2/token", server.base));
        assert_eq!(value("base_url"), "https://api.example");
        assert_eq!(value("wifi_ssid"), SSID);
        assert_eq!(value("wifi_password"), PASSWORD);
        server.keep_secret(&value("client_secret"));
        assert_eq!(value("client_secret").len(), 43, "32 bytes as base64url");
        secrets.push(value("client_secret"));

        // Below 0x3000 the generator's file holds only the pages used; the endpoint's image is padded with 0xFF.
        let mut expected = espressif.generate("prov", &values, size);
        expected.resize(size, 0xFF);
        assert!(image.body == expected, "the images of {size:#x} bytes differ");
    }
    assert_eq!(secrets[0], secrets[1], "reading a secret does not change it");
    server.stop().await;
}

#[tokio::test]
async fn json_and_bytes_contain_the_same_image() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/provisioning", device["id"]);
    for (query, size) in [
        ("", 4096),
        ("?partition_size=4096", 4096),
        ("?partition_size=0x6000", 0x6000),
        ("?partition_size=24576", 0x6000),
        ("?partition_size=24K", 0x6000),
    ] {
        let json = server.get(&format!("{path}{query}")).await;
        assert_eq!(json.header("content-type"), "application/json");
        assert_eq!(json.header("cache-control"), "no-store");
        assert_eq!(json.header("vary"), "accept");
        let json = json.expect(200);
        assert_eq!(json["partition"], "nvs");
        assert_eq!(json["size"], size);
        assert_eq!(json.as_object().unwrap().len(), 3);

        let bytes = server
            .call(Method::GET, &format!("{path}{query}"), |request| {
                request.header(ACCEPT, "application/octet-stream")
            })
            .await;
        assert_eq!(bytes.status, 200);
        assert_eq!(bytes.header("content-type"), "application/octet-stream");
        assert_eq!(bytes.header("cache-control"), "no-store");
        let file = format!("attachment; filename=\"nvs-{}.bin\"", device["key"].as_str().unwrap());
        assert_eq!(bytes.header("content-disposition"), file);
        assert_eq!(bytes.body.len(), size);
        assert_eq!(json["data"], base64(&bytes.body));
    }
    server.stop().await;
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[tokio::test]
async fn an_invalid_size_is_422() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/provisioning", device["id"]);
    for size in [
        "0",
        "4095",
        "4097",
        "100",
        "-4096",
        "0x1001",
        "0x",
        "big",
        "16781312",
        "0x1001000",
        "4096.0",
        "99999999999999999999",
    ] {
        let answer = server.get(&format!("{path}?partition_size={size}")).await;
        assert_eq!(
            answer.problem(),
            problem(422, "invalid-value", &["/partition_size"]),
            "{size}"
        );
    }
    let misspelt = server.get(&format!("{path}?partition_sise=24576")).await;
    assert_eq!(misspelt.problem(), problem(422, "invalid-value", &["/partition_sise"]));
    assert_eq!(server.image(&device, 16 << 20).await.body.len(), 16 << 20);
    assert_eq!(
        server.image(&json!({"id": 999}), 4096).await.problem(),
        problem(404, "not-found", &[])
    );
    server.stop().await;
}

/// The value of a key in an image.
fn value(answer: &Answer, key: &str) -> Option<String> {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    strings(&answer.body)
        .into_iter()
        .find(|(known, _)| known == key)
        .map(|(_, value)| value)
}

#[tokio::test]
async fn device_overrides_model_and_model_overrides_settings() {
    let settings = [
        ("provisioning.base_url", "https://base.settings.example"),
        ("provisioning.token_url", "https://token.settings.example"),
        ("provisioning.mqtt_url", "mqtts://settings.example"),
        ("provisioning.wifi_ssid", "ssid of the settings"),
        ("provisioning.wifi_password", "password of the settings"),
    ];
    let server = Server::start_with(&settings).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let model_path = format!("/api/device-models/{}", model["id"]);
    let device_path = format!("/api/devices/{}", device["id"]);
    for (setting, optional) in [
        ("base_url", false),
        ("token_url", false),
        ("mqtt_url", true),
        ("wifi_ssid", true),
        ("wifi_password", true),
    ] {
        let of = |level: &str| match setting {
            "wifi_ssid" => format!("ssid of the {level}"),
            "wifi_password" => format!("password of the {level}"),
            "mqtt_url" => format!("mqtts://{level}.example"),
            url => format!("https://{}.{level}.example", url.trim_end_matches("_url")),
        };
        let set = async |path: &str, value: Value| {
            server
                .patch(path, &json!({"provisioning": {setting: value}}))
                .await
                .expect(200);
        };
        let now = async || value(&server.image(&device, 4096).await, setting);

        assert_eq!(now().await, Some(of("settings")), "{setting}");
        set(&model_path, json!(of("model"))).await;
        assert_eq!(now().await, Some(of("model")), "{setting}");
        set(&device_path, json!(of("device"))).await;
        assert_eq!(now().await, Some(of("device")), "{setting}");
        set(&model_path, Value::Null).await;
        assert_eq!(now().await, Some(of("device")), "{setting}");

        // An empty text overrides a value with nothing.
        for path in [&device_path, &model_path] {
            set(&device_path, Value::Null).await;
            set(path, json!("")).await;
            if optional {
                assert_eq!(now().await, None, "{setting}");
            } else {
                let answer = server.image(&device, 4096).await;
                assert_eq!(
                    answer.problem(),
                    problem(422, "value-missing", &[&format!("/provisioning/{setting}")])
                );
                let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
                assert!(detail.contains(&format!("provisioning.{setting}")), "{detail}");
                assert!(detail.contains("empty"), "{detail}");
                assert!(
                    detail.contains(if path == &device_path {
                        "device's own"
                    } else {
                        "model's"
                    }),
                    "{detail}"
                );
            }
        }
        set(&device_path, Value::Null).await;
        set(&model_path, Value::Null).await;
        assert_eq!(now().await, Some(of("settings")), "{setting}");
    }
    server.stop().await;
}

#[tokio::test]
async fn optional_values_that_are_not_set_or_empty_have_no_key() {
    for settings in [
        &[][..],
        &[
            ("provisioning.mqtt_url", ""),
            ("provisioning.wifi_ssid", ""),
            ("provisioning.wifi_password", ""),
        ],
    ] {
        let server = Server::start_with(settings).await;
        let model = server.model("m").await;
        let device = server.device(&model).await;
        let image = server.image(&device, 4096).await;
        for key in ["mqtt_url", "wifi_ssid", "wifi_password"] {
            assert_eq!(value(&image, key), None);
        }
        assert_eq!(
            value(&image, "base_url"),
            Some(server.base.clone()),
            "server.public_url stands in"
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn settings_that_devices_cannot_use_are_422_by_name() {
    let long = format!("https://e/{}", "x".repeat(3990)); // 4000 bytes, 4001 with NUL
    let cases = [
        ("", "value-missing", "empty"),
        ("  ", "value-missing", "blank"),
        (long.as_str(), "value-too-long", "4001 bytes"),
    ];
    for setting in ["base_url", "token_url"] {
        for (text, kind, word) in cases {
            let name = if setting == "base_url" {
                "provisioning.base_url"
            } else {
                "provisioning.token_url"
            };
            let server = Server::start_with(&[(name, text)]).await;
            let model = server.model("m").await;
            let device = server.device(&model).await;
            for size in [0x1000, 0x6000] {
                let answer = server.image(&device, size).await;
                assert_eq!(
                    answer.problem(),
                    problem(422, kind, &[&format!("/provisioning/{setting}")])
                );
                let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
                assert!(detail.contains(name) && detail.contains(word), "{detail}");
            }
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_wildcard_listener_without_a_public_url_cannot_provision() {
    let server = Server::start_with(&[("server.listen", "0.0.0.0:0")]).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let answer = server.image(&device, 4096).await;
    assert_eq!(
        answer.problem(),
        problem(422, "value-missing", &["/provisioning/token_url"])
    );
    let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("server.public_url") && detail.contains("not set"),
        "{detail}"
    );
    let path = format!("/api/devices/{}", device["id"]);
    let urls = json!({"base_url": "https://a.example", "token_url": "https://b.example"});
    server.patch(&path, &json!({"provisioning": urls})).await.expect(200);
    assert_eq!(server.image(&device, 4096).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn four_thousand_bytes_with_nul_are_accepted_and_larger_values_have_their_own_problem() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}", device["id"]);
    let longest = format!("mqtts://e/{}", "x".repeat(3989)); // 3999 bytes, 4000 with NUL
    server
        .patch(&path, &json!({"provisioning": {"mqtt_url": longest}}))
        .await
        .expect(200);
    assert_eq!(
        value(&server.image(&device, 0x6000).await, "mqtt_url"),
        Some(longest.clone())
    );

    let answer = server.image(&device, 0x1000).await;
    assert_eq!(
        answer.problem(),
        problem(422, "does-not-fit", &["/provisioning/mqtt_url"])
    );
    let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("needs 126 entries") && detail.contains("are free"),
        "{detail}"
    );

    let refused = server
        .patch(&path, &json!({"provisioning": {"mqtt_url": format!("{longest}x")}}))
        .await;
    assert_eq!(
        refused.problem(),
        problem(422, "invalid-value", &["/provisioning/mqtt_url"])
    );
    server.stop().await;
}

#[tokio::test]
async fn every_image_and_every_refusal_has_its_audit_record() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let records = async || {
        let path = format!("/api/audit?action=get_provisioning&device={}", device["id"]);
        server.get(&path).await.expect(200)["items"].as_array().unwrap().clone()
    };
    assert!(records().await.is_empty());
    for n in 1..=3 {
        assert_eq!(server.image(&device, 4096).await.status, 200);
        assert_eq!(records().await.len(), n);
    }
    let newest = &records().await[0];
    assert_eq!(newest["actor"], "administrator");
    assert_eq!(newest["source"], "127.0.0.1");
    assert_eq!(
        (&newest["outcome"], &newest["model_id"]),
        (&json!("succeeded"), &model["id"])
    );
    server
        .patch(
            &format!("/api/devices/{}", device["id"]),
            &json!({"provisioning": {"base_url": ""}}),
        )
        .await
        .expect(200);
    assert_eq!(server.image(&device, 4096).await.status, 422);
    // An invalid request is not an attempt.
    assert_eq!(server.image(&device, 4097).await.status, 422);
    let records = records().await;
    assert_eq!(records.len(), 4);
    assert_eq!(
        (&records[0]["outcome"], &records[0]["reason"], &records[0]["model_id"]),
        (&json!("failed"), &json!("value-missing"), &model["id"])
    );
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_disclosed_when_the_audit_record_cannot_be_written() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let trigger = "CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END";
    server.execute(trigger);
    let answer = server.image(&device, 4096).await;
    assert_eq!(answer.problem(), problem(503, "unavailable", &[]));
    assert_eq!(answer.json()["retryable"], true);
    server.execute("DROP TRIGGER no_room");
    assert_eq!(server.image(&device, 4096).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_missing_or_empty_credential_is_502() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    for (change, kind) in [
        ("UPDATE client_secrets SET secret = x''", "client-secret-missing"),
        ("DELETE FROM client_secrets", "client-secret-missing"),
        ("DELETE FROM clients", "client-missing"),
    ] {
        server.execute(change);
        assert_eq!(
            server.image(&device, 4096).await.problem(),
            problem(502, kind, &[]),
            "{change}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_changed_secret_is_never_flashed() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let (one, two) = (server.device(&model).await, server.device(&model).await);
    // One device's sealed secret does not open in another device's row.
    server.execute(&format!(
        "UPDATE client_secrets SET secret = (SELECT secret FROM client_secrets WHERE client_id = {}) \
             WHERE client_id = {}",
        quoted(&one["client_id"]),
        quoted(&two["client_id"])
    ));
    assert_eq!(
        server.image(&two, 4096).await.problem(),
        problem(500, "internal-error", &[])
    );
    assert_eq!(server.image(&one, 4096).await.status, 200);
    server.stop().await;
}

fn quoted(text: &Value) -> String {
    format!("'{}'", text.as_str().unwrap())
}

/// Whether a file of the data folder holds this text.
fn is_on_the_disk(folder: &tempfile::TempDir, text: &str) -> bool {
    let files = std::fs::read_dir(folder.path().join("data")).unwrap();
    let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default());
    let found = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    files.into_iter().any(|bytes| found(&bytes))
}

#[tokio::test]
async fn the_brokers_user_name_and_password_are_sealed_masked_and_kept() {
    let server = Server::start_with(&[(
        "provisioning.mqtt_url",
        "mqtts://fleet:settings-hunter2@settings.example",
    )])
    .await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let paths = [
        format!("/api/device-models/{}", model["id"]),
        format!("/api/devices/{}", device["id"]),
    ];
    for secret in ["settings-hunter2", "model-hunter2", "device-hunter2"] {
        server.keep_secret(secret);
    }
    let given = async || value(&server.image(&device, 4096).await, "mqtt_url").unwrap();
    let shown = async |path: &str| server.get(path).await.expect(200)["provisioning"]["mqtt_url"].clone();
    assert_eq!(given().await, "mqtts://fleet:settings-hunter2@settings.example");

    for (path, level) in paths.iter().zip(["model", "device"]) {
        let url = format!("wss://{level}-user:{level}-hunter2@{level}.example:443/mqtt?a@b");
        let masked = format!("wss://***@{level}.example:443/mqtt?a@b");
        let changed = server.patch(path, &json!({"provisioning": {"mqtt_url": url}})).await;
        assert_eq!(changed.expect(200)["provisioning"]["mqtt_url"], masked);
        assert_eq!(shown(path).await, masked);
        assert_eq!(given().await, url);

        // The shown value may be sent back, and changes nothing.
        let back = server.patch(path, &json!({"provisioning": {"mqtt_url": masked}})).await;
        assert_eq!(back.expect(200)["provisioning"]["mqtt_url"], masked);
        assert_eq!(given().await, url);

        // The masked user name and password are sent to no other broker.
        for other in ["wss://***@elsewhere.example/mqtt", "mqtt://***@b"] {
            let refused = server.patch(path, &json!({"provisioning": {"mqtt_url": other}})).await;
            assert_eq!(
                refused.problem(),
                problem(422, "invalid-value", &["/provisioning/mqtt_url"])
            );
        }
        assert_eq!(given().await, url);
    }
    let list = server.get("/api/devices").await;
    assert!(!String::from_utf8_lossy(&list.body).contains("hunter2"));
    let body = json!({"code": "n", "name": "N", "provisioning": {"mqtt_url": "mqtt://***@b"}});
    let refused = server.post("/api/device-models", &body).await;
    assert_eq!(
        refused.problem(),
        problem(422, "invalid-value", &["/provisioning/mqtt_url"])
    );

    // Another URL, and then none.
    server
        .patch(
            &paths[1],
            &json!({"provisioning": {"mqtt_url": "mqtt://plain.example"}}),
        )
        .await
        .expect(200);
    assert_eq!(given().await, "mqtt://plain.example");
    server
        .patch(&paths[1], &json!({"provisioning": {"mqtt_url": null}}))
        .await
        .expect(200);
    assert_eq!(
        given().await,
        "wss://model-user:model-hunter2@model.example:443/mqtt?a@b"
    );
    let folder = server.stop().await;
    for secret in ["model-hunter2", "device-hunter2", "device-user"] {
        assert!(!is_on_the_disk(&folder, secret), "{secret}");
    }
    assert!(is_on_the_disk(&folder, "plain.example"), "the files are searched");
}

#[tokio::test]
async fn urls_of_an_earlier_version_are_sealed_or_refused_when_they_are_needed() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    server.keep_secret("hunter2hunter2");
    // As the migration leaves existing values.
    server.execute(
        "UPDATE device_models SET mqtt_url = 'mqtt://me:hunter2hunter2@old.example';
         INSERT INTO instance (name, value) VALUES ('unsealed_userinfo', x'01')",
    );
    let server = Server::start_in(server.stop().await, &[]).await;
    server.keep_secret("hunter2hunter2");
    // The plain text is also not left in a page, or in the log of changed pages.
    let needle = b"hunter2hunter2";
    for file in std::fs::read_dir(server.data_folder()).unwrap() {
        let path = file.unwrap().path();
        // The server listens on a socket there.
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!found, "{} has the password", path.display());
    }
    let path = format!("/api/device-models/{}", model["id"]);
    assert_eq!(
        server.get(&path).await.expect(200)["provisioning"]["mqtt_url"],
        "mqtt://***@old.example"
    );
    assert_eq!(
        value(&server.image(&device, 4096).await, "mqtt_url").unwrap(),
        "mqtt://me:hunter2hunter2@old.example"
    );
    assert_eq!(server.count("instance WHERE name = 'unsealed_userinfo'"), 0);
    assert_eq!(server.outcomes("seal_userinfo").await, ["succeeded", "started"]);

    for (table, level) in [("device_models", "model's"), ("devices", "device's own")] {
        for (column, url, as_shown) in [
            (
                "base_url",
                "https://me:hunter2hunter2@old.example/a",
                "https://***@old.example/a",
            ),
            ("base_url", "https:/me:hunter2hunter2@old.example", "***@old.example"),
            ("base_url", "ftp://old.example", "ftp://old.example"),
            (
                "token_url",
                "https://hunter2hunter2@old.example",
                "https://***@old.example",
            ),
            ("mqtt_url", "tcp://old.example", "tcp://old.example"),
            ("mqtt_url", "mqtt:me:hunter2hunter2@old.example", "***@old.example"),
            (
                "mqtt_url",
                "mqtt://old.example#hunter2hunter2",
                "mqtt://old.example#***",
            ),
            (
                "mqtt_url",
                "mqtt://***@old.example#hunter2hunter2",
                "mqtt://***@old.example#***",
            ),
        ] {
            server.execute(&format!("UPDATE {table} SET {column} = '{url}'"));
            let answer = server.image(&device, 4096).await;
            assert_eq!(
                answer.problem(),
                problem(422, "invalid-value", &[&format!("/provisioning/{column}")])
            );
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            let name = format!("provisioning.{column}");
            assert!(
                detail.contains(level) && detail.contains(&name) && detail.contains("must be"),
                "{detail}"
            );
            // It may be sent back as it is shown, and stays unchanged. A mask in another URL is refused.
            let path = match table {
                "devices" => format!("/api/devices/{}", device["id"]),
                _ => path.clone(),
            };
            let shown = server.get(&path).await.expect(200);
            assert_eq!(shown["provisioning"][column], as_shown);
            let back = server.patch(&path, &shown).await.expect(200);
            assert_eq!(back["provisioning"], shown["provisioning"]);
            assert_eq!(server.count(&format!("{table} WHERE {column} = '{url}'")), 1);
            let other = json!({"provisioning": {column: format!("{as_shown}.other")}});
            assert_eq!(server.patch(&path, &other).await.status, 422, "{other}");
            for list in ["/api/devices", "/api/device-models"] {
                let list = server.get(list).await;
                assert!(!String::from_utf8_lossy(&list.body).contains("hunter2hunter2"));
            }
            server.execute(&format!("UPDATE {table} SET {column} = NULL"));
        }
    }
    assert_eq!(server.image(&device, 4096).await.status, 200);
    server.stop().await;
}
