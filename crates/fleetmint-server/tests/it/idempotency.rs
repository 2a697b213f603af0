//! Repeated calls that create something.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::proxy::Proxy;
use crate::harness::{Answer, Server, problem};
use crate::keycloak::realm::{Realm, unique};

async fn post(server: &Server, path: &str, key: &str, body: &Value) -> Answer {
    server
        .call(Method::POST, path, |request| {
            request.header("idempotency-key", key).json(body)
        })
        .await
}

#[track_caller]
fn assert_same(first: &Answer, again: &Answer) {
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.body, again.body);
    for header in ["location", "etag", "content-type"] {
        assert_eq!(first.header(header), again.header(header));
    }
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn the_same_call_gets_the_first_answer_again_and_creates_nothing() {
    let server = Server::start().await;
    server.keep_secret("correct horse");
    let model = json!({"code": "m", "name": "M", "provisioning": {"wifi_password": "correct horse"}});
    let first = post(&server, "/api/device-models", "model", &model).await;
    assert_same(&first, &post(&server, "/api/device-models", "model", &model).await);
    assert_same(&first, &post(&server, "/api/device-models", "\"model\"", &model).await);
    let id = first.json()["id"].clone();

    let device = json!({"device_model_id": id, "name": "D", "serial": "S1"});
    let records = server.get("/api/audit").await.expect(200)["items"]
        .as_array()
        .unwrap()
        .len();
    let first = post(&server, "/api/devices", "a key of its own", &device).await;
    let again = post(&server, "/api/devices", "a key of its own", &device).await;
    assert_same(&first, &again);
    assert_eq!((server.count("devices"), server.count("clients")), (1, 1));
    let after = server.get("/api/audit").await.expect(200)["items"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(after, records + 1, "a repeat changes nothing, so it has no record");

    // Another call with the same key.
    for (path, body) in [
        ("/api/devices", json!({"device_model_id": id, "name": "E"})),
        ("/api/device-models", json!({"code": "n", "name": "N"})),
    ] {
        let refused = post(&server, path, "a key of its own", &body).await;
        assert_eq!(refused.problem(), problem(422, "idempotency-key-reused", &[]));
    }
    // Without a key, or with another one, it is another call.
    for key in ["", "another"] {
        let body = json!({"device_model_id": id, "name": "D"});
        let made = match key {
            "" => server.post("/api/devices", &body).await,
            key => post(&server, "/api/devices", key, &body).await,
        };
        made.expect(201);
    }
    assert_eq!(server.count("devices"), 3);

    // The first answer, even after a change of the device and a restart of the server.
    let path = first.header("location").to_owned();
    server.patch(&path, &json!({"name": "Renamed"})).await.expect(200);
    assert_same(
        &first,
        &post(&server, "/api/devices", "a key of its own", &device).await,
    );
    server.delete(&path).await.expect(204);
    let server = Server::start_in(server.stop().await, &[]).await;
    assert_same(
        &first,
        &post(&server, "/api/devices", "a key of its own", &device).await,
    );

    // An answer is stored for a day.
    server.clock.advance(Duration::from_secs(24 * 3600));
    let new = post(&server, "/api/devices", "a key of its own", &device).await;
    assert_eq!((new.status.as_u16(), new.header("idempotency-replayed")), (201, ""));
    assert_ne!(new.json()["id"], first.json()["id"]);
    assert_eq!(server.count("idempotency_keys"), 1, "expired answers are deleted");
    server.stop().await;
}

#[tokio::test]
async fn failed_calls_are_not_stored_and_expired_answers_are_deleted_at_the_start() {
    let server = Server::start().await;
    let device = json!({"device_model_id": 1, "name": "D"});
    let refused = post(&server, "/api/devices", "k", &device).await;
    assert_eq!(refused.problem(), problem(422, "invalid-value", &["/device_model_id"]));
    assert_eq!(server.count("idempotency_keys"), 0);
    server.model("m").await;
    post(&server, "/api/devices", "k", &device).await.expect(201);
    server.execute("UPDATE idempotency_keys SET created_at = 0");
    let server = Server::start_in(server.stop().await, &[]).await;
    server
        .eventually("the key is deleted", || server.count("idempotency_keys") == 0)
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_refused() {
    let server = Server::start().await;
    let model = json!({"code": "m", "name": "M"});
    for key in ["", " ", "\"\"", "\"open", "tab\there", &"x".repeat(256)] {
        let refused = post(&server, "/api/device-models", key, &model).await;
        assert_eq!(refused.problem(), problem(400, "unreadable-header", &[]), "{key:?}");
    }
    let two = server
        .call(Method::POST, "/api/device-models", |request| {
            let request = request.header("idempotency-key", "a");
            request.header("idempotency-key", "b").json(&model)
        })
        .await;
    assert_eq!(two.problem(), problem(400, "unreadable-header", &[]));
    assert_eq!(server.count("device_models"), 0);
    let made = post(&server, "/api/device-models", &"x".repeat(255), &model).await;
    made.expect(201);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_of_many_equal_calls_at_once_creates() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = json!({"device_model_id": model["id"], "name": "D"});
    let calls = (0..16).map(|_| post(&server, "/api/devices", "k", &device));
    let answers = futures_util::future::join_all(calls).await;
    for answer in &answers {
        assert_eq!(answer.status, 201);
        assert_eq!(answer.body, answers[0].body);
    }
    let replayed = answers.iter().filter(|a| a.header("idempotency-replayed") == "true");
    assert_eq!(replayed.count(), 15);
    assert_eq!(server.count("devices"), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keycloak_a_key_is_created_and_deleted_with_the_devices_intent() {
    let Some(realm) = Realm::find("with Keycloak a key is created and deleted with the device's intent") else {
        return;
    };
    let proxy = Proxy::start(&realm.base).await;
    let server = Server::start_with(&[
        ("identity.provider", "keycloak"),
        ("identity.keycloak.base_url", &proxy.base),
        ("identity.keycloak.realm", &realm.name),
        ("identity.keycloak.client_id", &realm.client_id),
        ("identity.keycloak.client_secret", &realm.client_secret),
        ("identity.keycloak.timeout_seconds", "2"),
    ])
    .await;
    server.keep_secret(&realm.client_secret);
    let model = server.model(&unique()).await;
    let device = json!({"device_model_id": model["id"], "name": "D", "serial": "S1"});
    let first = post(&server, "/api/devices", "k", &device).await;
    assert_same(&first, &post(&server, "/api/devices", "k", &device).await);
    server.delete(first.header("location")).await.expect(204);
    assert_same(&first, &post(&server, "/api/devices", "k", &device).await);

    // Keycloak does not answer: until the result of the call is known, nothing is created with its key or serial.
    proxy.cut(true);
    let failed = post(&server, "/api/devices", "l", &device).await;
    assert_eq!(failed.problem(), problem(502, "identity-provider-failed", &[]));
    let again = post(&server, "/api/devices", "l", &device).await;
    assert_eq!(again.problem(), problem(409, "being-changed", &[]));
    assert_eq!(again.json()["retryable"], true);
    assert!(!again.header("retry-after").is_empty());
    let other = post(&server, "/api/devices", "m", &device).await;
    assert_eq!(other.problem(), problem(409, "being-changed", &[]));
    let reused = post(
        &server,
        "/api/devices",
        "l",
        &json!({"device_model_id": model["id"], "name": "E"}),
    )
    .await;
    assert_eq!(reused.problem(), problem(422, "idempotency-key-reused", &[]));
    proxy.cut(false);
    server
        .eventually("the creation is undone", || server.count("devices") == 0)
        .await;
    let made = post(&server, "/api/devices", "l", &device).await;
    assert_eq!((made.status.as_u16(), made.header("idempotency-replayed")), (201, ""));
    server.delete(made.header("location")).await.expect(204);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_first_call_is_in_progress_the_same_call_is_refused() {
    use crate::keycloak::stand_in::{Reply, StandIn};
    let stand_in = StandIn::start(|request, _| {
        (request.starts_with("POST ") && request.ends_with("/clients")).then_some(Reply::Hang)
    })
    .await;
    let server = Server::start_with(&[
        ("identity.provider", "keycloak"),
        ("identity.keycloak.base_url", &stand_in.base),
        ("identity.keycloak.realm", "fleet"),
        ("identity.keycloak.client_id", "fleetmint"),
        ("identity.keycloak.client_secret", "the service account's secret"),
        ("identity.keycloak.timeout_seconds", "2"),
    ])
    .await;
    let model = server.model("m").await;
    let device = json!({"device_model_id": model["id"], "name": "D"});
    let first = post(&server, "/api/devices", "k", &device);
    let second = async {
        server
            .eventually("the first is in progress", || stand_in.count("/clients") == 1)
            .await;
        post(&server, "/api/devices", "k", &device).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.problem(), problem(504, "identity-provider-timeout", &[]));
    assert_eq!(second.problem(), problem(409, "being-changed", &[]));
    assert_eq!(stand_in.count("/clients"), 1);
    server.stop().await;
}
