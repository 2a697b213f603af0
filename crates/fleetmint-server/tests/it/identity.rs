//! The state of a device's client, and the operations that repair, revoke and restore it.

use serde_json::{Value, json};

use crate::harness::{Server, problem};

fn healthy(device: &Value) -> Value {
    json!({
        "client_id": device["client_id"], "healthy": true, "exists": true, "name": true, "enabled": true, "ours": true,
        "flows": true, "bearer": true, "scope": true, "secret": true, "token": true, "problems": [],
    })
}

#[tokio::test]
async fn a_device_is_revoked_and_restored() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/identity", device["id"]);
    assert_eq!(server.get(&path).await.expect(200), healthy(&device));
    assert_eq!(server.token_answer(&device).await.status, 200);

    let disabled = server.post(&format!("{path}/disable"), &json!(null)).await.expect(200);
    assert_eq!(
        (&disabled["enabled"], &disabled["healthy"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(disabled["problems"], json!(["The client is disabled."]));
    assert_eq!(server.get(&path).await.expect(200), disabled);
    let refused = server.token_answer(&device).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["error"]),
        (401, &json!("invalid_client"))
    );
    // Its image is still available: a board may be prepared while its access is revoked.
    assert_eq!(server.image(&device, 4096).await.status, 200);

    let enabled = server.post(&format!("{path}/enable"), &json!(null)).await.expect(200);
    assert_eq!(enabled, healthy(&device));
    assert_eq!(server.token_answer(&device).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_sync_reports_its_repairs() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/identity", device["id"]);
    for (change, repairs) in [
        ("SELECT 1", json!([])),
        ("UPDATE clients SET enabled = 0", json!(["enabled"])),
        ("DELETE FROM client_secrets", json!(["secret_set"])),
        ("DELETE FROM clients", json!(["created"])),
    ] {
        server.execute(change);
        let answer = server.post(&format!("{path}/sync"), &json!(null)).await.expect(200);
        assert_eq!(
            answer,
            json!({"repairs": repairs, "unrepaired": [], "identity": healthy(&device)}),
            "{change}"
        );
        assert_eq!(server.get(&path).await.expect(200), healthy(&device));
        assert_eq!(server.token_answer(&device).await.status, 200, "{change}");
    }
    server.execute("DELETE FROM clients");
    let status = server.get(&path).await.expect(200);
    assert_eq!((&status["exists"], &status["healthy"]), (&json!(false), &json!(false)));
    let refused = server.post(&format!("{path}/disable"), &json!(null)).await;
    assert_eq!(refused.problem(), problem(502, "client-missing", &[]));
    server.stop().await;
}

#[tokio::test]
async fn changes_of_an_identity_are_audited() {
    let server = Server::start().await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}/identity", device["id"]);
    for action in ["disable", "enable", "sync"] {
        server.post(&format!("{path}/{action}"), &json!(null)).await.expect(200);
        let newest = server.get("/api/audit?limit=1").await.expect(200)["items"][0].clone();
        assert_eq!(newest["action"], format!("{action}_identity"));
        assert_eq!(newest["device_id"], device["id"]);
    }
    for action in ["disable", "enable", "sync"] {
        let answer = server
            .post(&format!("/api/devices/999/identity/{action}"), &json!(null))
            .await;
        assert_eq!(answer.problem(), problem(404, "not-found", &[]));
    }
    assert_eq!(
        server.get("/api/devices/999/identity").await.problem(),
        problem(404, "not-found", &[])
    );
    server.stop().await;
}
