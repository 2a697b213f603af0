//! The service's own account at the real Keycloak, its connection, and the realm.

use std::time::Duration;

use fleetmint_server::identity::Error;
use fleetmint_server::metrics::Format;
use fleetmint_server::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::proxy::Proxy;

use super::super::realm::{Realm, tls};
use super::super::{client, start};
use super::{Device, HEALTHY};

#[tokio::test]
async fn a_wrong_secret_of_the_service_account_is_reported() {
    let Some(realm) = Realm::find("a wrong secret of the service account is reported") else {
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
async fn a_missing_realm_is_reported() {
    let Some(realm) = Realm::find("a missing realm is reported") else {
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
    // Tokens issued before this second are no longer accepted.
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
    // With `--import-realm` Keycloak does not start if a file is named `<realm>-realm.json` and contains another realm.
    let path = super::super::realm::FILE;
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let name = format!("/{}-realm.json", file["realm"].as_str().unwrap());
    assert!(path.ends_with(&name), "{path}");
}
