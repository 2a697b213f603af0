//! Outside changes at the real Keycloak, and their repair.

use fleetmint_server::identity::{Error, Repair, Status};
use fleetmint_server::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::realm::Realm;
use super::super::start;
use super::{Device, HEALTHY};

#[tokio::test]
async fn a_client_that_was_deleted_is_created_again() {
    let Some(realm) = Realm::find("a client that was deleted is created again") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    realm.operator(Method::DELETE, &format!("/clients/{id}"), None).await;

    assert_eq!(keycloak.status(device.client(Some(&id))).await.unwrap(), Status::ABSENT);
    let error = keycloak.secret(device.client(Some(&id))).await.unwrap_err();
    assert!(matches!(error, Error::ClientMissing { .. }), "{error:?}");
    let error = keycloak.set_enabled(device.client(Some(&id)), false).await.unwrap_err();
    assert!(matches!(error, Error::ClientMissing { .. }), "{error:?}");

    let synced = keycloak.sync(device.client(Some(&id))).await.unwrap();
    assert_eq!(synced.repairs, [Repair::Created]);
    assert_ne!(synced.provider_ref, id);
    let secret = keycloak
        .secret(device.client(Some(&synced.provider_ref)))
        .await
        .unwrap();
    assert_ne!(secret, device.secret);
    realm.device_token(&device.client_id, secret.expose()).await.unwrap();
    // A caller that still has the old id finds the client, and deletes it, under the new id.
    assert_eq!(keycloak.status(device.client(Some(&id))).await.unwrap(), HEALTHY);
    keycloak.delete(device.client(Some(&id))).await.unwrap();
    assert_eq!(realm.id_of(&device.client_id).await, None);
}

#[tokio::test]
async fn outside_changes_are_detected_and_repaired() {
    let Some(realm) = Realm::find("outside changes are detected and repaired") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let us = || device.client(Some(&id));
    assert_eq!(keycloak.sync(us()).await.unwrap().repairs, []);

    // Disabled: the image still gets the secret.
    realm
        .change(&id, &[("enabled", json!(false)), ("description", json!("on the roof"))])
        .await;
    assert_eq!(keycloak.secret(us()).await.unwrap(), device.secret);
    let disabled = Status {
        enabled: false,
        token: false,
        ..HEALTHY
    };
    assert_eq!(keycloak.status(us()).await.unwrap(), disabled);
    assert!(
        realm
            .device_token(&device.client_id, device.secret.expose())
            .await
            .is_err()
    );
    assert_eq!(keycloak.sync(us()).await.unwrap().repairs, [Repair::Enabled]);
    assert_eq!(keycloak.status(us()).await.unwrap(), HEALTHY);
    realm
        .device_token(&device.client_id, device.secret.expose())
        .await
        .unwrap();

    // Other flows, and no scope.
    realm
        .change(
            &id,
            &[
                ("standardFlowEnabled", json!(true)),
                ("serviceAccountsEnabled", json!(false)),
            ],
        )
        .await;
    let scopes = realm.operator(Method::GET, "/client-scopes", None).await;
    let scope = scopes
        .as_array()
        .unwrap()
        .iter()
        .find(|scope| scope["name"] == "fleetmint-device")
        .unwrap();
    let path = format!("/clients/{id}/default-client-scopes/{}", scope["id"].as_str().unwrap());
    realm.operator(Method::DELETE, &path, None).await;
    let broken = Status {
        flows: false,
        scope: false,
        token: false,
        ..HEALTHY
    };
    assert_eq!(keycloak.status(us()).await.unwrap(), broken);
    assert_eq!(
        keycloak.sync(us()).await.unwrap().repairs,
        [Repair::FlowsSet, Repair::ScopeSet]
    );
    assert_eq!(keycloak.status(us()).await.unwrap(), HEALTHY);
    let claims = realm
        .device_token(&device.client_id, device.secret.expose())
        .await
        .unwrap();
    assert_eq!(claims["aud"], "fleetmint");

    // Members that the service does not manage stayed, and so did the secret.
    assert_eq!(realm.client(&id).await["description"], "on the roof");
    assert_eq!(keycloak.secret(us()).await.unwrap(), device.secret);

    // Another secret: the next image has it.
    let changed = realm
        .operator(Method::POST, &format!("/clients/{id}/client-secret"), None)
        .await;
    assert_eq!(
        keycloak.secret(us()).await.unwrap().expose(),
        changed["value"].as_str().unwrap()
    );
    keycloak.delete(us()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_was_renamed_gets_its_name_back_unless_another_has_it() {
    let Some(realm) = Realm::find("a client that was renamed gets its name back") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let us = || device.client(Some(&id));
    let other = format!("renamed-{}", device.key);
    realm.change(&id, &[("clientId", json!(other))]).await;
    let status = keycloak.status(us()).await.unwrap();
    let renamed = Status {
        name: false,
        token: false,
        ..HEALTHY
    };
    assert_eq!(status, renamed);
    assert!(status.problems()[0].contains("renamed"), "{:?}", status.problems());
    assert_eq!(keycloak.sync(us()).await.unwrap().repairs, [Repair::Renamed]);
    assert_eq!(keycloak.status(us()).await.unwrap(), HEALTHY);
    realm
        .device_token(&device.client_id, device.secret.expose())
        .await
        .unwrap();

    // In the meantime another client got the name.
    realm.change(&id, &[("clientId", json!(other))]).await;
    let squatter = json!({"clientId": device.client_id});
    realm.operator(Method::POST, "/clients", Some(&squatter)).await;
    let error = keycloak.sync(us()).await.unwrap_err();
    assert!(matches!(error, Error::ForeignClient { .. }), "{error:?}");
    assert_eq!(keycloak.status(us()).await.unwrap(), renamed);
    // Our client is deleted, whatever its name, and not the other one.
    keycloak.delete(us()).await.unwrap();
    assert_eq!(realm.id_of(&other).await, None);
    let squatter = realm.id_of(&device.client_id).await.unwrap();
    keycloak.delete(device.client(Some(&squatter))).await.unwrap();
    assert_eq!(realm.id_of(&device.client_id).await, Some(squatter.clone()));
    realm
        .operator(Method::DELETE, &format!("/clients/{squatter}"), None)
        .await;
}

#[tokio::test]
async fn tokens_bound_to_keys_and_further_grants_are_detected_and_removed() {
    let Some(realm) = Realm::find("tokens bound to keys and further grants are detected and removed") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let us = || device.client(Some(&id));
    let unbound = Status {
        bearer: false,
        token: false,
        ..HEALTHY
    };
    let granted = Status {
        flows: false,
        token: false,
        ..HEALTHY
    };
    for (attribute, status, repair) in [
        ("dpop.bound.access.tokens", &unbound, Repair::BindingRemoved),
        (
            "tls.client.certificate.bound.access.tokens",
            &unbound,
            Repair::BindingRemoved,
        ),
        ("oauth2.device.authorization.grant.enabled", &granted, Repair::FlowsSet),
        ("oidc.ciba.grant.enabled", &granted, Repair::FlowsSet),
        ("standard.token.exchange.enabled", &granted, Repair::FlowsSet),
    ] {
        let mut attributes = realm.client(&id).await["attributes"].clone();
        attributes[attribute] = json!("true");
        attributes["site"] = json!("roof");
        realm.change(&id, &[("attributes", attributes)]).await;
        let is_refused = realm.device_token(&device.client_id, device.secret.expose()).await;
        assert_eq!(is_refused.is_err(), !status.bearer, "{attribute}");
        let now = keycloak.status(us()).await.unwrap();
        assert_eq!(&now, status, "{attribute}");
        assert_eq!(now.problems().len(), 1, "{attribute}");
        assert_eq!(keycloak.sync(us()).await.unwrap().repairs, [repair], "{attribute}");
        assert_eq!(keycloak.status(us()).await.unwrap(), HEALTHY, "{attribute}");
        realm
            .device_token(&device.client_id, device.secret.expose())
            .await
            .unwrap();
        assert_eq!(realm.client(&id).await["attributes"]["site"], "roof");
    }
    keycloak.delete(us()).await.unwrap();
}

#[tokio::test]
async fn a_missing_or_disabled_service_account_user_is_detected_and_repaired_if_allowed() {
    let Some(realm) = Realm::find("a missing or disabled service-account user is detected and repaired") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let us = || device.client(Some(&id));
    let user = async || {
        let path = format!("/clients/{id}/service-account-user");
        realm.operator(Method::GET, &path, None).await
    };
    let path = |user: &Value| format!("/users/{}", user["id"].as_str().unwrap());
    let assert_refused = |status: &Status, word: &str| {
        assert!(!status.token && !status.is_healthy(), "{status:?}");
        assert!(status.problems()[0].contains(word), "{:?}", status.problems());
    };

    realm.operator(Method::DELETE, &path(&user().await), None).await;
    for _ in 0..2 {
        // Reading the state does not repair.
        assert_refused(&keycloak.status(us()).await.unwrap(), "does not exist");
    }
    assert_eq!(keycloak.sync(us()).await.unwrap().repairs, [Repair::AccountCreated]);
    assert_eq!(keycloak.status(us()).await.unwrap(), HEALTHY);

    let disable = async || {
        let mut user = user().await;
        user["enabled"] = json!(false);
        realm.operator(Method::PUT, &path(&user), Some(&user)).await;
    };
    disable().await;
    assert_refused(&keycloak.status(us()).await.unwrap(), "disabled");
    let synced = keycloak.sync(us()).await.unwrap();
    assert_eq!(synced.repairs, []);
    assert!(synced.unrepaired[0].contains("manage-users"), "{:?}", synced.unrepaired);
    assert_refused(&keycloak.status(us()).await.unwrap(), "disabled");

    let (client_id, client_secret) = realm.service_account(&["manage-clients", "manage-users"]).await;
    let mut settings = realm.settings();
    settings.client_id = client_id;
    settings.client_secret = Secret::new(client_secret);
    let (mighty, _) = start(&settings);
    let before = user().await;
    let synced = mighty.sync(us()).await.unwrap();
    assert_eq!(
        (synced.repairs, synced.unrepaired),
        (vec![Repair::AccountEnabled], vec![])
    );
    assert_eq!(user().await["id"], before["id"], "its `sub` is the same");
    assert_eq!(keycloak.status(us()).await.unwrap(), HEALTHY);
    keycloak.delete(us()).await.unwrap();
}

#[tokio::test]
async fn a_scope_that_is_missing_in_the_realm_is_reported_as_not_repaired() {
    let Some(realm) = Realm::find("a scope that is missing in the realm is reported as not repaired") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let mut settings = realm.settings();
    settings.device_scope = Some("no-such-scope".to_owned());
    let (other, _) = start(&settings);
    let synced = other.sync(device.client(Some(&id))).await.unwrap();
    assert_eq!(synced.repairs, []);
    assert!(
        synced.unrepaired[0].contains("no-such-scope"),
        "{:?}",
        synced.unrepaired
    );
    keycloak.delete(device.client(Some(&id))).await.unwrap();
}
