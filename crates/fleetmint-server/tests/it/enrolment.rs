//! A device and its client are created and deleted together: with a real Keycloak, with a full disk, with a cut
//! connection.

use std::time::Duration;

use fleetmint_server::enrolment::reconciler;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::nvs::strings;
use crate::harness::proxy::Proxy;
use crate::harness::{Server, problem};
use crate::keycloak::realm::{Realm, unique};

/// A server whose devices are Keycloak's clients, with a proxy between the two.
async fn start(realm: &Realm) -> (Server, Proxy) {
    let proxy = Proxy::start(&realm.base).await;
    let server = Server::start_with(&settings(realm, &proxy)).await;
    server.keep_secret(&realm.client_secret);
    (server, proxy)
}

fn settings<'a>(realm: &'a Realm, proxy: &'a Proxy) -> [(&'static str, &'a str); 7] {
    [
        ("identity.provider", "keycloak"),
        ("identity.keycloak.base_url", &proxy.base),
        ("identity.keycloak.realm", &realm.name),
        ("identity.keycloak.client_id", &realm.client_id),
        ("identity.keycloak.client_secret", &realm.client_secret),
        ("identity.keycloak.device_scope", "fleetmint-device"),
        ("identity.keycloak.timeout_seconds", "2"),
    ]
}

/// The secret that a device's image holds.
async fn secret(server: &Server, device: &Value) -> String {
    let image = server.image(device, 4096).await;
    assert_eq!(image.status, 200, "{}", String::from_utf8_lossy(&image.body));
    let values = strings(&image.body);
    let secret = values.into_iter().find(|(key, _)| key == "client_secret").unwrap().1;
    server.keep_secret(&secret);
    secret
}

fn client_id(device: &Value) -> &str {
    device["client_id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_keycloak_lives_from_its_creation_to_its_deletion() {
    let Some(realm) = Realm::find("a device of Keycloak lives from its creation to its deletion") else {
        return;
    };
    let (server, proxy) = start(&realm).await;
    let model = server.model(&unique()).await;
    let device = server.device(&model).await;
    let known = secret(&server, &device).await;
    let claims = realm.device_token(client_id(&device), &known).await.unwrap();
    assert_eq!(claims["azp"], device["client_id"]);

    proxy.take();
    assert_eq!(secret(&server, &device).await, known);
    let calls = proxy.take();
    assert_eq!(calls.len(), 1, "one call for an image once there is a token: {calls:?}");
    assert!(calls[0].ends_with("/client-secret"), "{calls:?}");

    let path = format!("/api/devices/{}", device["id"]);
    server.delete(&path).await.expect(204);
    assert_eq!(server.get(&path).await.problem(), problem(404, "not-found", &[]));
    assert_eq!(realm.id_of(client_id(&device)).await, None);
    assert_eq!(
        realm.device_token(client_id(&device), &known).await.unwrap_err(),
        StatusCode::UNAUTHORIZED
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_changes_of_a_client_are_reported_and_repaired() {
    let Some(realm) = Realm::find("outside changes of a client are reported and repaired") else {
        return;
    };
    let (server, proxy) = start(&realm).await;
    let model = server.model(&unique()).await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/identity", device["id"]);
    let before = secret(&server, &device).await;

    // Deleted.
    let id = realm.id_of(client_id(&device)).await.unwrap();
    realm.operator(Method::DELETE, &format!("/clients/{id}"), None).await;
    assert_eq!(
        server.image(&device, 4096).await.problem(),
        problem(502, "client-missing", &[])
    );
    assert_eq!(server.get(&path).await.expect(200)["exists"], false);
    let synced = server.post(&format!("{path}/sync"), &json!(null)).await.expect(200);
    assert_eq!(
        (&synced["repairs"], &synced["identity"]["healthy"]),
        (&json!(["created"]), &json!(true))
    );
    let after = secret(&server, &device).await;
    assert_ne!(after, before);
    realm.device_token(client_id(&device), &after).await.unwrap();

    // Disabled: the image is still served, with one call.
    let id = realm.id_of(client_id(&device)).await.unwrap();
    realm.change(&id, &[("enabled", json!(false))]).await;
    proxy.take();
    assert_eq!(secret(&server, &device).await, after);
    assert_eq!(proxy.take().len(), 1);
    assert_eq!(server.get(&path).await.expect(200)["enabled"], false);
    let synced = server.post(&format!("{path}/sync"), &json!(null)).await.expect(200);
    assert_eq!(synced["repairs"], json!(["enabled"]));
    realm.device_token(client_id(&device), &after).await.unwrap();

    // The secret changed.
    realm.change(&id, &[("secret", json!(" blanks at its ends "))]).await;
    assert_eq!(secret(&server, &device).await, " blanks at its ends ");
    realm.change(&id, &[("secret", json!("changed behind our back"))]).await;
    assert_eq!(secret(&server, &device).await, "changed behind our back");

    // Renamed, and its user gone: reported with the reason, and repaired.
    realm.change(&id, &[("clientId", json!(format!("renamed-{id}")))]).await;
    let told = server.get(&path).await.expect(200);
    assert_eq!((&told["healthy"], &told["name"]), (&json!(false), &json!(false)));
    assert_eq!(told["problems"].as_array().unwrap().len(), 1, "{told}");
    let synced = server.post(&format!("{path}/sync"), &json!(null)).await.expect(200);
    assert_eq!(synced["repairs"], json!(["renamed"]));
    let user = realm
        .operator(Method::GET, &format!("/clients/{id}/service-account-user"), None)
        .await;
    let user = format!("/users/{}", user["id"].as_str().unwrap());
    realm.operator(Method::DELETE, &user, None).await;
    let told = server.get(&path).await.expect(200);
    assert_eq!((&told["healthy"], &told["token"]), (&json!(false), &json!(false)));
    let synced = server.post(&format!("{path}/sync"), &json!(null)).await.expect(200);
    assert_eq!(synced["repairs"], json!(["account_created"]));
    assert_eq!(
        (&synced["unrepaired"], &synced["identity"]["healthy"]),
        (&json!([]), &json!(true))
    );

    // Revoked and restored by ourselves.
    let disabled = server.post(&format!("{path}/disable"), &json!(null)).await.expect(200);
    assert_eq!(disabled["enabled"], false);
    assert!(
        realm
            .device_token(client_id(&device), "changed behind our back")
            .await
            .is_err()
    );
    let enabled = server.post(&format!("{path}/enable"), &json!(null)).await.expect(200);
    assert_eq!(enabled["healthy"], true);
    realm
        .device_token(client_id(&device), "changed behind our back")
        .await
        .unwrap();
    let synced = server.post(&format!("{path}/sync"), &json!(null)).await.expect(200);
    assert_eq!(synced["repairs"], json!([]));
    server.stop().await;
}

/// An attacker who can write the database but has no master key can make the service neither show nor change another
/// client.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_the_devices_is_neither_flashed_nor_changed() {
    let Some(realm) = Realm::find("a client that is not the device's is neither flashed nor changed") else {
        return;
    };
    let (server, proxy) = start(&realm).await;
    let model = server.model(&unique()).await;
    let (device, other) = (server.device(&model).await, server.device(&model).await);
    let path = format!("/api/devices/{}", device["id"]);
    proxy.take();
    let known = secret(&server, &device).await;
    let calls = proxy.take();
    assert_eq!(
        calls.len(),
        1,
        "the first image of a device takes one call too: {calls:?}"
    );

    let theirs = json!({"clientId": unique(), "secret": "the secret of somebody else"});
    realm.operator(Method::POST, "/clients", Some(&theirs)).await;
    server.keep_secret("the secret of somebody else");
    let foreign = realm.id_of(theirs["clientId"].as_str().unwrap()).await.unwrap();
    let before = realm.client(&foreign).await;
    let others = realm.id_of(client_id(&other)).await.unwrap();
    let row = format!("WHERE id = {}", device["id"]);
    for forged in [
        format!("provider_ref = '{foreign}'"),
        format!("provider_ref = '{foreign}', provider_proof = NULL"),
        format!("provider_ref = '{others}'"),
        format!(
            "provider_ref = '{others}', provider_proof = (SELECT provider_proof FROM devices WHERE id = {})",
            other["id"]
        ),
        "provider_ref = '../users', provider_proof = x''".to_owned(),
        "provider_ref = NULL, provider_proof = NULL".to_owned(),
    ] {
        server.execute(&format!("UPDATE devices SET {forged} {row}"));
        proxy.take();
        assert_eq!(secret(&server, &device).await, known, "{forged}");
        let calls = proxy.take();
        assert!(
            !calls
                .iter()
                .any(|call| call.contains(&foreign) || call.contains(&others) || call.contains("users")),
            "{forged}: {calls:?}"
        );
        // The right client is known again, and proven.
        assert_eq!(secret(&server, &device).await, known);
        assert_eq!(proxy.take().len(), 1, "{forged}");
    }

    // Operations that change a client check its attribute, and find the device's own client by its name.
    let forge = || server.execute(&format!("UPDATE devices SET provider_ref = '{foreign}' {row}"));
    for (action, repairs) in [
        ("disable", Value::Null),
        ("sync", json!(["enabled", "reference_set"])),
        ("sync", json!([])),
    ] {
        if repairs != json!([]) {
            forge();
        }
        let answer = server.post(&format!("{path}/identity/{action}"), &json!(null)).await;
        assert_eq!(answer.expect(200)["repairs"], repairs, "{action}");
    }
    forge();
    server.delete(&path).await.expect(204);
    assert_eq!(realm.client(&foreign).await, before);
    assert_eq!(
        realm.id_of(client_id(&device)).await,
        None,
        "the device's own is deleted"
    );

    // A client with the device's name that is marked as another device's.
    let mut attributes = realm.client(&others).await["attributes"].clone();
    attributes["fleetmint.device"] = json!("k1234567");
    realm.change(&others, &[("attributes", attributes)]).await;
    server.execute("UPDATE devices SET provider_proof = NULL");
    assert_eq!(
        server.image(&other, 4096).await.problem(),
        problem(409, "foreign-client", &[])
    );
    for id in [&foreign, &others] {
        realm.operator(Method::DELETE, &format!("/clients/{id}"), None).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keycloak_other_calls_work_and_nothing_is_left_over() {
    let Some(realm) = Realm::find("without Keycloak other calls work") else {
        return;
    };
    let (server, proxy) = start(&realm).await;
    let model = server.model(&unique()).await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}", device["id"]);
    let before = secret(&server, &device).await;

    proxy.cut(true);
    let body = json!({"device_model_id": model["id"], "name": "Lost"});
    assert_eq!(
        server.post("/api/devices", &body).await.problem(),
        problem(502, "identity-provider-failed", &[])
    );
    assert_eq!(
        server.image(&device, 4096).await.problem(),
        problem(502, "identity-provider-failed", &[])
    );
    let synced = server.post(&format!("{path}/identity/sync"), &json!(null)).await;
    assert_eq!(synced.problem(), problem(502, "identity-provider-failed", &[]));
    // A device that could not be created is not visible, and everything else is unchanged.
    assert_eq!(server.get("/api/devices").await.expect(200)["items"], json!([device]));
    server.patch(&path, &json!({"name": "Still here"})).await.expect(200);
    assert_eq!(server.get("/readyz").await.status, 200);

    // A deletion that was begun is not undone: the device is no longer visible.
    assert_eq!(
        server.delete(&path).await.problem(),
        problem(502, "identity-provider-failed", &[])
    );
    assert_eq!(server.get(&path).await.problem(), problem(404, "not-found", &[]));
    assert_eq!(server.count("devices"), 2, "both rows wait for Keycloak");
    realm.device_token(client_id(&device), &before).await.unwrap();

    proxy.cut(false);
    server
        .eventually("no row is left", || server.count("devices") == 0)
        .await;
    assert_eq!(realm.id_of(client_id(&device)).await, None);
    server
        .delete(&format!("/api/device-models/{}", model["id"]))
        .await
        .expect(204);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keycloak_being_down_does_not_stop_the_start() {
    let Some(realm) = Realm::find("Keycloak being down does not stop the start") else {
        return;
    };
    let proxy = Proxy::start(&realm.base).await;
    proxy.cut(true);
    let server = Server::start_with(&settings(&realm, &proxy)).await;
    let model = server.model(&unique()).await;
    assert_eq!(server.get("/livez").await.status, 200);
    let body = json!({"device_model_id": model["id"], "name": "A device"});
    assert_eq!(server.post("/api/devices", &body).await.status, 502);
    proxy.cut(false);
    let device = server.device(&model).await;
    secret(&server, &device).await;
    server
        .delete(&format!("/api/devices/{}", device["id"]))
        .await
        .expect(204);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reconcilers_never_repair_the_same_row() {
    let Some(realm) = Realm::find("two reconcilers never repair the same row") else {
        return;
    };
    let (server, proxy) = start(&realm).await;
    let model = server.model(&unique()).await;
    const ROWS: usize = 12;
    for n in 0..ROWS {
        let key = unique();
        server.execute(&format!(
            "INSERT INTO devices (key, device_model_id, name, client_id, state, created_at, updated_at) \
             VALUES ('{key}', {}, 'cut short', 'iotdevice-x-{key}', '{}', 0, 0)",
            model["id"],
            if n % 2 == 0 { "creating" } else { "deleting" },
        ));
    }
    proxy.take();
    // The server's own reconciler is a third.
    let (one, two) = tokio::join!(reconciler::round(&server.app), reconciler::round(&server.app));
    let completed = one.unwrap() + two.unwrap();
    assert!(completed <= ROWS, "{completed}");
    server
        .eventually("no row is left", || server.count("devices") == 0)
        .await;
    let mut looked_for: Vec<String> = proxy
        .take()
        .into_iter()
        .filter(|call| call.contains("clientId="))
        .collect();
    let calls = looked_for.len();
    looked_for.sort();
    looked_for.dedup();
    assert_eq!(
        (calls, looked_for.len()),
        (ROWS, ROWS),
        "each row's client was looked for once"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leased_row_is_not_disturbed() {
    let Some(realm) = Realm::find("a leased row is not disturbed") else {
        return;
    };
    let (server, _proxy) = start(&realm).await;
    let model = server.model(&unique()).await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}", device["id"]);
    server.execute("UPDATE devices SET lease_owner = 'somebody else', lease_until = 9223372036854775807");
    assert_eq!(server.delete(&path).await.problem(), problem(409, "being-changed", &[]));
    for action in ["sync", "disable", "enable"] {
        let answer = server.post(&format!("{path}/identity/{action}"), &json!(null)).await;
        assert_eq!(answer.problem(), problem(409, "being-changed", &[]), "{action}");
        assert_eq!(answer.json()["retryable"], true);
    }
    secret(&server, &device).await;
    // The lease has expired: the reconciler finds the client and settles the row.
    server.execute("UPDATE devices SET lease_until = 0");
    server
        .eventually("the row is settled", || {
            server.count("devices WHERE lease_owner IS NULL") == 1
        })
        .await;
    secret(&server, &device).await;
    server.delete(&path).await.expect(204);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_disconnects_leaves_nothing_half_done() {
    let Some(realm) = Realm::find("a caller who disconnects leaves nothing half done") else {
        return;
    };
    let (server, _proxy) = start(&realm).await;
    let model = server.model(&unique()).await;
    let body = json!({"device_model_id": model["id"], "name": "A device"});
    // The caller is gone as soon as the server has begun; a time limit could end before it has.
    let begun = async {
        while server.count("devices") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = server.post("/api/devices", &body) => {}
        () = begun => {}
    }
    server
        .eventually("the device is there", || {
            server.count("devices WHERE state = 'active'") == 1
        })
        .await;
    let device = server.get("/api/devices").await.expect(200)["items"][0].clone();
    let known = secret(&server, &device).await;
    realm.device_token(client_id(&device), &known).await.unwrap();
    server
        .delete(&format!("/api/devices/{}", device["id"]))
        .await
        .expect(204);
    server.stop().await;
}

/// With embedded defaults: no device without a client, no client without a device, and nothing that was answered is
/// lost.
#[tokio::test]
async fn a_full_disk_leaves_nothing_half_done() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let path = |device: &Value| format!("/api/devices/{}", device["id"]);
    let body = |n: usize| {
        let fill = format!("https://e/{}", "x".repeat(3900));
        json!({"device_model_id": model["id"], "name": format!("{n}"), "provisioning": {"base_url": fill}})
    };
    let mut devices: Vec<Value> = Vec::new();
    let mut refused = 0;
    for room in 0..8 {
        // From now on the database may grow by this many pages, and then the disk is full.
        server.execute("CREATE TABLE IF NOT EXISTS filler (x)");
        server.limit_pages(room);
        for n in 0..6 {
            let answer = server.post("/api/devices", &body(n)).await;
            if answer.status == 201 {
                devices.push(answer.json());
            } else {
                assert_eq!(answer.problem(), problem(503, "unavailable", &[]));
                assert_eq!(answer.json()["retryable"], true);
                refused += 1;
                server.limit_pages(room);
            }
        }
        if let Some(device) = devices.pop() {
            match server.delete(&path(&device)).await.status.as_u16() {
                204 => assert_eq!(server.get(&path(&device)).await.status, 404),
                503 => devices.push(device),
                other => panic!("{other}"),
            }
        }
        assert_eq!(server.count("devices"), devices.len() as i64);
        assert_eq!(server.count("clients"), devices.len() as i64);
        assert_eq!(server.count("client_secrets"), devices.len() as i64);
    }
    assert!(refused > 8, "the disk was full {refused} times");

    let folder = server.stop().await;
    let server = Server::start_in(folder, &[]).await;
    for device in &devices {
        assert_eq!(&server.get(&path(device)).await.expect(200), device);
        assert_eq!(server.token_answer(device).await.status, 200);
    }
    assert_eq!(server.count("devices"), devices.len() as i64);
    assert_eq!(
        server.count("devices JOIN clients ON device_key = key"),
        devices.len() as i64
    );
    server.stop().await;
}
