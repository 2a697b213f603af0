//! The audit trail of operations with a call to Keycloak between their beginning and their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fleetmint_server::enrolment::reconciler;
use reqwest::Method;
use serde_json::{Value, json};

use super::faults::server;
use super::stand_in::{Reply, StandIn};
use crate::harness::Server;

/// Actor, action, outcome and reason of the records of a device, newest first. Each outcome names its attempt.
async fn records(server: &Server, device: &Value) -> Vec<(String, String, String)> {
    server.app.audit.flush().await;
    let page = server
        .get(&format!("/api/audit?device={}", device["id"]))
        .await
        .expect(200);
    let items = page["items"].as_array().unwrap();
    let text = |item: &Value, member: &str| item[member].as_str().unwrap_or_default().to_owned();
    for item in items {
        assert_eq!(item["model_id"], device["device_model_id"]);
        if let Some(attempt) = item["attempt"].as_i64() {
            let attempt = items.iter().find(|known| known["id"] == attempt).unwrap();
            assert_eq!(attempt["outcome"], "started");
            for member in ["actor", "action", "source"] {
                assert_eq!(attempt[member], item[member]);
            }
            // The time of the outcome: at least a call and a commit later.
            assert!(item["at"].as_str() > attempt["at"].as_str(), "{item} {attempt}");
        }
    }
    let records = items.iter().map(|item| {
        let outcome = format!("{} {}", text(item, "outcome"), text(item, "reason"));
        (text(item, "actor"), text(item, "action"), outcome.trim_end().to_owned())
    });
    records.collect()
}

fn pair(actor: &str, action: &str, outcome: &str) -> [(String, String, String); 2] {
    let record = |outcome: &str| (actor.to_owned(), action.to_owned(), outcome.to_owned());
    [record(outcome), record("started")]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_has_its_attempt_and_its_outcome() {
    let fails = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&fails);
    let stand_in = StandIn::start(move |request, _| {
        let fails = switch.load(Ordering::Relaxed) && !request.ends_with("/token");
        // After the deletion of the client, nothing is found by its name.
        let none = request.contains("clientId=").then(|| Reply::Json(200, "[]".to_owned()));
        fails.then(|| Reply::Json(500, "{}".to_owned())).or(none)
    })
    .await;
    let server = server(&stand_in).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    let path = format!("/api/devices/{}", device["id"]);
    // The record of the attempt to create has the model, and also the device once it has a row.
    let newest = |expected: Vec<[(String, String, String); 2]>| {
        let (server, device) = (&server, &device);
        async move {
            let expected = expected.concat();
            assert_eq!(records(server, device).await[..expected.len()], expected[..]);
        }
    };
    let administrator = |action: &str, outcome: &str| pair("administrator", action, outcome);
    newest(vec![administrator("create_device", "succeeded")]).await;
    assert_eq!(server.image(&device, 4096).await.status, 200);
    newest(vec![administrator("get_provisioning", "succeeded")]).await;
    let body = json!({"data": BASE64_STANDARD.encode([0xFF; 0x3000])});
    server
        .post(&format!("{path}/provisioning/patch"), &body)
        .await
        .expect(200);
    newest(vec![administrator("patch_provisioning", "succeeded")]).await;
    let (verify, values) = (format!("{path}/provisioning/verify"), json!({"values": {}}));
    server.post(&verify, &values).await.expect(200);
    newest(vec![administrator("verify_provisioning", "succeeded")]).await;

    fails.store(true, Ordering::Relaxed);
    let failed = "failed identity-provider-failed";
    assert_eq!(server.image(&device, 4096).await.status, 502);
    newest(vec![administrator("get_provisioning", failed)]).await;
    assert_eq!(
        server.post(&format!("{path}/provisioning/patch"), &body).await.status,
        502
    );
    newest(vec![administrator("patch_provisioning", failed)]).await;
    assert_eq!(server.post(&verify, &values).await.status, 502);
    newest(vec![administrator("verify_provisioning", failed)]).await;
    for action in ["sync", "disable", "enable"] {
        let path = format!("{path}/identity/{action}");
        let answer = server.call(Method::POST, &path, |request| request).await;
        assert_eq!(answer.status, 502, "{action}");
        newest(vec![administrator(&format!("{action}_identity"), failed)]).await;
    }
    assert_eq!(server.delete(&path).await.status, 502);
    newest(vec![administrator("delete_device", failed)]).await;

    // The reconciler tries repeatedly, and that is one attempt.
    for _ in 0..3 {
        assert!(reconciler::round(&server.app).await.is_ok());
    }
    let started = ("system".to_owned(), "delete_device".to_owned(), "started".to_owned());
    let all = records(&server, &device).await;
    let [newest, before, ..] = &all[..] else {
        panic!("no records")
    };
    assert_eq!((newest, before.0.as_str()), (&started, "administrator"));
    fails.store(false, Ordering::Relaxed);
    server
        .eventually("the device is gone", || server.count("devices") == 0)
        .await;
    let all = records(&server, &device).await;
    assert_eq!(all[..2], pair("system", "delete_device", "succeeded"));
    assert_eq!(all[2].0, "administrator");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_creation_and_the_reconcilers_work_on_it_are_recorded() {
    let fails = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&fails);
    let stand_in = StandIn::start(move |request, _| {
        let fails = switch.load(Ordering::Relaxed) && request.starts_with("POST ") && request.ends_with("/clients");
        // The reconciler looks for the client by its name.
        let none = request.contains("clientId=").then(|| Reply::Json(200, "[]".to_owned()));
        fails.then(|| Reply::Json(500, "{}".to_owned())).or(none)
    })
    .await;
    let server = server(&stand_in).await;
    let model = server.model("m").await;
    let body = json!({"device_model_id": model["id"], "name": "D"});
    assert_eq!(server.post("/api/devices", &body).await.status, 502);
    let device = json!({"id": 1, "device_model_id": model["id"]});
    let failed = pair("administrator", "create_device", "failed identity-provider-failed");
    assert_eq!(records(&server, &device).await, failed);
    server.execute("UPDATE devices SET lease_until = 0");
    server
        .eventually("the row is gone", || server.count("devices") == 0)
        .await;
    let all = records(&server, &device).await;
    assert_eq!(all, [pair("system", "delete_device", "succeeded"), failed].concat());
    server.stop().await;
}

/// Records that nobody waited for are on the disk once the server has stopped.
#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_recorded_before_the_service_ends() {
    let stand_in = StandIn::start(|_, _| None).await;
    let server = server(&stand_in).await;
    let model = server.model("m").await;
    let device = server.device(&model).await;
    for _ in 0..3 {
        assert_eq!(server.image(&device, 4096).await.status, 200);
    }
    let database = server.app.database.clone();
    let folder = server.stop().await;
    let count = |outcome: &str| {
        use diesel::prelude::*;
        use fleetmint_server::database::{Connection, Error};
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let query =
            format!("SELECT count(*) AS n FROM audit WHERE action = 'get_provisioning' AND outcome = '{outcome}'");
        let read = |connection: &mut Connection| Ok(diesel::sql_query(&query).get_result::<Count>(connection)?.n);
        database.read_blocking::<_, Error>(read).unwrap()
    };
    assert_eq!((count("started"), count("succeeded")), (3, 3));
    drop(folder);
}
