//! Clients that no row refers to.

use fleetmint_server::clock::SystemClock;
use fleetmint_server::enrolment::adoption::{self, Error, Obstacle, Stray, Strays, Verdict};
use fleetmint_server::identity::Identity;
use fleetmint_server::identity::keycloak::Keycloak;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, nvs};
use crate::keycloak::realm::Realm;

async fn start(realm: &Realm) -> Server {
    let server = Server::start_with(&[
        ("identity.provider", "keycloak"),
        ("identity.keycloak.base_url", &realm.base),
        ("identity.keycloak.realm", &realm.name),
        ("identity.keycloak.client_id", &realm.client_id),
        ("identity.keycloak.client_secret", &realm.client_secret),
        ("identity.keycloak.device_scope", "fleetmint-device"),
        ("identity.keycloak.timeout_seconds", "20"),
    ])
    .await;
    server.keep_secret(&realm.client_secret);
    server
}

fn keycloak(server: &Server) -> &Keycloak {
    match &server.app.identity {
        Identity::Keycloak(keycloak) => keycloak,
        Identity::Builtin(_) => panic!("not Keycloak"),
    }
}

async fn strays(server: &Server, model_code: Option<&str>) -> Vec<Stray> {
    let mut strays = Strays::new(&server.app.database, keycloak(server), model_code);
    let mut all = Vec::new();
    while let Some(page) = strays.next_page().await.unwrap() {
        all.extend(page);
    }
    all.sort_by(|one, other| one.found.client_id.cmp(&other.found.client_id));
    all
}

fn obstacles(strays: &[Stray]) -> Vec<(&str, String)> {
    strays
        .iter()
        .map(|stray| {
            let verdict = match &stray.verdict {
                Verdict::Adoptable { key, .. } => format!("device {key}"),
                Verdict::Obstacle(obstacle) => obstacle.to_string(),
            };
            (stray.found.client_id.as_str(), verdict)
        })
        .collect()
}

async fn secret(server: &Server, device: &Value) -> String {
    let values = nvs::strings(&server.image(device, 4096).await.body);
    values.into_iter().find(|(key, _)| key == "client_secret").unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_client_becomes_a_device_if_nothing_prevents_it() {
    let Some(realm) = Realm::find("a stray client becomes a device") else {
        return;
    };
    let realm = realm.another(|_| {}).await;
    let before = start(&realm).await;
    let model = before.model("m").await;
    let device = before.device(&model).await;
    let name = device["client_id"].as_str().unwrap();
    // An import can choose the ids; this one is unique in Keycloak, whatever other realms it has.
    let id = format!("by-hand-{}", device["key"].as_str().unwrap());
    for new in [
        json!({"clientId": "iotdevice-m-a0000001", "name": "On the roof", "secret": "chosen-by-hand"}),
        json!({"clientId": "iotdevice-other-a0000002"}),
        json!({"clientId": "iotdevice-m-a0000003", "attributes": {"fleetmint.device": "z0000000"}}),
        json!({"clientId": "iotdevice-m-a0000005", "id": id}),
        json!({"clientId": "iotdevice-m-roof"}),
        json!({"clientId": "not-iotdevice-m-a0000004"}),
    ] {
        realm.operator(Method::POST, "/clients", Some(&new)).await;
    }
    let expected = [
        ("iotdevice-m-a0000001", "device a0000001".to_owned()),
        (
            "iotdevice-m-a0000003",
            "it was created for another device, z0000000".to_owned(),
        ),
        (
            "iotdevice-m-a0000005",
            format!("its id in Keycloak is not a UUID: {id:?}"),
        ),
        (
            "iotdevice-m-roof",
            "its name is not iotdevice-<model code>-<device key>".to_owned(),
        ),
        (
            "iotdevice-other-a0000002",
            "there is no device model with the code \"other\"".to_owned(),
        ),
    ];
    let found = strays(&before, None).await;
    assert_eq!(obstacles(&found), expected);
    assert_eq!(obstacles(&strays(&before, Some("m")).await), expected[..4]);

    // Clients that cannot be adopted are left alone.
    for stray in &found[1..] {
        let untouched = realm.client(&stray.found.provider_ref).await;
        let error = adoption::adopt(&before.app.database, keycloak(&before), stray, "os:alice", &SystemClock)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Obstacle(_)), "{error:?}");
        assert_eq!(realm.client(&stray.found.provider_ref).await, untouched);
    }

    // A server that only has the model also finds the device, and both still have their secrets.
    let after = start(&realm).await;
    after.model("m").await;
    let mut adopted = Vec::new();
    for stray in strays(&after, None).await {
        if let Ok(device) =
            adoption::adopt(&after.app.database, keycloak(&after), &stray, "os:alice", &SystemClock).await
        {
            adopted.push(after.get(&format!("/api/devices/{}", device.id)).await.expect(200));
        }
    }
    adopted.sort_by_key(|device| device["name"] == "On the roof");
    assert_eq!(adopted.len(), 2, "{adopted:?}");
    assert_eq!(
        (&adopted[0]["client_id"], &adopted[0]["key"]),
        (&device["client_id"], &device["key"])
    );
    assert_eq!(secret(&after, &adopted[0]).await, secret(&before, &device).await);
    assert_eq!(adopted[1]["client_id"], "iotdevice-m-a0000001");
    assert_eq!(secret(&after, &adopted[1]).await, "chosen-by-hand");
    let id = realm.id_of("iotdevice-m-a0000001").await.unwrap();
    assert_eq!(realm.client(&id).await["attributes"]["fleetmint.device"], "a0000001");
    let audit = after.get("/api/audit?action=create_device").await.expect(200);
    let audit = audit["items"].as_array().unwrap();
    assert_eq!(audit.len(), 4);
    for pair in audit.chunks(2) {
        let [end, start] = pair else { panic!("{audit:?}") };
        assert_eq!((&end["outcome"], &end["attempt"]), (&json!("succeeded"), &start["id"]));
        assert_eq!(
            (&start["outcome"], &start["device_id"]),
            (&json!("started"), &Value::Null)
        );
        for record in pair {
            assert_eq!(
                (&record["source"], &record["actor"]),
                (&json!("fleetmint adopt"), &json!("os:alice"))
            );
            assert_eq!(record["model_id"], 1);
        }
    }
    assert_eq!(obstacles(&strays(&after, None).await), expected[1..]);

    // A key belongs to only one device, whatever its model.
    after.model("second").await;
    let twin = name.replacen("-m-", "-second-", 1);
    realm
        .operator(Method::POST, "/clients", Some(&json!({"clientId": twin})))
        .await;
    let mut stray = strays(&after, Some("second")).await.remove(0);
    assert_eq!(stray.verdict, Verdict::Obstacle(Obstacle::KeyTaken));
    // Also if the other device was created in between.
    stray.verdict = Verdict::Adoptable {
        device_model_id: 2,
        key: device["key"].as_str().unwrap().to_owned(),
    };
    let error = adoption::adopt(&after.app.database, keycloak(&after), &stray, "os:alice", &SystemClock)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Obstacle(Obstacle::KeyTaken)), "{error:?}");
    before.stop().await;
    after.stop().await;
}
