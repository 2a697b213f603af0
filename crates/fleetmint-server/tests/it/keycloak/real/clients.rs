//! Clients of devices at the real Keycloak: created, used, listed, disabled, deleted.

use fleetmint_server::identity::{Error, Repair, new_secret};
use fleetmint_server::metrics::Format;
use fleetmint_server::random::SystemRandom;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::realm::Realm;
use super::super::{client, start};
use super::{Device, HEALTHY};

#[tokio::test]
async fn a_client_is_created_used_and_deleted() {
    let Some(realm) = Realm::find("a client is created, used and deleted") else {
        return;
    };
    let (keycloak, metrics) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    assert_eq!(realm.id_of(&device.client_id).await.unwrap(), id);

    let secret = keycloak.secret(device.client(Some(&id))).await.unwrap();
    assert_eq!(secret, device.secret);
    let claims = realm.device_token(&device.client_id, secret.expose()).await.unwrap();
    assert_eq!(claims["azp"], device.client_id);
    assert_eq!(claims["aud"], "fleetmint");
    assert!(claims["sub"].is_string(), "{claims}");
    assert_eq!(claims["resource_access"], Value::Null, "{claims}");
    assert_eq!(keycloak.status(device.client(Some(&id))).await.unwrap(), HEALTHY);
    // Without its id, it is found by its name.
    assert_eq!(keycloak.status(device.client(None)).await.unwrap(), HEALTHY);
    assert_eq!(keycloak.secret(device.client(None)).await.unwrap(), device.secret);

    keycloak.delete(device.client(Some(&id))).await.unwrap();
    assert_eq!(realm.id_of(&device.client_id).await, None);
    assert!(realm.device_token(&device.client_id, secret.expose()).await.is_err());
    let error = keycloak.secret(device.client(Some(&id))).await.unwrap_err();
    assert!(matches!(error, Error::ClientMissing { .. }), "{error:?}");
    keycloak.delete(device.client(Some(&id))).await.unwrap();

    let text = metrics.encode(Format::Text).unwrap();
    for call in [
        "get_token",
        "create_client",
        "get_client_secret",
        "get_client",
        "delete_client",
    ] {
        assert!(text.contains(&format!("operation=\"{call}\"")), "{call}: {text}");
    }
    assert!(!text.contains(&device.key), "{text}");
}

#[tokio::test]
async fn the_new_client_has_client_credentials_only() {
    let Some(realm) = Realm::find("the new client has client credentials only") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let made = realm.client(&id).await;
    for (member, right) in [
        ("publicClient", false),
        ("serviceAccountsEnabled", true),
        ("standardFlowEnabled", false),
        ("implicitFlowEnabled", false),
        ("directAccessGrantsEnabled", false),
        ("fullScopeAllowed", false),
        ("enabled", true),
    ] {
        assert_eq!(made[member], right, "{member}");
    }
    assert_eq!(made["attributes"]["fleetmint.device"], device.key);
    assert_eq!(made["defaultClientScopes"], json!(["fleetmint-device"]));
    keycloak.delete(device.client(Some(&id))).await.unwrap();
}

#[tokio::test]
async fn a_client_of_an_earlier_attempt_is_used_and_another_is_left_alone() {
    let Some(realm) = Realm::find("a client of an earlier attempt is used") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let other_secret = new_secret(&SystemRandom);
    assert_eq!(keycloak.create(device.client(None), &other_secret).await.unwrap(), id);
    assert_eq!(keycloak.secret(device.client(Some(&id))).await.unwrap(), device.secret);

    for attributes in [json!({}), json!({"fleetmint.device": "z9999999"})] {
        let theirs = Device::new();
        let new = json!({"clientId": theirs.client_id, "description": "not yours", "attributes": attributes});
        realm.operator(Method::POST, "/clients", Some(&new)).await;
        let their_id = realm.id_of(&theirs.client_id).await.unwrap();
        let before = realm.client(&their_id).await;
        let foreign = |error: Error| assert!(matches!(error, Error::ForeignClient { .. }), "{error:?}");
        foreign(keycloak.create(theirs.client(None), &theirs.secret).await.unwrap_err());
        foreign(keycloak.sync(theirs.client(None)).await.unwrap_err());
        foreign(keycloak.set_enabled(theirs.client(None), false).await.unwrap_err());
        foreign(keycloak.secret(theirs.client(None)).await.unwrap_err());
        keycloak.delete(theirs.client(None)).await.unwrap();
        assert!(!keycloak.status(theirs.client(None)).await.unwrap().ours);
        assert_eq!(realm.client(&their_id).await, before);
    }
    keycloak.delete(device.client(Some(&id))).await.unwrap();
}

#[tokio::test]
async fn a_row_that_names_another_devices_client_leads_to_its_own_by_name_or_to_none() {
    let Some(realm) = Realm::find("a row that names another device's client leads to its own") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let (device, other) = (Device::new(), Device::new());
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let other_id = keycloak.create(other.client(None), &other.secret).await.unwrap();
    let untouched = realm.client(&other_id).await;
    let forged = || device.client(Some(&other_id));
    assert!(!keycloak.status(forged()).await.unwrap().ours);
    let synced = keycloak.sync(forged()).await.unwrap();
    assert_eq!(
        (synced.provider_ref, synced.repairs, synced.unrepaired),
        (id.clone(), vec![Repair::ReferenceSet], vec![])
    );
    keycloak.set_enabled(forged(), false).await.unwrap();
    assert_eq!(realm.client(&id).await["enabled"], false);
    assert_eq!(keycloak.locate(forged()).await.unwrap().as_ref(), Some(&id));

    // If its own client is not found by its name, none is created instead.
    realm
        .change(&id, &[("clientId", json!(format!("renamed-{}", device.key)))])
        .await;
    let foreign = |error: Error| assert!(matches!(error, Error::ForeignClient { .. }), "{error:?}");
    foreign(keycloak.sync(forged()).await.unwrap_err());
    foreign(keycloak.set_enabled(forged(), true).await.unwrap_err());
    keycloak.delete(forged()).await.unwrap();
    assert!(realm.id_of(&device.client_id).await.is_none());
    assert_eq!(realm.client(&other_id).await, untouched);
    for id in [&id, &other_id] {
        realm.operator(Method::DELETE, &format!("/clients/{id}"), None).await;
    }
}

#[tokio::test]
async fn a_secret_is_used_unchanged() {
    let Some(realm) = Realm::find("a secret is used unchanged") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let us = || device.client(Some(&id));
    for secret in ["  blanks at its ends ", "\ta tab", "**** stars ****", "null"] {
        realm.change(&id, &[("secret", json!(secret))]).await;
        assert_eq!(keycloak.secret(us()).await.unwrap().expose(), secret);
        assert_eq!(keycloak.sync(us()).await.unwrap().repairs, []);
        assert_eq!(keycloak.status(us()).await.unwrap(), HEALTHY, "{secret:?}");
        realm.device_token(&device.client_id, secret).await.unwrap();
    }
    keycloak.delete(us()).await.unwrap();
}

#[tokio::test]
async fn a_client_is_disabled_and_enabled() {
    let Some(realm) = Realm::find("a client is disabled and enabled") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    for enabled in [false, false, true, true] {
        keycloak.set_enabled(device.client(Some(&id)), enabled).await.unwrap();
        let token = realm.device_token(&device.client_id, device.secret.expose()).await;
        assert_eq!(token.is_ok(), enabled);
    }
    keycloak.delete(device.client(Some(&id))).await.unwrap();
}

#[tokio::test]
async fn clients_are_listed_page_by_page_and_claimed() {
    let Some(realm) = Realm::find("clients are listed page by page and claimed") else {
        return;
    };
    // In a realm of its own, so that the pages contain no other clients.
    let realm = realm.another(|_| {}).await;
    let (keycloak, _) = start(&realm.settings());
    let devices: Vec<Device> = (0..103).map(|_| Device::new()).collect();
    for device in &devices {
        keycloak.create(device.client(None), &device.secret).await.unwrap();
    }
    realm
        .operator(
            Method::POST,
            "/clients",
            Some(&json!({"clientId": "iotdevice-test-a0000000"})),
        )
        .await;
    let (mut first, mut found) = (0, Vec::new());
    loop {
        let page = keycloak.list("iotdevice-", first).await.unwrap();
        assert!(page.len() <= 100);
        if page.is_empty() {
            break;
        }
        first += u32::try_from(page.len()).unwrap();
        found.extend(page);
    }
    assert_eq!(found.len(), 104);
    for device in &devices {
        let found = found.iter().find(|found| found.client_id == device.client_id).unwrap();
        assert_eq!(found.device_key.as_ref(), Some(&device.key));
        assert!(found.enabled);
    }
    let unowned = found.iter().find(|found| found.device_key.is_none()).unwrap();
    let claimed = client("iotdevice-test-a0000000", "a0000000", Some(&unowned.provider_ref));
    keycloak.claim(claimed).await.unwrap();
    keycloak.claim(claimed).await.unwrap();
    assert!(keycloak.status(claimed).await.unwrap().ours);
    let other = client("iotdevice-test-a0000000", "b0000000", Some(&unowned.provider_ref));
    let error = keycloak.claim(other).await.unwrap_err();
    assert!(matches!(error, Error::ForeignClient { .. }), "{error:?}");
}
