//! The audit trail: who saw or changed what.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, problem};

async fn items(server: &Server, query: &str) -> Vec<Value> {
    let mut items = with_starts(server, query).await;
    items.retain(|item| item["source"] != START);
    items
}

/// The source in the records of a server's start.
const START: &str = "fleetmint serve";

/// Including those of a server's start.
async fn with_starts(server: &Server, query: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/audit?{query}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

fn actions(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_record_has_actor_operation_device_time_and_source() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    server.image(&device, 4096).await;
    server
        .delete(&format!("/api/devices/{}", device["id"]))
        .await
        .expect(204);

    let all = items(&server, "").await;
    assert_eq!(
        actions(&all),
        [
            "delete_device",
            "get_provisioning",
            "create_device",
            "create_device_model"
        ]
    );
    for (item, device_id) in all
        .iter()
        .zip([&device["id"], &device["id"], &device["id"], &Value::Null])
    {
        assert_eq!(item["actor"], "administrator");
        assert_eq!(item["source"], "127.0.0.1");
        assert_eq!(&item["device_id"], device_id);
        let at: jiff::Timestamp = item["at"].as_str().unwrap().parse().unwrap();
        assert!(item["at"].as_str().unwrap().ends_with('Z'));
        assert!(at.as_second() > 1_700_000_000);
    }
    assert!(
        all.windows(2)
            .all(|pair| pair[0]["id"].as_i64() > pair[1]["id"].as_i64())
    );
    for item in &all {
        assert_eq!(item["model_id"], model["id"]);
        assert_eq!(item["outcome"], "succeeded");
        assert_eq!((&item["attempt"], &item["reason"]), (&Value::Null, &Value::Null));
    }
    // Reading the trail is not recorded, and neither is a call without a valid token.
    server.anonymous(Method::GET, "/api/devices/1/provisioning").await;
    assert_eq!(items(&server, "").await, all);
    server.stop().await;
}

/// Action and outcome of the changes of a first start, oldest first.
const STARTED: [(&str, &str); 4] = [
    ("set_master_key", "succeeded"),
    ("create_signing_key", "succeeded"),
    ("create_admin_token", "started"),
    ("create_admin_token", "succeeded"),
];

/// Numbers mean nothing to people: a record says what its device and its model are called now.
#[tokio::test]
async fn a_record_names_its_device_and_its_model_as_long_as_they_exist() {
    let server = Server::start().await;
    let (model, gone_model) = (server.model("m").await, server.model("n").await);
    let device = server.device(&model).await;
    let gone = server.device(&gone_model).await;
    let path = format!("/api/devices/{}", device["id"]);
    server.patch(&path, &json!({"name": "New name"})).await.expect(200);
    server.delete(&format!("/api/devices/{}", gone["id"])).await.expect(204);
    let path = format!("/api/device-models/{}", gone_model["id"]);
    server.delete(&path).await.expect(204);
    server.get("/api/devices/999999/provisioning").await;

    let all = items(&server, "").await;
    let (mut named, mut nameless) = (0, 0);
    for item in &all {
        let expected = if item["device_id"] == device["id"] {
            named += 1;
            json!({"key": device["key"], "name": "New name"})
        } else {
            nameless += 1;
            Value::Null
        };
        assert_eq!(item["device"], expected, "{item}");
        let expected = if item["model_id"] == model["id"] {
            json!({"code": "m", "name": model["name"]})
        } else {
            Value::Null
        };
        assert_eq!(item["model"], expected, "{item}");
    }
    assert_eq!((named, nameless), (2, 6), "{all:#?}");
    server.stop().await;
}

#[tokio::test]
async fn changes_of_a_start_are_recorded_and_a_start_without_changes_records_nothing() {
    let server = Server::start().await;
    let mut all = with_starts(&server, "").await;
    all.reverse();
    let outcomes: Vec<_> = all
        .iter()
        .map(|item| (item["action"].as_str().unwrap(), item["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(outcomes, STARTED);
    for item in &all {
        assert_eq!((&item["actor"], &item["source"]), (&json!("system"), &json!(START)));
        assert_eq!((&item["device_id"], &item["model_id"]), (&Value::Null, &Value::Null));
    }
    let [.., started, succeeded] = &all[..] else { panic!() };
    assert_eq!(succeeded["attempt"], started["id"]);
    assert!(succeeded["at"].as_str() > started["at"].as_str());

    let folder = server.stop().await;
    let server = Server::start_in(folder, &[]).await;
    assert_eq!(with_starts(&server, "").await.len(), STARTED.len());
    server.stop().await;
}

/// Each operation that changes or discloses something, with a failure: the record has the problem's name.
#[tokio::test]
async fn a_failed_operation_is_recorded_with_its_reason() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let null = Value::Null;
    let device_path = format!("/api/devices/{}", device["id"]);
    let erased = json!({"data": BASE64_STANDARD.encode([0xFF; 0x3000])});
    let flash = crate::boards::flash_onto("60:55:f9:aa:00:01");
    let no_flash = format!("{device_path}/flashes/99");
    let calls: &[(&str, Method, &str, Value, &Value, Value)] = &[
        (
            "create_device_model",
            Method::POST,
            "/api/device-models",
            json!({"code": "m", "name": "M"}),
            &null,
            null.clone(),
        ),
        (
            "create_device_model",
            Method::POST,
            "/api/device-models",
            json!({"code": "M", "name": "M"}),
            &null,
            null.clone(),
        ),
        (
            "update_device_model",
            Method::PATCH,
            "/api/device-models/99",
            json!({"name": "N"}),
            &null,
            json!(99),
        ),
        (
            "update_device_model",
            Method::PATCH,
            "/api/device-models/1",
            json!({"name": ""}),
            &null,
            json!(1),
        ),
        (
            "delete_device_model",
            Method::DELETE,
            "/api/device-models/99",
            null.clone(),
            &null,
            json!(99),
        ),
        (
            "delete_device_model",
            Method::DELETE,
            "/api/device-models/1",
            null.clone(),
            &null,
            json!(1),
        ),
        (
            "create_device",
            Method::POST,
            "/api/devices",
            json!({"device_model_id": 99, "name": "D"}),
            &null,
            json!(99),
        ),
        (
            "create_device",
            Method::POST,
            "/api/devices",
            json!({"device_model_id": 1, "name": ""}),
            &null,
            json!(1),
        ),
        (
            "update_device",
            Method::PATCH,
            "/api/devices/99",
            json!({"name": "N"}),
            &json!(99),
            null.clone(),
        ),
        (
            "update_device",
            Method::PATCH,
            &device_path,
            json!({"key": "another1"}),
            &device["id"],
            json!(1),
        ),
        (
            "delete_device",
            Method::DELETE,
            "/api/devices/99",
            null.clone(),
            &json!(99),
            null.clone(),
        ),
        (
            "get_provisioning",
            Method::GET,
            "/api/devices/99/provisioning",
            null.clone(),
            &json!(99),
            null.clone(),
        ),
        (
            "patch_provisioning",
            Method::POST,
            "/api/devices/99/provisioning/patch",
            erased,
            &json!(99),
            null.clone(),
        ),
        (
            "verify_provisioning",
            Method::POST,
            "/api/devices/99/provisioning/verify",
            json!({"values": {}}),
            &json!(99),
            null.clone(),
        ),
        (
            "begin_flash",
            Method::POST,
            "/api/devices/99/flashes",
            flash.clone(),
            &json!(99),
            null.clone(),
        ),
        (
            "end_flash",
            Method::PATCH,
            &no_flash,
            json!({"outcome": "failed", "sectors": 0, "bytes": 0}),
            &device["id"],
            json!(1),
        ),
        (
            "sync_identity",
            Method::POST,
            "/api/devices/99/identity/sync",
            null.clone(),
            &json!(99),
            null.clone(),
        ),
        (
            "disable_identity",
            Method::POST,
            "/api/devices/99/identity/disable",
            null.clone(),
            &json!(99),
            null.clone(),
        ),
        (
            "enable_identity",
            Method::POST,
            "/api/devices/99/identity/enable",
            null.clone(),
            &json!(99),
            null.clone(),
        ),
    ];
    for (action, method, path, body, device_id, model_id) in calls {
        let before = server.count("audit");
        let answer = server
            .call(method.clone(), path, |request| match body {
                Value::Null => request,
                body => request.json(body),
            })
            .await;
        let (_, kind, _) = answer.problem();
        let newest = items(&server, "limit=1").await.remove(0);
        let known = |id: &Value, one: &Value, named: Value| if *id == one["id"] { named } else { Value::Null };
        let named = known(
            device_id,
            &device,
            json!({"key": device["key"], "name": device["name"]}),
        );
        let named_model = known(model_id, &model, json!({"code": model["code"], "name": model["name"]}));
        let expected = json!({
            "id": newest["id"], "at": newest["at"], "actor": "administrator", "source": "127.0.0.1",
            "action": action, "device_id": device_id, "device": named, "model_id": model_id, "model": named_model,
            "outcome": "failed", "attempt": null, "reason": kind,
        });
        assert_eq!(newest, expected, "{method} {path}");
        assert_eq!(server.count("audit"), before + 1, "{method} {path}: one record");
    }
    assert_eq!(items(&server, "outcome=failed").await.len(), calls.len());
    assert_eq!(items(&server, "outcome=succeeded").await.len(), 2);
    assert_eq!(items(&server, "model=99").await.len(), 3);
    assert_eq!(items(&server, "model=1&outcome=failed").await.len(), 5);
    server.stop().await;
}

/// It changes and discloses nothing, and anyone with a token could fill the trail with it.
#[tokio::test]
async fn a_call_that_is_refused_before_the_operation_leaves_no_record() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let models = "/api/device-models";
    let model = format!("{models}/{}", model["id"]);
    let device = format!("/api/devices/{}", device["id"]);
    let provisioning = format!("{device}/provisioning");
    let with_query = |query: &str| format!("{provisioning}?{query}");
    let patch = format!("{provisioning}/patch");
    let json_type = ("content-type", "application/json");
    let merge_patch = ("content-type", "application/merge-patch+json");
    let named = r#"{"name": "N"}"#;
    let no_size = json!({"data": BASE64_STANDARD.encode([0xFF; 0x1001])}).to_string();
    let before = server.count("audit");
    for (method, path, headers, body, status) in [
        (Method::POST, models, &[json_type][..], "{", 400),
        (Method::POST, models, &[json_type], r#"{"code": "n", "name": 1}"#, 422),
        (
            Method::POST,
            models,
            &[json_type],
            r#"{"code": "n", "name": "N", "x": 1}"#,
            422,
        ),
        (Method::POST, models, &[("content-type", "text/plain")], "{}", 415),
        (
            Method::POST,
            models,
            &[json_type, ("idempotency-key", "\"")],
            r#"{"code": "n", "name": "N"}"#,
            400,
        ),
        (Method::PATCH, &model, &[merge_patch, ("if-match", "x")], named, 400),
        (Method::PATCH, &device, &[merge_patch, ("if-match", "x")], named, 400),
        (Method::PATCH, &device, &[merge_patch], "[]", 422),
        (Method::DELETE, &device, &[("if-match", "x")], "", 400),
        (Method::PATCH, "/api/devices/x", &[merge_patch], named, 404),
        (Method::GET, &with_query("partition_size=1"), &[], "", 422),
        (Method::GET, &with_query("size=4096"), &[], "", 422),
        (Method::GET, &provisioning, &[("accept", "text/html")], "", 406),
        (Method::POST, &patch, &[json_type], r#"{"data": "?"}"#, 422),
        (Method::POST, &patch, &[json_type], &no_size, 422),
    ] {
        let answer = server
            .call(method.clone(), path, |mut request| {
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                request.body(body.to_owned())
            })
            .await;
        assert_eq!(answer.status, status, "{method} {path} {headers:?} {body}");
        assert_eq!(server.count("audit"), before, "{method} {path} {headers:?} {body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn records_of_an_earlier_version_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    // A data folder of version 0.1.0: see the README beside it.
    for name in ["fleetmint.db", "master-key", "admin-token"] {
        let from = std::path::Path::new("tests/version_0_1_0").join(name);
        std::fs::copy(from, folder.path().join("data").join(name)).unwrap();
    }
    let server = Server::start_in(folder, &[]).await;
    let all = items(&server, "").await;
    let expected = [
        "delete_device",
        "create_device",
        "get_provisioning",
        "create_device",
        "create_device_model",
    ];
    assert_eq!(actions(&all), expected);
    for (item, id) in all.iter().zip([5, 4, 3, 2, 1]) {
        assert_eq!((&item["id"], &item["outcome"]), (&json!(id), &json!("unknown")));
        assert_eq!((&item["model_id"], &item["attempt"]), (&Value::Null, &Value::Null));
    }
    assert_eq!(all[2]["device_id"], 1);
    assert_eq!(items(&server, "outcome=unknown&device=2").await, all[..2]);
    // New records follow the old ones, and values sealed then still open.
    let image = server.image(&json!({"id": 1}), 4096).await;
    assert_eq!(image.status, 200);
    let newest = items(&server, "limit=1").await.remove(0);
    assert_eq!((&newest["id"], &newest["outcome"]), (&json!(7), &json!("succeeded")));
    // The start authenticated the hash of the administrator token.
    let started = with_starts(&server, "action=keep_admin_token").await;
    assert_eq!(started.len(), 1);
    assert_eq!(
        (&started[0]["outcome"], &started[0]["actor"]),
        (&json!("succeeded"), &json!("system"))
    );
    server.stop().await;
}

#[tokio::test]
async fn records_are_filtered_by_device_action_and_time() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let (one, two) = (server.device(&model).await, server.device(&model).await);
    for device in [&one, &two, &one] {
        server.image(device, 4096).await;
    }
    let device = format!("device={}", one["id"]);
    assert_eq!(
        actions(&items(&server, &device).await),
        ["get_provisioning", "get_provisioning", "create_device"]
    );
    assert_eq!(items(&server, "action=get_provisioning").await.len(), 3);
    assert_eq!(items(&server, &format!("{device}&action=create_device")).await.len(), 1);
    assert_eq!(items(&server, "device=999").await, [Value::Null; 0]);

    // `from` is included, `to` is excluded.
    let all = items(&server, "").await;
    let time = |index: usize| all[index]["at"].as_str().unwrap();
    assert_eq!(items(&server, &format!("from={}", time(2))).await, all[..3]);
    assert_eq!(items(&server, &format!("to={}", time(2))).await, all[3..]);
    assert_eq!(
        items(&server, &format!("from={}&to={}", time(4), time(2))).await,
        all[3..5]
    );
    // The same moments in another time zone.
    let shifted: jiff::Timestamp = time(2).parse().unwrap();
    let shifted = (shifted + jiff::SignedDuration::from_hours(2)).to_string();
    let shifted = shifted.replace('Z', "%2B02:00");
    assert_eq!(items(&server, &format!("from={shifted}")).await, all[..3]);
    let ever = "from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z";
    assert_eq!(items(&server, ever).await, all);
    assert!(items(&server, "from=9999-12-31T23:59:59Z").await.is_empty());
    for record in &all {
        assert_eq!(
            record["at"].as_str().unwrap().len(),
            "2026-01-31T12:00:00.000000Z".len()
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_are_read_while_new_records_arrive() {
    let server = Server::start().await;
    let model = server.model("m").await;
    for _ in 0..6 {
        server.device(&model).await;
    }
    let all = with_starts(&server, "").await;
    assert_eq!(all.len(), 7 + STARTED.len());
    let (mut read, mut query, mut pages) = (Vec::new(), "limit=3".to_owned(), 0);
    loop {
        let page = server.get(&format!("/api/audit?{query}")).await.expect(200);
        read.extend(page["items"].as_array().unwrap().clone());
        // Records that arrive in the meantime are newer than the cursor.
        server.device(&model).await;
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(read, all);
    // A page that ends with the last record has no cursor.
    assert_eq!(
        server
            .get(&format!("/api/audit?limit={}", 7 + STARTED.len() + pages))
            .await
            .expect(200)["next_cursor"],
        Value::Null
    );
    server.stop().await;
}

/// 1,200,000 records are more than one page reads.
#[tokio::test]
async fn a_search_for_rare_records_is_bounded_and_continues_with_the_next_page() {
    let server = Server::start().await;
    server.execute(
        "DELETE FROM audit;
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1200000)
         INSERT INTO audit (at, actor, action, device_id, model_id, source, outcome)
         SELECT 1700000000000000 + n * 1000000, 'administrator',
                iif(n = 700, 'create_device_model', 'get_provisioning'), iif(n = 700, NULL, n % 5000 + 1),
                iif(n = 700, 999, 1), '192.0.2.7', 'succeeded'
         FROM number",
    );
    let time = |n: i64| jiff::Timestamp::from_second(1_700_000_000 + n).unwrap();
    let long = format!("from={}&to={}", time(1), time(1_100_000));
    for (query, first, pages) in [
        ("model=999".to_owned(), 0, 2),
        ("action=create_device_model".to_owned(), 0, 2),
        (format!("model=999&{long}"), 0, 2),
        // By the index of times, whatever else is requested.
        (format!("model=999&from={}&to={}", time(600), time(800)), 1, 1),
        // By the index of devices.
        ("model=999&device=7".to_owned(), 0, 1),
    ] {
        let (mut found, mut cursor, mut read) = (Vec::new(), String::new(), 0);
        loop {
            let page = server
                .get(&format!("/api/audit?{query}&cursor={cursor}"))
                .await
                .expect(200);
            let items = page["items"].as_array().unwrap();
            if read == 0 {
                assert_eq!(items.len(), first, "{query}");
            }
            found.extend(items.iter().map(|item| item["action"].as_str().unwrap().to_owned()));
            read += 1;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let expected = usize::from(!query.contains("device=7"));
        assert_eq!(found, vec!["create_device_model"; expected], "{query}");
        assert_eq!(read, pages, "{query}");
    }
    // Frequent records fill their page.
    let page = server.get(&format!("/api/audit?{long}&limit=3")).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn a_parameter_that_breaks_a_rule_is_named() {
    let server = Server::start().await;
    for (query, pointer) in [
        ("device=one", "/device"),
        ("action=get_provisionin", "/action"),
        ("model=one", "/model"),
        ("outcome=ok", "/outcome"),
        ("from=yesterday", "/from"),
        ("to=2026-01-01", "/to"),
        ("from=2026-01-31T12:00:00%2B25:00", "/from"),
        ("device=0", "/device"),
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("cursor=x", "/cursor"),
        ("q=x", "/q"),
        ("device=1&device=2", "/device"),
    ] {
        let answer = server.get(&format!("/api/audit?{query}")).await;
        assert_eq!(answer.problem(), problem(422, "invalid-value", &[pointer]), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_disclosure_is_on_the_disk_before_it_is_answered() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = server.folder.path().join("data/fleetmint.db");
    // The records that a process which reads the file itself finds at the moment of the answer.
    for n in 1..=5 {
        server.image(&device, 4096).await;
        let other = fleetmint_server::database::Database::attach(&path).unwrap();
        assert_eq!(count(&other), n);
    }
    // Many at once: none is lost, and none is answered without its record.
    let server = std::sync::Arc::new(server);
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (server, device) = (std::sync::Arc::clone(&server), device.clone());
            tokio::spawn(async move { server.image(&device, 4096).await.status.as_u16() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    let other = fleetmint_server::database::Database::attach(&path).unwrap();
    assert_eq!(count(&other), 69);
    std::sync::Arc::into_inner(server).unwrap().stop().await;
}

fn count(database: &fleetmint_server::database::Database) -> i64 {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    database
        .read_blocking::<_, fleetmint_server::database::Error>(|connection| {
            let query = "SELECT count(*) AS n FROM audit WHERE action = 'get_provisioning'";
            Ok(diesel::sql_query(query).get_result::<Count>(connection)?.n)
        })
        .unwrap()
}

#[tokio::test]
async fn a_full_disk_stops_disclosures_until_there_is_room() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    // The only connection that writes may use no more pages; filling the last one takes some records.
    server.execute("PRAGMA max_page_count = 1");
    let mut refused = None;
    for _ in 0..2_000 {
        let answer = server.image(&device, 4096).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the disk never filled up");
    assert_eq!(refused.problem(), problem(503, "unavailable", &[]));
    assert_eq!(refused.json()["retryable"], true);
    // The connection that reached the limit was closed, and with it the limit: as if somebody had freed space.
    assert_eq!(server.image(&device, 4096).await.status, 200);
    server.stop().await;
}
