//! What we do to a real Keycloak, and what others do to it behind our back.

use std::time::Duration;

use fleetmint_server::app::SystemRandom;
use fleetmint_server::identity::{Error, Repair, Status, new_secret};
use fleetmint_server::metrics::Format;
use fleetmint_server::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::proxy::Proxy;

use super::realm::{Realm, tls, unique};
use super::{client, start};

const HEALTHY: Status = Status {
    exists: true,
    name: true,
    enabled: true,
    ours: true,
    flows: true,
    bearer: true,
    scope: true,
    secret: true,
    token: true,
    refusal: None,
};

struct Device {
    key: String,
    client_id: String,
    secret: Secret,
}

impl Device {
    fn new() -> Self {
        let key = unique();
        Self {
            client_id: format!("iotdevice-test-{key}"),
            key,
            secret: new_secret(&SystemRandom::default()).unwrap(),
        }
    }

    fn client<'a>(&'a self, id: Option<&'a str>) -> fleetmint_server::identity::Client<'a> {
        client(&self.client_id, &self.key, id)
    }
}

#[tokio::test]
async fn a_client_is_made_used_and_deleted() {
    let Some(realm) = Realm::find("a client is made, used and deleted") else {
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
    // Without its id, by its name.
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
async fn the_new_client_may_do_one_thing_only() {
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
async fn a_client_of_an_attempt_before_is_taken_and_another_is_left_alone() {
    let Some(realm) = Realm::find("a client of an attempt before is taken") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let other_secret = new_secret(&SystemRandom::default()).unwrap();
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

    // Where its own is not found by its name, nothing is created in its place.
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
async fn a_client_that_was_deleted_behind_our_back_is_made_anew() {
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
    // Whoever still has the old id finds it, and deletes it, under the new one.
    assert_eq!(keycloak.status(device.client(Some(&id))).await.unwrap(), HEALTHY);
    keycloak.delete(device.client(Some(&id))).await.unwrap();
    assert_eq!(realm.id_of(&device.client_id).await, None);
}

#[tokio::test]
async fn what_was_changed_behind_our_back_is_seen_and_mended() {
    let Some(realm) = Realm::find("what was changed is seen and repaired") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    let us = || device.client(Some(&id));
    assert_eq!(keycloak.sync(us()).await.unwrap().repairs, []);

    // Disabled: the secret is still there for the image.
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

    // What is none of our business stayed, and so did the secret.
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

    // Meanwhile somebody else has taken the name.
    realm.change(&id, &[("clientId", json!(other))]).await;
    let squatter = json!({"clientId": device.client_id});
    realm.operator(Method::POST, "/clients", Some(&squatter)).await;
    let error = keycloak.sync(us()).await.unwrap_err();
    assert!(matches!(error, Error::ForeignClient { .. }), "{error:?}");
    assert_eq!(keycloak.status(us()).await.unwrap(), renamed);
    // What is deleted is ours, whatever it is called, and not the other.
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
async fn tokens_bound_to_keys_and_further_grants_are_seen_and_removed() {
    let Some(realm) = Realm::find("tokens bound to keys and further grants are seen and removed") else {
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
async fn a_service_account_user_that_is_gone_or_disabled_is_seen_and_repaired_where_that_is_allowed() {
    let Some(realm) = Realm::find("a service-account user that is gone or disabled is seen and repaired") else {
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
        // Asking does not repair.
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
async fn a_secret_is_taken_as_it_is() {
    let Some(realm) = Realm::find("a secret is taken as it is") else {
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
async fn a_scope_that_the_realm_lacks_is_reported_as_not_repaired() {
    let Some(realm) = Realm::find("a scope that the realm lacks is reported as not repaired") else {
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
async fn a_wrong_secret_of_the_service_account_is_said() {
    let Some(realm) = Realm::find("a wrong secret of the service account is said") else {
        return;
    };
    let mut settings = realm.settings();
    settings.client_secret = Secret::new("hunter2hunter2".to_owned());
    let (keycloak, _) = start(&settings);
    let error = keycloak.secret(client("c", "k", Some("0"))).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!(keycloak.problems().await, [error.to_string()]);
}

#[tokio::test]
async fn a_realm_that_is_not_there_is_said() {
    let Some(realm) = Realm::find("a realm that is not there is said") else {
        return;
    };
    let mut settings = realm.settings();
    settings.realm = "nowhere".to_owned();
    let (keycloak, _) = start(&settings);
    let error = keycloak.secret(client("c", "k", Some("0"))).await.unwrap_err();
    assert!(matches!(error, Error::Failed { status: 404 }), "{error:?}");
}

#[tokio::test]
async fn a_token_that_is_revoked_in_mid_run_is_replaced() {
    let Some(realm) = Realm::find("a token that is revoked in mid-run is replaced") else {
        return;
    };
    let (client_id, client_secret) = realm.service_account(&["manage-clients"]).await;
    let account = realm.id_of(&client_id).await.unwrap();
    let mut settings = realm.settings();
    settings.client_id = client_id;
    settings.client_secret = Secret::new(client_secret);
    let (keycloak, metrics) = start(&settings);
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    // Tokens of before this second are not taken any more.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    realm.change(&account, &[("notBefore", json!(now - 1))]).await;
    assert_eq!(keycloak.secret(device.client(Some(&id))).await.unwrap(), device.secret);
    let text = metrics.encode(Format::Text).unwrap();
    assert!(
        text.contains("fleetmint_keycloak_calls_total{operation=\"get_client_secret\",status=\"401\"} 1"),
        "{text}"
    );
    keycloak.delete(device.client(Some(&id))).await.unwrap();
}

#[tokio::test]
async fn a_private_authority_is_trusted_if_it_is_named() {
    let Some(realm) = Realm::find("a private authority is trusted if it is named") else {
        return;
    };
    let (base_url, ca_file) = tls();
    let mut settings = realm.settings();
    settings.base_url = base_url;
    let (stranger, _) = start(&settings);
    let error = stranger.secret(client("c", "k", Some("0"))).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable(cause) if cause.contains("certificate")),
        "{error:?}"
    );
    settings.ca_file = Some(ca_file);
    let (keycloak, _) = start(&settings);
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    assert_eq!(keycloak.secret(device.client(Some(&id))).await.unwrap(), device.secret);
    keycloak.delete(device.client(Some(&id))).await.unwrap();
}

#[tokio::test]
async fn devices_get_the_address_that_the_realm_names() {
    let Some(realm) = Realm::find("devices get the address that the realm names") else {
        return;
    };
    let (keycloak, _) = start(&realm.settings());
    assert_eq!(keycloak.token_url(), None);
    assert_eq!(keycloak.problems().await, Vec::<String>::new());
    let usual = format!("{}/realms/{}/protocol/openid-connect/token", realm.base, realm.name);
    assert_eq!(keycloak.token_url(), Some(usual));

    let outside = realm
        .another(|file| file["attributes"] = json!({"frontendUrl": "https://sso.example.com/auth"}))
        .await;
    let (keycloak, _) = start(&outside.settings());
    assert_eq!(keycloak.problems().await, Vec::<String>::new());
    let theirs = format!(
        "https://sso.example.com/auth/realms/{}/protocol/openid-connect/token",
        outside.name
    );
    assert_eq!(keycloak.token_url(), Some(theirs));

    let mut settings = outside.settings();
    settings.token_url = Some("https://tokens.example.com".to_owned());
    assert_eq!(
        start(&settings).0.token_url().as_deref(),
        Some("https://tokens.example.com")
    );
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let Some(realm) = Realm::find("readiness names what is missing") else {
        return;
    };
    let mut settings = realm.settings();
    settings.device_scope = Some("no-such-scope".to_owned());
    let problems = start(&settings).0.problems().await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("no-such-scope") && problems[0].contains("device_scope"),
        "{problems:?}"
    );

    for roles in [&[][..], &["view-clients"][..]] {
        let (client_id, client_secret) = realm.service_account(roles).await;
        let mut settings = realm.settings();
        settings.client_id = client_id;
        settings.client_secret = Secret::new(client_secret);
        let problems = start(&settings).0.problems().await;
        assert!(
            problems.iter().any(|problem| problem.contains("manage-clients")),
            "{roles:?}: {problems:?}"
        );
    }

    let mut settings = realm.settings();
    settings.base_url = "http://127.0.0.1:1".to_owned();
    let problems = start(&settings).0.problems().await;
    assert!(problems[0].contains("cannot be reached"), "{problems:?}");
}

#[tokio::test]
async fn the_least_rights_of_the_realm_file_are_enough() {
    let Some(realm) = Realm::find("the least rights of the realm file are enough") else {
        return;
    };
    let account = realm.id_of(&realm.client_id).await.unwrap();
    let user = realm
        .operator(Method::GET, &format!("/clients/{account}/service-account-user"), None)
        .await;
    let management = realm.id_of("realm-management").await.unwrap();
    let path = format!(
        "/users/{}/role-mappings/clients/{management}",
        user["id"].as_str().unwrap()
    );
    let roles = realm.operator(Method::GET, &path, None).await;
    let roles: Vec<&str> = roles
        .as_array()
        .unwrap()
        .iter()
        .map(|role| role["name"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["manage-clients"]);
}

#[tokio::test]
async fn clients_are_listed_page_by_page_and_claimed() {
    let Some(realm) = Realm::find("clients are listed page by page and claimed") else {
        return;
    };
    // In a realm of its own, so that the pages hold nothing else.
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

#[tokio::test]
async fn keycloak_may_be_below_a_prefix_of_the_path() {
    let Some(realm) = Realm::find("Keycloak may be below a prefix of the path") else {
        return;
    };
    let proxy = Proxy::start_below("/sso/auth", &realm.base).await;
    let mut settings = realm.settings();
    settings.base_url = proxy.base.clone();
    let (keycloak, _) = start(&settings);
    let device = Device::new();
    let id = keycloak.create(device.client(None), &device.secret).await.unwrap();
    assert_eq!(keycloak.secret(device.client(Some(&id))).await.unwrap(), device.secret);
    assert_eq!(keycloak.status(device.client(None)).await.unwrap(), HEALTHY);
    keycloak.delete(device.client(Some(&id))).await.unwrap();
    assert_eq!(realm.id_of(&device.client_id).await, None);
    let calls = proxy.take();
    assert!(calls.len() >= 5, "{calls:?}");
    assert!(calls.iter().all(|call| call.contains(" /sso/auth/")), "{calls:?}");
}

#[test]
fn the_realm_file_has_the_name_with_which_keycloak_imports_it() {
    // With `--import-realm` it does not start if a file is named `<realm>-realm.json` and holds another realm.
    let path = super::realm::FILE;
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let name = format!("/{}-realm.json", file["realm"].as_str().unwrap());
    assert!(path.ends_with(&name), "{path}");
}
