//! The id of a device's client at Keycloak decides whose secret is flashed: an attacker who can write the database but
//! has no master key cannot choose it.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::faults::server;
use super::stand_in::{ID, Reply, StandIn};
use crate::harness::problem;

/// Restores the device's row.
const PROVEN: &str = "UPDATE devices SET (provider_ref, provider_proof) = (SELECT * FROM proven)";

const OTHER: &str = "0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f99";

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_not_proven_to_be_the_devices_is_not_asked_for() {
    // The client that Keycloak finds by name: its id, and the device in its attribute.
    let found: Arc<Mutex<Option<(String, String)>>> = Arc::default();
    let answer = Arc::clone(&found);
    let stand_in = StandIn::start(move |request, _| {
        let found = answer.lock().unwrap().clone();
        request.contains("clientId=").then(|| {
            let name = request.rsplit_once("clientId=").unwrap().1;
            let clients: Vec<_> = found
                .iter()
                .map(|(id, key)| json!({"id": id, "clientId": name, "attributes": {"fleetmint.device": key}}))
                .collect();
            Reply::Json(200, json!(clients).to_string())
        })
    })
    .await;
    let server = server(&stand_in).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let key = device["key"].as_str().unwrap().to_owned();
    assert_eq!(server.image(&device, 4096).await.status, 200);
    assert_eq!(stand_in.count("clientId"), 0, "a proven id is trusted");
    let id = &device["id"];
    server.execute(&format!(
        "CREATE TABLE proven AS SELECT provider_ref, provider_proof FROM devices WHERE id = {id}"
    ));

    let forged = [
        format!("provider_ref = '{OTHER}'"),
        format!("provider_ref = '{OTHER}', provider_proof = NULL"),
        format!("provider_ref = '{OTHER}', provider_proof = x''"),
        "provider_ref = '../../users'".to_owned(),
        "provider_ref = '../../users', provider_proof = NULL".to_owned(),
    ];
    for forged in &forged {
        server.execute(&format!("UPDATE devices SET {forged}"));
        // No client has that name.
        *found.lock().unwrap() = None;
        assert_eq!(
            server.image(&device, 4096).await.problem(),
            problem(502, "client-missing", &[]),
            "{forged}"
        );
        // It belongs to another device.
        *found.lock().unwrap() = Some((OTHER.to_owned(), "b0000000".to_owned()));
        assert_eq!(
            server.image(&device, 4096).await.problem(),
            problem(409, "foreign-client", &[]),
            "{forged}"
        );
        // It is the device's own: found by its name, although the row has another id.
        *found.lock().unwrap() = Some((ID.to_owned(), key.clone()));
        assert_eq!(server.image(&device, 4096).await.status, 200, "{forged}");
        let asked = stand_in.requests();
        assert!(
            !asked
                .iter()
                .any(|request| request.contains(&format!("/clients/{OTHER}")) || request.contains("users")),
            "{forged}: {asked:?}"
        );
        server.execute(PROVEN);
    }

    // The proof of one device's client proves nothing in another device's row.
    let second = server.device(&model).await;
    server.execute(&format!("{PROVEN} WHERE id = {}", second["id"]));
    *found.lock().unwrap() = None;
    assert_eq!(
        server.image(&second, 4096).await.problem(),
        problem(502, "client-missing", &[])
    );
    server.stop().await;
}

/// The device's client and another's, as Keycloak finds them by id and by name.
fn clients(request: &str, name: &str, key: &str) -> Option<Reply> {
    let client = |id: &str, name: &str, key: &str| {
        json!({
            "id": id, "clientId": name, "enabled": true, "secret": "the secret of the stand-in",
            "serviceAccountsEnabled": true, "attributes": {"fleetmint.device": key},
        })
    };
    let own = client(ID, name, key);
    let (method, path) = request.split_once(' ')?;
    let path = path.rsplit_once("/admin/realms/fleet/")?.1;
    match (method, path) {
        ("GET", path) if path == format!("clients/{ID}") => Some(own),
        ("GET", path) if path == format!("clients/{OTHER}") => Some(client(OTHER, "someone", "b0000000")),
        ("GET", path) if path == format!("clients?clientId={name}") => Some(json!([own])),
        ("PUT", _) => return Some(Reply::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())),
        _ => None,
    }
    .map(|body| Reply::Json(200, body.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_repairs_a_row_that_names_another_client_and_never_touches_that_client() {
    let known: Arc<Mutex<Option<(String, String)>>> = Arc::default();
    let shared = Arc::clone(&known);
    let stand_in = StandIn::start(move |request, _| {
        let (name, key) = shared.lock().unwrap().clone()?;
        clients(request, &name, &key)
    })
    .await;
    let server = server(&stand_in).await;
    let device = server.device(&server.model("m").await).await;
    let text = |member: &str| device[member].as_str().unwrap().to_owned();
    *known.lock().unwrap() = Some((text("client_id"), text("key")));
    let path = format!("/api/devices/{}/identity", device["id"]);
    let sync = format!("{path}/sync");
    // Repairs any other differences of the stand-in's client first.
    server.post(&sync, &json!({})).await.expect(200);

    for forged in [OTHER, "initial-access", "../../users"] {
        server.execute(&format!("UPDATE devices SET provider_ref = '{forged}'"));
        let healthy = server.get(&path).await.expect(200)["healthy"].clone();
        if forged == OTHER {
            assert_eq!(healthy, false);
        }
        let synced = server.post(&sync, &json!({})).await.expect(200);
        assert!(
            synced["repairs"].as_array().unwrap().contains(&json!("reference_set")),
            "{forged}: {synced}"
        );
        let own = format!("devices WHERE provider_ref = '{ID}'");
        assert_eq!(server.count(&own), 1, "{forged}");
        // It is also proven: the image needs no lookup.
        let looked_up = stand_in
            .requests()
            .iter()
            .filter(|seen| seen.contains("clientId="))
            .count();
        assert_eq!(server.image(&device, 4096).await.status, 200);
        let after = stand_in.requests();
        assert_eq!(
            after.iter().filter(|seen| seen.contains("clientId=")).count(),
            looked_up
        );
        assert!(
            !after
                .iter()
                .any(|seen| seen.contains("/clients/initial-access") || seen.contains("users")),
            "{after:?}"
        );
        assert!(
            !after
                .iter()
                .any(|seen| seen.contains(OTHER) && !seen.starts_with("GET ")),
            "{after:?}"
        );
        assert_eq!(stand_in.count(&format!("{OTHER}/client-secret")), 0);
        let again = server.post(&sync, &json!({})).await.expect(200);
        assert!(!again["repairs"].as_array().unwrap().contains(&json!("reference_set")));
    }
    server.stop().await;
}
