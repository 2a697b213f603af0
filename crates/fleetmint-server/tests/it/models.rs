use fleetmint_board::provisioning::{Kind, Setting};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::harness::{Server, problem};

/// The member `provisioning` of an answer that shows these overrides, and of each other setting that it has none.
fn overrides(set: Value) -> Value {
    let mut members = Map::new();
    for setting in Setting::OVERRIDABLE {
        if matches!(setting.facts().kind, Kind::Secret { .. }) {
            members.insert(format!("{setting}_set"), json!(false));
            members.insert(format!("{setting}_state"), json!("unset"));
        } else {
            members.insert(setting.to_string(), Value::Null);
        }
    }
    let Value::Object(set) = set else { panic!("an object") };
    members.extend(set);
    members.into()
}

#[tokio::test]
async fn a_model_is_created_read_changed_and_deleted() {
    let server = Server::start().await;
    let body = json!({"code": "tempsensor", "name": "Temperature sensor"});
    let made = server.post("/api/device-models", &body).await;
    let location = made.header("location").to_owned();
    let made = made.expect(201);
    assert_eq!(location, format!("/api/device-models/{}", made["id"]));
    assert_eq!(made["code"], "tempsensor");
    assert_eq!(made["name"], "Temperature sensor");
    assert_eq!(made["provisioning"], overrides(json!({})));
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(made["created_at"], made["updated_at"]);
    assert_eq!(server.get(&location).await.expect(200), made);

    let changed = server
        .patch(&location, &json!({"name": "Thermometer"}))
        .await
        .expect(200);
    assert_eq!(changed["name"], "Thermometer");
    assert_eq!(changed["created_at"], made["created_at"]);
    assert!(changed["updated_at"].as_str() > made["updated_at"].as_str());
    assert_eq!(server.get(&location).await.expect(200), changed);

    assert_eq!(server.delete(&location).await.expect(204), Value::Null);
    assert_eq!(server.get(&location).await.problem(), problem(404, "not-found", &[]));
    assert_eq!(server.delete(&location).await.problem(), problem(404, "not-found", &[]));
    assert_eq!(
        server.patch(&location, &json!({})).await.problem(),
        problem(404, "not-found", &[])
    );
    server.stop().await;
}

#[tokio::test]
async fn every_rule_of_a_model_is_reported_with_its_pointer() {
    let server = Server::start().await;
    server.keep_secret("hunter2hunter2");
    let rules = [
        (json!({"name": "A"}), "/code"),
        (json!({"code": "", "name": "A"}), "/code"),
        (json!({"code": "Upper", "name": "A"}), "/code"),
        (json!({"code": "with-dash", "name": "A"}), "/code"),
        (json!({"code": "x".repeat(51), "name": "A"}), "/code"),
        (json!({"code": 7, "name": "A"}), "/code"),
        (json!({"code": "a"}), "/name"),
        (json!({"code": "a", "name": " "}), "/name"),
        (json!({"code": "a", "name": "\u{a0}\u{200b}\u{3164}\u{2060}"}), "/name"),
        (json!({"code": "a", "name": "two\nlines"}), "/name"),
        (json!({"code": "a", "name": "x".repeat(201)}), "/name"),
        (json!({"code": "a", "name": "A", "colour": "red"}), "/colour"),
        (
            json!({"code": "a", "name": "A", "provisioning": {"wifi": 1}}),
            "/provisioning/wifi",
        ),
        (
            json!({"code": "a", "name": "A", "provisioning": {"wifi_ssid": 1}}),
            "/provisioning/wifi_ssid",
        ),
        (
            json!({"code": "a", "name": "A", "provisioning": {"wifi_ssid": "x".repeat(33)}}),
            "/provisioning/wifi_ssid",
        ),
        (
            json!({"code": "a", "name": "A", "provisioning": {"wifi_ssid": "a\u{0}b"}}),
            "/provisioning/wifi_ssid",
        ),
        (
            json!({"code": "a", "name": "A", "provisioning": {"wifi_password": "1234567"}}),
            "/provisioning/wifi_password",
        ),
        (
            json!({"code": "a", "name": "A", "provisioning": {"base_url": "example"}}),
            "/provisioning/base_url",
        ),
        (
            json!({"code": "a", "name": "A", "provisioning": {"token_url": "https://"}}),
            "/provisioning/token_url",
        ),
        (
            json!({"code": "a", "name": "A", "provisioning": {"mqtt_url": "mqtt:"}}),
            "/provisioning/mqtt_url",
        ),
        (
            json!({"code": "a", "name": "A", "provisioning": {"base_url": format!("https://e/{}", "x".repeat(3990))}}),
            "/provisioning/base_url",
        ),
    ];
    let url = |setting: &str, url: &str| {
        let body = json!({"code": "a", "name": "A", "provisioning": {setting: url}});
        (body, format!("/provisioning/{setting}"))
    };
    for (body, pointer) in [
        url("base_url", "https://me:hunter2hunter2@a.example"),
        url("base_url", "mqtt://a.example"),
        url("base_url", "https:a.example"),
        url("token_url", "https://hunter2hunter2@a.example"),
        url("token_url", "file:///etc/passwd"),
        url("mqtt_url", "tcp://me:hunter2hunter2@a.example"),
        url("mqtt_url", "https://a.example"),
    ] {
        let answer = server.post("/api/device-models", &body).await;
        assert_eq!(answer.problem(), problem(422, "invalid-value", &[&pointer]), "{body}");
    }
    for (body, pointer) in rules {
        let answer = server.post("/api/device-models", &body).await;
        assert_eq!(answer.problem(), problem(422, "invalid-value", &[pointer]), "{body}");
    }
    let several = json!({"code": "A", "name": "", "provisioning": {"wifi_ssid": "x".repeat(33)}});
    let answer = server.post("/api/device-models", &several).await;
    assert_eq!(
        answer.problem(),
        problem(422, "invalid-value", &["/code", "/name", "/provisioning/wifi_ssid"])
    );
    assert_eq!(server.get("/api/device-models").await.expect(200)["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn limits_themselves_are_allowed() {
    let server = Server::start().await;
    let body = json!({
        "code": "x".repeat(50), "name": "ü".repeat(200),
        "provisioning": {
            "base_url": format!("https://e/{}", "x".repeat(3989)), "wifi_ssid": "ü".repeat(16), "wifi_password": "a1".repeat(32),
        },
    });
    server.post("/api/device-models", &body).await.expect(201);
    server.stop().await;
}

#[tokio::test]
async fn a_code_is_unique_and_never_changes() {
    let server = Server::start().await;
    let model = server.model("tempsensor").await;
    let again = server
        .post("/api/device-models", &json!({"code": "tempsensor", "name": "Another"}))
        .await;
    assert_eq!(again.problem(), problem(409, "already-exists", &["/code"]));

    let path = format!("/api/device-models/{}", model["id"]);
    for code in [json!("other"), json!(null)] {
        let refused = server.patch(&path, &json!({"code": code, "name": "New"})).await;
        assert_eq!(refused.problem(), problem(422, "invalid-value", &["/code"]));
    }
    assert_eq!(server.get(&path).await.expect(200), model);
    server.patch(&path, &json!({"code": "tempsensor"})).await.expect(200);
    let refused = server.patch(&path, &json!({"name": null})).await;
    assert_eq!(refused.problem(), problem(422, "invalid-value", &["/name"]));
    for (member, value) in [
        ("id", json!(7)),
        ("id", json!(null)),
        ("created_at", json!(1)),
        ("created_at", json!("2026-01-31T12:00:00Z")),
        ("updated_at", json!("2026-01-31T12:00:00Z")),
        ("color", json!(1)),
    ] {
        let refused = server.patch(&path, &json!({member: value})).await;
        let expected = problem(422, "invalid-value", &[&format!("/{member}")]);
        assert_eq!(refused.problem(), expected, "{member}");
    }
    server.stop().await;
}

#[tokio::test]
async fn overrides_are_merged_member_by_member_and_the_password_is_never_shown() {
    let server = Server::start().await;
    server.keep_secret("correct horse battery");
    let body = json!({
        "code": "m", "name": "M",
        "provisioning": {"base_url": "https://a.example", "wifi_ssid": "attic", "wifi_password": "correct horse battery"},
    });
    let made = server.post("/api/device-models", &body).await;
    assert!(!String::from_utf8_lossy(&made.body).contains("correct horse"));
    let made = made.expect(201);
    let path = format!("/api/device-models/{}", made["id"]);
    let shown = |base: Value, ssid: Value, set: bool| {
        let state = if set { "set" } else { "unset" };
        overrides(json!({
            "base_url": base, "wifi_ssid": ssid, "wifi_password_set": set, "wifi_password_state": state,
        }))
    };
    assert_eq!(
        made["provisioning"],
        shown(json!("https://a.example"), json!("attic"), true)
    );

    let steps = [
        (
            json!({"name": "N"}),
            shown(json!("https://a.example"), json!("attic"), true),
        ),
        (
            json!({"provisioning": {}}),
            shown(json!("https://a.example"), json!("attic"), true),
        ),
        (
            json!({"provisioning": {"base_url": null}}),
            shown(json!(null), json!("attic"), true),
        ),
        (
            json!({"provisioning": {"wifi_ssid": ""}}),
            shown(json!(null), json!(""), true),
        ),
        (
            json!({"provisioning": {"wifi_password": null}}),
            shown(json!(null), json!(""), false),
        ),
        (json!({"provisioning": null}), shown(json!(null), json!(null), false)),
    ];
    for (change, expected) in steps {
        let changed = server.patch(&path, &change).await.expect(200);
        assert_eq!(changed["provisioning"], expected, "{change}");
        assert_eq!(
            server.get(&path).await.expect(200)["provisioning"],
            expected,
            "{change}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn the_answer_to_a_get_can_be_sent_back() {
    let server = Server::start().await;
    server.keep_secret("correct horse battery");
    let model = server.model("m").await;
    let device = server.device(&model).await;
    for path in [
        format!("/api/device-models/{}", model["id"]),
        format!("/api/devices/{}", device["id"]),
    ] {
        for (password, state) in [
            (json!(null), "unset"),
            (json!(""), "empty"),
            (json!("correct horse battery"), "set"),
        ] {
            let change = json!({"provisioning": {"wifi_password": password, "wifi_ssid": "attic"}});
            let changed = server.patch(&path, &change).await.expect(200);
            assert_eq!(changed["provisioning"]["wifi_password_state"], state);

            let mut shown = server.get(&path).await.expect(200);
            shown["name"] = json!(format!("Renamed, {state}"));
            let mut after = server.patch(&path, &shown).await.expect(200);
            assert!(after["updated_at"].as_str() >= shown["updated_at"].as_str());
            after["updated_at"] = shown["updated_at"].clone();
            assert_eq!(after, shown);

            let shown = server.get(&path).await.expect(200);
            for (member, value) in [
                ("wifi_password_set", json!(state == "unset")),
                (
                    "wifi_password_state",
                    json!(if state == "set" { "empty" } else { "set" }),
                ),
                ("wifi_password_state", json!(null)),
            ] {
                let refused = server.patch(&path, &json!({"provisioning": {member: value}})).await;
                let pointer = format!("/provisioning/{member}");
                assert_eq!(refused.problem(), problem(422, "invalid-value", &[&pointer]), "{path}");
            }
            let unknown = json!({"provisioning": {"wifi_password_state": "unknown"}});
            let refused = server.patch(&path, &unknown).await;
            let pointer = "/provisioning/wifi_password_state";
            assert_eq!(refused.problem(), problem(422, "invalid-value", &[pointer]));
            assert_eq!(server.get(&path).await.expect(200), shown);
        }
    }
    server.stop().await;
}

/// The same call may be repeated: a change that changes nothing is recorded, and leaves the row as it is.
#[tokio::test]
async fn a_change_that_changes_nothing_leaves_the_state_as_it_is() {
    let server = Server::start().await;
    server.keep_secret("correct horse battery");
    server.keep_secret("hunter2-hunter2");
    let model = server.model("m").await;
    let device = server.device(&model).await;
    for (noun, action, path) in [
        (
            "model",
            "update_device_model",
            format!("/api/device-models/{}", model["id"]),
        ),
        ("device", "update_device", format!("/api/devices/{}", device["id"])),
    ] {
        for provisioning in [
            json!(null),
            json!({"wifi_ssid": "", "wifi_password": ""}),
            json!({
                "base_url": "https://api.example",
                "mqtt_url": "mqtts://user:hunter2-hunter2@broker.example",
                "wifi_ssid": "attic",
                "wifi_password": "correct horse battery",
            }),
        ] {
            server
                .patch(&path, &json!({"provisioning": provisioning}))
                .await
                .expect(200);
            let before = server.get(&path).await;
            let shown = before.json();
            let mut changes = vec![
                shown.clone(),
                json!({}),
                json!({"name": shown["name"]}),
                json!({"provisioning": {}}),
                json!({"provisioning": {"wifi_ssid": shown["provisioning"]["wifi_ssid"]}}),
            ];
            if shown["provisioning"]["wifi_password_state"] != "set" {
                changes.push(json!({"provisioning": provisioning}));
            }
            for change in changes {
                let records = server.count(&format!("audit WHERE action = '{action}'"));
                for _ in 0..3 {
                    let answer = server.patch(&path, &change).await;
                    assert_eq!(answer.header("etag"), before.header("etag"), "{noun} {change}");
                    assert_eq!(answer.expect(200), shown, "{noun} {change}");
                }
                let after = server.count(&format!("audit WHERE action = '{action}' AND outcome = 'succeeded'"));
                assert_eq!(after - records, 3, "{noun} {change}");
            }
            let again = server.get(&path).await;
            assert_eq!(again.header("etag"), before.header("etag"));
            assert_eq!(again.expect(200), shown);
        }
        // A real change still results in another state.
        let before = server.get(&path).await;
        let changed = server.patch(&path, &json!({"name": "Another"})).await;
        assert_ne!(changed.header("etag"), before.header("etag"));
        assert!(changed.json()["updated_at"].as_str() > before.json()["updated_at"].as_str());
    }
    server.stop().await;
}

#[tokio::test]
async fn every_time_has_six_digits_after_the_second() {
    let server = Server::start().await;
    let model = server.model("m").await;
    server.execute("UPDATE device_models SET created_at = 0, updated_at = 1500000");
    let path = format!("/api/device-models/{}", model["id"]);
    let shown = server.get(&path).await.expect(200);
    assert_eq!(shown["created_at"], "1970-01-01T00:00:00.000000Z");
    assert_eq!(shown["updated_at"], "1970-01-01T00:00:01.500000Z");
    server.patch(&path, &shown).await.expect(200);
    server.stop().await;
}

#[tokio::test]
async fn a_model_in_use_stays() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/device-models/{}", model["id"]);
    assert_eq!(server.delete(&path).await.problem(), problem(409, "in-use", &[]));
    assert_eq!(server.get(&path).await.expect(200), model);
    server
        .delete(&format!("/api/devices/{}", device["id"]))
        .await
        .expect(204);
    server.delete(&path).await.expect(204);
    server.stop().await;
}

#[tokio::test]
async fn a_change_is_sent_as_json_or_as_a_merge_patch() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let path = format!("/api/device-models/{}", model["id"]);
    for (media_type, status) in [
        ("application/json", 200),
        ("application/merge-patch+json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/json-patch+json", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ] {
        let answer = server
            .call(Method::PATCH, &path, |request| {
                request.header(CONTENT_TYPE, media_type).body("{\"name\":\"N\"}")
            })
            .await;
        assert_eq!(answer.status, status, "{media_type}");
        if status == 415 {
            assert_eq!(
                answer.header("accept-patch"),
                "application/merge-patch+json, application/json"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn lists_go_page_by_page_in_every_order() {
    let server = Server::start().await;
    // Names repeat, so that equal values must be ordered.
    for (code, name) in [
        ("d", "Beta"),
        ("a", "alpha"),
        ("c", "Beta"),
        ("e", "gamma"),
        ("b", "Beta"),
    ] {
        server
            .post("/api/device-models", &json!({"code": code, "name": name}))
            .await
            .expect(201);
    }
    for (order, expected) in [
        ("", "daceb"),
        ("id", "daceb"),
        ("-id", "becad"),
        ("code", "abcde"),
        ("-code", "edcba"),
        ("name", "dcbae"),
        ("-name", "eabcd"),
        ("created_at", "daceb"),
        ("-created_at", "becad"),
    ] {
        let sort = if order.is_empty() {
            String::new()
        } else {
            format!("sort={order}&")
        };
        for limit in 1..=6 {
            let mut codes = String::new();
            let mut cursor = String::new();
            loop {
                let path = format!("/api/device-models?{sort}limit={limit}&cursor={cursor}");
                let page = server.get(&path).await.expect(200);
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= limit);
                codes.extend(items.iter().map(|item| item["code"].as_str().unwrap()));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            assert_eq!(codes, expected, "sort {order}, limit {limit}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_list_can_be_searched() {
    let server = Server::start().await;
    for (code, name) in [
        ("temp_sensor", "Thermo 50%"),
        ("tempxsensor", "Meter 501"),
        ("lamp", "LAMP"),
        ("strasse", "Straße É"),
    ] {
        server
            .post("/api/device-models", &json!({"code": code, "name": name}))
            .await
            .expect(201);
    }
    for (q, expected) in [
        ("TEMP", 2),
        ("temp_", 1),
        ("50%25", 1),
        ("lamp", 1),
        ("none", 0),
        ("", 4),
        ("STRASSE%20%C3%A9", 1),
        ("stra%C3%9Fe%20e%CC%81", 1),
        ("e%CC%81", 1),
        ("%C3%89", 1),
        (&"x".repeat(256), 0),
        (&"%C3%A9".repeat(256), 0),
        ("%5C", 0),
    ] {
        let page = server.get(&format!("/api/device-models?q={q}")).await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), expected, "{q}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_parameter_is_reported_by_name() {
    let server = Server::start().await;
    server.model("a").await;
    server.model("b").await;
    let page = server.get("/api/device-models?limit=1").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    for (query, pointer) in [
        ("limit=0".to_owned(), "/limit"),
        ("limit=".to_owned(), "/limit"),
        ("sort=".to_owned(), "/sort"),
        ("limit=501".to_owned(), "/limit"),
        ("limit=ten".to_owned(), "/limit"),
        ("limit=-1".to_owned(), "/limit"),
        ("limit=1&limit=2".to_owned(), "/limit"),
        ("sort=colour".to_owned(), "/sort"),
        (format!("q={}", "x".repeat(257)), "/q"),
        (format!("q={}", "%C3%A9".repeat(257)), "/q"),
        ("q=a%00b".to_owned(), "/q"),
        ("cursor=nonsense".to_owned(), "/cursor"),
        (format!("cursor={cursor}&sort=name"), "/cursor"),
        (format!("cursor={cursor}&sort=-id"), "/cursor"),
        ("offset=3".to_owned(), "/offset"),
    ] {
        let answer = server.get(&format!("/api/device-models?{query}")).await;
        assert_eq!(answer.problem(), problem(422, "invalid-value", &[pointer]), "{query}");
    }
    server.stop().await;
}
