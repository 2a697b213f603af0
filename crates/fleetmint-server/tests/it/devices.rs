use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, problem};

#[tokio::test]
async fn a_device_is_created_read_changed_and_deleted() {
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
async fn every_rule_of_a_device_is_reported_with_its_pointer() {
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

#[tokio::test]
async fn a_serial_is_chosen_by_the_caller_unique_searched_and_changed() {
    let server = Server::start().await;
    let id = server.model("m").await["id"].clone();
    let body = |serial: Value| json!({"device_model_id": id, "name": "A", "serial": serial});
    let made = server.post("/api/devices", &body(json!("SN 0001/a"))).await.expect(201);
    assert_eq!(made["serial"], "SN 0001/a");
    for none in [json!({"device_model_id": id, "name": "A"}), body(Value::Null)] {
        assert_eq!(
            server.post("/api/devices", &none).await.expect(201)["serial"],
            Value::Null
        );
    }
    let taken = || problem(409, "already-exists", &["/serial"]);
    assert_eq!(
        server.post("/api/devices", &body(json!("SN 0001/a"))).await.problem(),
        taken()
    );
    for wrong in ["", " a", "a ", " ", "ä", "a\u{7}", "a\tb", &"x".repeat(65)] {
        let refused = server.post("/api/devices", &body(json!(wrong))).await;
        assert_eq!(
            refused.problem(),
            problem(422, "invalid-value", &["/serial"]),
            "{wrong:?}"
        );
        let path = format!("/api/devices/{}", made["id"]);
        let refused = server.patch(&path, &json!({"serial": wrong})).await;
        assert_eq!(
            refused.problem(),
            problem(422, "invalid-value", &["/serial"]),
            "{wrong:?}"
        );
    }
    let longest = "~".repeat(64);
    let other = server.post("/api/devices", &body(json!(longest))).await.expect(201);
    assert_eq!(server.count("devices"), 4);

    let found = async |query: &str| {
        let page = server.get(&format!("/api/devices?{query}")).await.expect(200);
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>()
    };
    let is_made = vec![made["id"].clone()];
    assert_eq!(found("serial=SN%200001/a").await, is_made);
    assert_eq!(found("serial=SN%200001").await, Vec::<Value>::new());
    assert_eq!(found("q=0001/A").await, is_made);
    assert_eq!(found("q=%7e%7e").await, vec![other["id"].clone()]);

    // Changed, removed, and then used by another device.
    let path = format!("/api/devices/{}", made["id"]);
    let other_path = format!("/api/devices/{}", other["id"]);
    let refused = server.patch(&other_path, &json!({"serial": "SN 0001/a"})).await;
    assert_eq!(refused.problem(), taken());
    let same = server.patch(&path, &json!({"serial": "SN 0001/a"})).await.expect(200);
    assert_eq!(same["serial"], "SN 0001/a");
    let none = server.patch(&path, &json!({"serial": null})).await.expect(200);
    assert_eq!(none["serial"], Value::Null);
    let changed = server.patch(&other_path, &json!({"serial": "SN 0001/a"})).await;
    assert_eq!(changed.expect(200)["serial"], "SN 0001/a");
    // A deleted device keeps none.
    server.delete(&other_path).await.expect(204);
    server.post("/api/devices", &body(json!("SN 0001/a"))).await.expect(201);
    server.stop().await;
}

#[tokio::test]
async fn a_change_is_made_only_in_the_state_that_the_caller_knows() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let free = server.model("n").await;
    for path in [
        format!("/api/devices/{}", device["id"]),
        format!("/api/device-models/{}", free["id"]),
    ] {
        let with = async |method: Method, headers: &[(&'static str, &str)], body: Option<Value>| {
            server
                .call(method, &path, |mut request| {
                    for (name, value) in headers {
                        request = request.header(*name, *value);
                    }
                    match body {
                        Some(body) => request.json(&body),
                        None => request,
                    }
                })
                .await
        };
        let stale = || problem(412, "precondition-failed", &[]);
        let first = server.get(&path).await;
        let old = first.header("etag").to_owned();
        assert!(old.starts_with('"') && old.ends_with('"') && old.len() > 10, "{old}");
        assert_eq!(server.get(&path).await.header("etag"), old);

        // A caller that has the current state gets a 304.
        let list = format!("\"other\", W/{old}");
        for known in [old.as_str(), &list, "*"] {
            let answer = with(Method::GET, &[("if-none-match", known)], None).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{known}");
            assert_eq!(answer.header("etag"), old);
        }
        for unknown in ["\"other\"", "other", "W/"] {
            let answer = with(Method::GET, &[("if-none-match", unknown)], None).await;
            assert_eq!(answer.expect(200), first.json(), "{unknown}");
        }

        // Each change results in another state, also that of a password, which is never shown.
        let password = |text: &str| json!({"provisioning": {"wifi_password": text}});
        let mut etags = vec![old.clone()];
        for change in [
            json!({"name": "Second"}),
            password("correct horse"),
            password("battery staple"),
            password("battery staple"),
        ] {
            let last = etags.last().unwrap().clone();
            let changed = with(Method::PATCH, &[("if-match", &last)], Some(change)).await;
            assert_eq!(changed.status, 200);
            let etag = changed.header("etag").to_owned();
            assert!(!etags.contains(&etag), "{etag}");
            assert_eq!(server.get(&path).await.header("etag"), etag);
            etags.push(etag);
        }
        let now = etags.pop().unwrap();
        for known in etags
            .iter()
            .map(String::as_str)
            .chain(["\"other\"", &format!("W/{now}")])
        {
            let refused = with(Method::PATCH, &[("if-match", known)], Some(json!({"name": "Lost"}))).await;
            assert_eq!(refused.problem(), stale(), "{known}");
            let refused = with(Method::DELETE, &[("if-match", known)], None).await;
            assert_eq!(refused.problem(), stale(), "{known}");
        }
        for unreadable in ["other", "\"", "", "\"a\" \"b\""] {
            let refused = with(
                Method::PATCH,
                &[("if-match", unreadable)],
                Some(json!({"name": "Lost"})),
            )
            .await;
            assert_eq!(
                refused.problem(),
                problem(400, "unreadable-header", &[]),
                "{unreadable}"
            );
            let refused = with(Method::DELETE, &[("if-match", unreadable)], None).await;
            assert_eq!(
                refused.problem(),
                problem(400, "unreadable-header", &[]),
                "{unreadable}"
            );
        }
        assert_eq!(server.get(&path).await.header("etag"), now);
        let changed = with(Method::PATCH, &[("if-match", "*")], Some(json!({"name": "Third"}))).await;
        let now = changed.header("etag").to_owned();
        assert_eq!(changed.expect(200)["name"], "Third");

        let list = format!("\"other\", {now}");
        let deleted = with(Method::DELETE, &[("if-match", &list)], None).await;
        assert_eq!(deleted.status, 204);
        let gone = with(Method::PATCH, &[("if-match", &now)], Some(json!({"name": "Lost"}))).await;
        assert_eq!(gone.problem(), problem(404, "not-found", &[]));
    }
    let body = json!({"code": "o", "name": "O"});
    let made = server.post("/api/device-models", &body).await;
    let etag = made.header("etag").to_owned();
    let location = made.header("location").to_owned();
    assert_eq!(server.get(&location).await.header("etag"), etag);
    server.stop().await;
}

/// Many callers know the same state, and only one of them changes it.
#[tokio::test(flavor = "multi_thread")]
async fn only_one_of_many_changes_of_one_state_succeeds() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}", device["id"]);
    let etag = server.get(&path).await.header("etag").to_owned();
    let change = |n: usize| {
        let (path, etag) = (&path, &etag);
        server.call(Method::PATCH, path, move |request| {
            request.header("if-match", etag).json(&json!({"name": format!("{n}")}))
        })
    };
    let answers = futures_util::future::join_all((0..16).map(change)).await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    let stale = answers.iter().filter(|answer| answer.status == 412).count();
    assert_eq!((made, stale), (1, 15));
    server.stop().await;
}

/// Every order in both directions, of all devices and of one model's, searched and not: page by page the same items as at
/// once, and each once.
#[tokio::test]
async fn pages_of_each_order_and_search_hold_what_the_whole_list_holds() {
    let server = Server::start().await;
    let models = [server.model("one").await, server.model("two").await];
    for (n, name) in ["b", "a", "c", "a", "b", "d", "a"].into_iter().enumerate() {
        let body = json!({"device_model_id": models[n % 2]["id"], "name": format!("Sensor {name}")});
        server.post("/api/devices", &body).await.expect(201);
    }
    // Equal values in every order.
    server.execute("UPDATE devices SET created_at = id / 3, updated_at = id % 3");
    let ids = |page: &Value| -> Vec<i64> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["id"].as_i64().unwrap()).collect()
    };
    for sort in ["id", "key", "name", "device_model_id", "created_at", "updated_at"] {
        for filter in [String::new(), format!("&device_model_id={}", models[0]["id"])] {
            let mut in_this_direction = Vec::new();
            for direction in ["", "-"] {
                let mut whole = Vec::new();
                for search in ["", "&q=SENSOR", "&q=sensor a"] {
                    let query = format!("sort={direction}{sort}{filter}{search}");
                    let all = ids(&server.get(&format!("/api/devices?{query}")).await.expect(200));
                    let (mut paged, mut cursor) = (Vec::new(), String::new());
                    loop {
                        let path = format!("/api/devices?{query}&limit=2{cursor}");
                        let page = server.get(&path).await.expect(200);
                        paged.extend(ids(&page));
                        let Some(next) = page["next_cursor"].as_str() else {
                            break;
                        };
                        cursor = format!("&cursor={next}");
                    }
                    assert_eq!(paged, all, "{query}");
                    whole.push(all);
                }
                assert_eq!(whole[0], whole[1], "{sort}{filter}");
                let of_a: Vec<i64> = whole[0].iter().copied().filter(|id| [2, 4, 7].contains(id)).collect();
                assert_eq!(whole[2], of_a, "{sort}{filter}");
                in_this_direction.push(whole.swap_remove(0));
            }
            in_this_direction[1].reverse();
            assert_eq!(in_this_direction[0], in_this_direction[1], "{sort}{filter}");
            assert_eq!(in_this_direction[0].len(), if filter.is_empty() { 7 } else { 4 });
        }
    }
    server.stop().await;
}
