//! The real Keycloak that `./test` starts, and the changes that an operator could make in it.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use fleetmint_server::config;

use fleetmint_server::secret::Secret;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The realm file of docs/keycloak.md.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fleet-realm.json");

/// A realm, with its operator's rights.
pub(crate) struct Realm {
    pub(crate) base: String,
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    admin: String,
    admin_password: String,
    http: reqwest::Client,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(format!("FLEETMINT_TEST_KEYCLOAK{name}")).ok()
}

/// Keycloak's address with TLS, and the authority of its certificate.
pub(crate) fn tls() -> (String, PathBuf) {
    (variable("_HTTPS").unwrap(), variable("_CA_FILE").unwrap().into())
}

impl Realm {
    /// The realm that `./test` has imported. `None` is printed as SKIPPED, and is a failure under CI.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let Some(base) = variable("") else {
            let why = format!(
                "SKIPPED: {test}: FLEETMINT_TEST_KEYCLOAK is not set. `tools/install keycloak` installs Keycloak, and \
                 eval \"$(tools/keycloak start)\" starts it.\n"
            );
            assert!(std::env::var_os("CI").is_none(), "{why}");
            // Not with a macro, whose output the test harness would capture.
            let _ = std::io::stderr().write_all(why.as_bytes());
            return None;
        };
        Some(Self::new(base, |name| variable(name).unwrap()))
    }

    /// The realm of the Keycloak that printed these lines: `export NAME=value`.
    pub(crate) fn from_exports(lines: &str) -> Self {
        let value = |name: &str| {
            let start = format!("export FLEETMINT_TEST_KEYCLOAK{name}=");
            let value = lines.lines().find_map(|line| line.strip_prefix(&start));
            value.unwrap_or_else(|| panic!("{name}")).trim_matches('\'').to_owned()
        };
        Self::new(value(""), value)
    }

    fn new(base: String, value: impl Fn(&str) -> String) -> Self {
        // reqwest uses the process's provider; another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            base,
            name: value("_REALM"),
            client_id: value("_CLIENT_ID"),
            client_secret: value("_CLIENT_SECRET"),
            admin: value("_ADMIN"),
            admin_password: value("_ADMIN_PASSWORD"),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(60))
                .build()
                .unwrap(),
        }
    }

    /// Another realm of the same Keycloak, from the same file after `change`.
    pub(crate) async fn another(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut file: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
        let name = format!("fleet-{}", unique());
        file["realm"] = Value::from(name.clone());
        change(&mut file);
        let token = self.operator_token().await;
        let made = self.http.post(format!("{}/admin/realms", self.base)).bearer_auth(token);
        assert_eq!(made.json(&file).send().await.unwrap().status(), 201);
        let mut realm = Self {
            base: self.base.clone(),
            name,
            client_id: self.client_id.clone(),
            client_secret: String::new(),
            admin: self.admin.clone(),
            admin_password: self.admin_password.clone(),
            http: self.http.clone(),
        };
        let id = realm.id_of(&realm.client_id).await.unwrap();
        let secret = realm
            .operator(Method::GET, &format!("/clients/{id}/client-secret"), None)
            .await;
        realm.client_secret = secret["value"].as_str().unwrap().to_owned();
        realm
    }

    /// Another service account of the realm, with these roles of `realm-management`.
    pub(crate) async fn service_account(&self, roles: &[&str]) -> (String, String) {
        let client_id = format!("service-{}", unique());
        let new = json!({
            "clientId": client_id, "serviceAccountsEnabled": true, "publicClient": false, "fullScopeAllowed": true,
        });
        self.operator(Method::POST, "/clients", Some(&new)).await;
        let id = self.id_of(&client_id).await.unwrap();
        let secret = self
            .operator(Method::GET, &format!("/clients/{id}/client-secret"), None)
            .await;
        let user = self
            .operator(Method::GET, &format!("/clients/{id}/service-account-user"), None)
            .await;
        let management = self.id_of("realm-management").await.unwrap();
        for role in roles {
            let role = self
                .operator(Method::GET, &format!("/clients/{management}/roles/{role}"), None)
                .await;
            let user = user["id"].as_str().unwrap();
            let path = format!("/users/{user}/role-mappings/clients/{management}");
            self.operator(Method::POST, &path, Some(&json!([role]))).await;
        }
        (client_id, secret["value"].as_str().unwrap().to_owned())
    }

    pub(crate) fn settings(&self) -> config::Keycloak {
        config::Keycloak {
            base_url: self.base.clone(),
            realm: self.name.clone(),
            client_id: self.client_id.clone(),
            client_secret: Secret::new(self.client_secret.clone()),
            device_scope: Some("fleetmint-device".to_owned()),
            token_url: None,
            ca_file: None,
            // A real Keycloak that shares two cores with a compiler may be slow.
            timeout: Duration::from_secs(20),
        }
    }

    async fn operator_token(&self) -> String {
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", &self.admin),
            ("password", &self.admin_password),
        ];
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.base);
        let answer: Value = self
            .http
            .post(url)
            .form(&form)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// A call of the operator, who may do everything.
    pub(crate) async fn operator(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/admin/realms/{}{path}", self.base, self.name);
        let mut request = self
            .http
            .request(method.clone(), url)
            .bearer_auth(self.operator_token().await);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Keycloak's id of the client of this name.
    pub(crate) async fn id_of(&self, client_id: &str) -> Option<String> {
        let found = self
            .operator(Method::GET, &format!("/clients?clientId={client_id}"), None)
            .await;
        Some(found[0]["id"].as_str()?.to_owned())
    }

    pub(crate) async fn client(&self, id: &str) -> Value {
        self.operator(Method::GET, &format!("/clients/{id}"), None).await
    }

    /// Sets members of a client.
    pub(crate) async fn change(&self, id: &str, members: &[(&str, Value)]) {
        let mut client = self.client(id).await;
        for (member, value) in members {
            client[*member] = value.clone();
        }
        self.operator(Method::PUT, &format!("/clients/{id}"), Some(&client))
            .await;
    }

    /// Requests a token with the secret, like a device. Returns its claims, or the status.
    pub(crate) async fn device_token(&self, client_id: &str, secret: &str) -> Result<Value, StatusCode> {
        let url = format!("{}/realms/{}/protocol/openid-connect/token", self.base, self.name);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret),
        ];
        let response = self.http.post(url).form(&form).send().await.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        let answer: Value = response.json().await.unwrap();
        let payload = answer["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
        Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap())
    }
}

/// 8 characters that no other test uses, the first one a letter: a device key.
pub(crate) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let started = std::process::id() % 0x1_0000;
    format!("t{started:04x}{:03x}", COUNT.fetch_add(1, Ordering::Relaxed) % 0x1000)
}
