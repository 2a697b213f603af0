//! The id of a device's client at Keycloak decides whose secret is flashed: who can write the database but lacks the master
//! key cannot choose it.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::faults::server;
use super::stand_in::{ID, Reply, StandIn};
use crate::harness::problem;

/// The device's row as it was.
const PROVEN: &str = "UPDATE devices SET (provider_ref, provider_proof) = (SELECT * FROM proven)";

const OTHER: &str = "0b0f2ad0-1c3a-4d0b-9a3e-6f6d9f4f9f99";

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_not_proven_to_be_the_devices_is_not_asked_for() {
    // What Keycloak finds by the client's name: id, and the device that it says it was made for.
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
    assert_eq!(stand_in.count("clientId"), 0, "what was proven is believed");
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
        // No client of that name is there.
        *found.lock().unwrap() = None;
        assert_eq!(
            server.image(&device, 4096).await.problem(),
            problem(502, "client-missing", &[]),
            "{forged}"
        );
        // It is another device's.
        *found.lock().unwrap() = Some((OTHER.to_owned(), "b0000000".to_owned()));
        assert_eq!(
            server.image(&device, 4096).await.problem(),
            problem(409, "foreign-client", &[]),
            "{forged}"
        );
        // It is the device's own: found by its name, though the row names another.
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

    // What proves the client of one device proves nothing in another's row.
    let second = server.device(&model).await;
    server.execute(&format!("{PROVEN} WHERE id = {}", second["id"]));
    *found.lock().unwrap() = None;
    assert_eq!(
        server.image(&second, 4096).await.problem(),
        problem(502, "client-missing", &[])
    );
    server.stop().await;
}
