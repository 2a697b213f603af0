//! `POST …/provisioning/verify`.

use super::*;

/// Verifies these values.
pub(super) async fn verify(server: &Server, device: &Value, values: &Value) -> Answer {
    let path = format!("{}/provisioning/verify", device_path(device));
    let answer = server.post(&path, &json!({"values": values})).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    server.assert_no_secret(&String::from_utf8_lossy(&answer.body), "an answer of verify");
    answer
}

/// Each case of a key, for a device that has an SSID and no broker.
pub(super) async fn verifies(server: &Server, device: &Value) {
    let path = device_path(device);
    let override_ = json!({"provisioning": {"wifi_ssid": "workshop"}});
    server.patch(&path, &override_).await.expect(200);
    let current = Value::Object(server.values(device).await);
    let all = json!({
        "device_key": "current", "client_id": "current", "client_secret": "current", "token_url": "current",
        "base_url": "current", "wifi_ssid": "current",
    });
    let answer = verify(server, device, &current).await.expect(200);
    assert_eq!(answer, json!({"matches": true, "keys": all}));

    let cases = [
        ("client_secret", json!("a secret of before"), "outdated", false),
        ("wifi_ssid", Value::Null, "missing", false),
        ("client_secret", Value::Null, "missing", false),
        ("mqtt_url", json!("mqtts://broker.example"), "outdated", false),
        ("mqtt_url", json!(""), "outdated", false),
        ("app_setting", json!("anything"), "foreign", true),
        ("größe", json!("anything"), "foreign", true),
    ];
    for (key, value, state, matches) in cases {
        let (mut values, mut keys) = (current.clone(), all.clone());
        match value {
            Value::Null => drop(values.as_object_mut().unwrap().remove(key)),
            value => values[key] = value,
        }
        keys[key] = state.into();
        let answer = verify(server, device, &values).await.expect(200);
        assert_eq!(answer, json!({"matches": matches, "keys": keys}), "{key} {state}");
    }
    // A blank partition.
    let answer = verify(server, device, &json!({})).await.expect(200);
    assert_eq!(answer["matches"], false);
    let states = answer["keys"].as_object().unwrap();
    assert!(
        states.len() == 6 && states.values().all(|state| state == "missing"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_boards_values_are_compared_and_never_shown() {
    let server = Server::start().await;
    let (device, _) = two_devices(&server).await;
    verifies(&server, &device).await;
    assert_eq!(server.outcomes("verify_provisioning").await, ["succeeded"; 9]);

    server.keep_secret("hunter2-hunter2");
    let path = format!("{}/provisioning/verify", device_path(&device));
    for (body, pointer) in [
        ("{}", "/values"),
        (r#"{"values": []}"#, "/values"),
        (r#"{"values": "hunter2-hunter2"}"#, "/values"),
        (
            r#"{"values": {"client_secret": ["hunter2-hunter2"]}}"#,
            "/values/client_secret",
        ),
        (r#"{"values": {"": "x"}}"#, "/values/"),
        (r#"{"values": {"sixteen/letters/": "x"}}"#, "/values/sixteen~1letters~1"),
        (r#"{"values": {"a": "x", "b": "y", "a": "z"}}"#, "/values/a"),
        (r#"{"values": {}, "value": {}}"#, "/value"),
    ] {
        let answer = server.call(Method::POST, &path, |request| {
            request.header("content-type", "application/json").body(body)
        });
        assert_eq!(
            answer.await.problem(),
            problem(422, "invalid-value", &[pointer]),
            "{body}"
        );
    }
    // Refused before the operation begins.
    assert_eq!(server.outcomes("verify_provisioning").await.len(), 9);
    // A value that the device needs is missing.
    server
        .patch(&device_path(&device), &json!({"provisioning": {"base_url": ""}}))
        .await
        .expect(200);
    let answer = verify(&server, &device, &json!({})).await;
    assert_eq!(
        answer.problem(),
        problem(422, "value-missing", &["/provisioning/base_url"])
    );
    assert_eq!(server.outcomes("verify_provisioning").await[0], "failed value-missing");
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_verified_without_its_audit_record() {
    let server = Server::start().await;
    let (device, _) = two_devices(&server).await;
    let values = Value::Object(server.values(&device).await);
    server.limit_pages(0);
    let mut answer = verify(&server, &device, &values).await;
    // Until the database's last page is full.
    for _ in 0..500 {
        if answer.status != 200 {
            break;
        }
        answer = verify(&server, &device, &values).await;
    }
    assert_eq!(answer.problem(), problem(503, "unavailable", &[]));
    server.stop().await;
}
