use serde_json::{Value, json};

use crate::harness::{Server, problem};

#[tokio::test]
async fn a_device_is_made_read_changed_and_deleted() {
    let server = Server::start().await;
    let model = server.model("tempsensor").await;
    let body = json!({"device_model_id": model["id"], "name": "Kitchen"});
    let made = server.post("/api/devices", &body).await;
    let location = made.header("location").to_owned();
    let made = made.expect(201);
    assert_eq!(location, format!("/api/devices/{}", made["id"]));
    assert_eq!(made["name"], "Kitchen");
    assert_eq!(made["device_model_id"], model["id"]);
    let key = made["key"].as_str().unwrap();
    assert_eq!(key.len(), 8);
    assert!(key.starts_with(|first: char| first.is_ascii_lowercase()), "{key}");
    assert!(
        key.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
        "{key}"
    );
    assert_eq!(made["client_id"], format!("iotdevice-tempsensor-{key}"));
    assert_eq!(made["provisioning"]["wifi_password_set"], false);
    assert_eq!(server.get(&location).await.expect(200), made);

    let changed = server
        .patch(&location, &json!({"name": "Kitchen, window"}))
        .await
        .expect(200);
    assert_eq!(changed["name"], "Kitchen, window");
    assert_eq!(server.get(&location).await.expect(200), changed);

    assert_eq!(server.delete(&location).await.expect(204), Value::Null);
    for answer in [
        server.get(&location).await,
        server.patch(&location, &json!({"name": "N"})).await,
        server.delete(&location).await,
        server.get(&format!("{location}/provisioning")).await,
    ] {
        assert_eq!(answer.problem(), problem(404, "not-found", &[]));
    }
    server.stop().await;
}

#[tokio::test]
async fn an_id_is_never_used_again() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let first = server.device(&model).await;
    server
        .delete(&format!("/api/devices/{}", first["id"]))
        .await
        .expect(204);
    let second = server.device(&model).await;
    assert!(second["id"].as_i64() > first["id"].as_i64());
    server.stop().await;
}

#[tokio::test]
async fn every_rule_of_a_device_is_told_with_its_pointer() {
    let server = Server::start().await;
    let id = server.model("m").await["id"].clone();
    let rules = [
        (json!({"name": "A"}), "/device_model_id"),
        (json!({"device_model_id": "1", "name": "A"}), "/device_model_id"),
        (json!({"device_model_id": 1.5, "name": "A"}), "/device_model_id"),
        (json!({"device_model_id": 999, "name": "A"}), "/device_model_id"),
        (json!({"device_model_id": id}), "/name"),
        (json!({"device_model_id": id, "name": ""}), "/name"),
        (json!({"device_model_id": id, "name": "A", "key": "k1234567"}), "/key"),
        (
            json!({"device_model_id": id, "name": "A", "provisioning": {"mqtt_url": "x"}}),
            "/provisioning/mqtt_url",
        ),
        (
            json!({"device_model_id": id, "name": "A", "provisioning": []}),
            "/provisioning",
        ),
    ];
    for (body, pointer) in rules {
        let answer = server.post("/api/devices", &body).await;
        assert_eq!(answer.problem(), problem(422, "invalid-value", &[pointer]), "{body}");
    }
    assert_eq!(server.get("/api/devices").await.expect(200)["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn key_client_and_model_never_change() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let other = server.model("n").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}", device["id"]);
    for (member, value) in [
        ("key", json!("k1234567")),
        ("key", Value::Null),
        ("client_id", json!("iotdevice-m-k1234567")),
        ("device_model_id", other["id"].clone()),
    ] {
        let refused = server.patch(&path, &json!({member: value, "name": "New"})).await;
        assert_eq!(
            refused.problem(),
            problem(422, "invalid-value", &[&format!("/{member}")])
        );
    }
    assert_eq!(server.get(&path).await.expect(200), device);
    let same = json!({
        "key": device["key"], "client_id": device["client_id"], "device_model_id": device["device_model_id"], "name": "New",
    });
    assert_eq!(server.patch(&path, &same).await.expect(200)["name"], "New");
    server.stop().await;
}

#[tokio::test]
async fn devices_are_listed_searched_and_filtered_by_model() {
    let server = Server::start().await;
    let (one, two) = (server.model("one").await, server.model("two").await);
    let mut devices = Vec::new();
    for (model, name) in [(&one, "b"), (&two, "a"), (&one, "c"), (&one, "b")] {
        let body = json!({"device_model_id": model["id"], "name": name});
        devices.push(server.post("/api/devices", &body).await.expect(201));
    }
    let ids = |page: &Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].clone())
            .collect::<Vec<_>>()
    };
    let of = |order: &[usize]| order.iter().map(|&at| devices[at]["id"].clone()).collect::<Vec<_>>();

    for (query, order) in [
        ("sort=name", &[1, 0, 3, 2][..]),
        ("sort=-name", &[2, 3, 0, 1]),
        ("sort=-created_at", &[3, 2, 1, 0]),
        ("q=iotdevice-two", &[1]),
        ("q=C", &[0, 1, 2, 3]), // of "iotdevice-…"
        (&format!("device_model_id={}", one["id"]), &[0, 2, 3]),
        (&format!("device_model_id={}&sort=-id&limit=2", one["id"]), &[3, 2]),
    ] {
        assert_eq!(
            ids(&server.get(&format!("/api/devices?{query}")).await.expect(200)),
            of(order),
            "{query}"
        );
    }
    let key = devices[2]["key"].as_str().unwrap();
    assert_eq!(
        ids(&server.get(&format!("/api/devices?q={key}")).await.expect(200)),
        of(&[2])
    );

    let mut sorted: Vec<&str> = devices.iter().map(|device| device["key"].as_str().unwrap()).collect();
    sorted.sort_unstable();
    let page = server.get("/api/devices?sort=key").await.expect(200);
    let keys: Vec<&str> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, sorted);

    let refused = server.get("/api/devices?device_model_id=one").await;
    assert_eq!(refused.problem(), problem(422, "invalid-value", &["/device_model_id"]));
    server.stop().await;
}
