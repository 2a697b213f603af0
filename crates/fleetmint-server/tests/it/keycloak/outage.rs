//! Keycloak stops in mid-run and starts again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::realm::{Realm, unique};
use crate::harness::{Server, nvs, problem};

/// A Keycloak for this test alone, so that it can be stopped.
struct Instance;

impl Instance {
    fn run(arguments: &[&str]) -> String {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/keycloak");
        let output = Command::new(tool)
            .args(["--instance", "outage"])
            .args(arguments)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        Self::run(&["stop"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keycloak_stops_in_mid_run_and_starts_again() {
    if Realm::find("Keycloak stops in mid-run and starts again").is_none() {
        return;
    }
    Instance::run(&["stop"]); // what a run before may have left
    let instance = Instance;
    let realm = Realm::from_exports(&Instance::run(&["start"]));
    let server = Server::start_with(&[
        ("identity.provider", "keycloak"),
        ("identity.keycloak.base_url", &realm.base),
        ("identity.keycloak.realm", &realm.name),
        ("identity.keycloak.client_id", &realm.client_id),
        ("identity.keycloak.client_secret", &realm.client_secret),
        ("identity.keycloak.device_scope", "fleetmint-device"),
        ("identity.keycloak.timeout_seconds", "4"),
    ])
    .await;
    let model = server.model(&unique()).await;
    let device = server.device(&model).await;
    let secret = |image: &[u8]| {
        let values = nvs::strings(image);
        values.into_iter().find(|(key, _)| key == "client_secret").unwrap().1
    };
    let before = secret(&server.image(&device, 4096).await.body);
    server.keep_secret(&before);
    let ready = || async { server.get("/readyz").await.expect(200) };
    assert_eq!(ready().await, json!({"status": "ok", "problems": []}));

    Instance::run(&["stop"]);
    let began = Instant::now();
    let answer = server.image(&device, 4096).await;
    assert_eq!(answer.problem(), problem(502, "identity-provider-failed", &[]));
    assert!(answer.json()["retryable"].as_bool().unwrap());
    let new = json!({"device_model_id": model["id"], "name": "B"});
    let answer = server.post("/api/devices", &new).await;
    assert_eq!(answer.problem(), problem(502, "identity-provider-failed", &[]));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "nobody waits for who is not there"
    );
    server.get(&format!("/api/devices/{}", device["id"])).await.expect(200);
    server.clock.advance(Duration::from_secs(6));
    let health = ready().await;
    assert_eq!(health["status"], "degraded");
    assert!(
        health["problems"][0].as_str().unwrap().contains("cannot be reached"),
        "{health}"
    );

    let realm = Realm::from_exports(&Instance::run(&["start", "--keep"]));
    // The same secret; the service's token may be valid as before or not.
    let after = server.image(&device, 4096).await;
    assert_eq!(after.status, 200, "{}", String::from_utf8_lossy(&after.body));
    assert_eq!(secret(&after.body), before);
    realm
        .device_token(device["client_id"].as_str().unwrap(), &before)
        .await
        .unwrap();
    server.post("/api/devices", &new).await.expect(201);
    // Nothing is left of the failed attempt.
    let devices = server.get("/api/devices").await.expect(200);
    assert_eq!(devices["items"].as_array().unwrap().len(), 2);
    server.stop().await;
    drop(instance);
}
