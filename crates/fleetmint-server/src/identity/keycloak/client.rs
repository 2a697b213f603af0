//! A client as Keycloak's admin API has it, and as it ought to be.

use serde_json::{Map, Value, json};

use crate::identity::{Client, Repair, Status};
use crate::secret::Secret;

/// The attribute that says whose the client is: the device's key.
pub(super) const ATTRIBUTE: &str = "fleetmint.device";

/// Keycloak's own scope with the claim `sub`; without it a token does not say whose it is.
const BASIC_SCOPE: &str = "basic";

/// What is left of a secret that our service account may not see.
const MASK: char = '*';

/// The members that decide which flows a client may use, and what they ought to be.
const FLOWS: [(&str, bool); 6] = [
    ("publicClient", false),
    ("bearerOnly", false),
    ("serviceAccountsEnabled", true),
    ("standardFlowEnabled", false),
    ("implicitFlowEnabled", false),
    ("directAccessGrantsEnabled", false),
];

/// The attributes that allow further grants,
const GRANTS: [&str; 4] = [
    "oauth2.device.authorization.grant.enabled",
    "oidc.ciba.grant.enabled",
    "standard.token.exchange.enabled",
    "oauth2.jwt.authorization.grant.enabled",
];

/// and those that bind tokens to a key that the device would have to prove.
const BINDINGS: [&str; 2] = ["dpop.bound.access.tokens", "tls.client.certificate.bound.access.tokens"];

const PROTOCOL: &str = "openid-connect";
const AUTHENTICATOR: &str = "client-secret";

/// The whole representation, so that what is none of our business goes back as it came.
#[derive(Clone, Debug)]
pub(super) struct Representation(Map<String, Value>);

/// How a secret looks to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Secret(Secret),
    Masked,
    Missing,
}

/// What a new client is made of.
pub(super) fn new(client: Client<'_>, secret: &Secret, device_scope: Option<&str>) -> Value {
    let mut new = Map::new();
    let mut set = |member: &str, value: Value| new.insert(member.to_owned(), value);
    set("clientId", client.client_id.into());
    set("name", format!("Device {}", client.device_key).into());
    set("description", "Made by Fleetmint for one device".into());
    set("enabled", true.into());
    set("protocol", PROTOCOL.into());
    set("clientAuthenticatorType", AUTHENTICATOR.into());
    set("secret", secret.expose().into());
    set("attributes", json!({ ATTRIBUTE: client.device_key }));
    // Its tokens carry what its scopes say, not every role that its account happens to have.
    set("fullScopeAllowed", false.into());
    for (member, right) in FLOWS {
        set(member, right.into());
    }
    // Without a list Keycloak takes the realm's default scopes.
    if let Some(scope) = device_scope {
        set("defaultClientScopes", json!([BASIC_SCOPE, scope]));
    }
    Value::Object(new)
}

/// What stands in `value` of a client's secret. Blanks at its ends are part of it: Keycloak compares them too.
pub(super) fn shown(value: Option<&str>) -> Shown {
    match value {
        Some(text) if !text.trim().is_empty() => {
            if text.trim().chars().all(|c| c == MASK) {
                Shown::Masked
            } else {
                Shown::Secret(Secret::new(text.to_owned()))
            }
        }
        _ => Shown::Missing,
    }
}

impl Representation {
    pub(super) fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member).and_then(Value::as_str)
    }

    fn flag(&self, member: &str) -> bool {
        self.0.get(member).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Keycloak's own id of the client.
    pub(super) fn id(&self) -> Option<&str> {
        self.text("id")
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.text("clientId")
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.text("name")
    }

    pub(super) fn enabled(&self) -> bool {
        self.flag("enabled")
    }

    /// The key of the device that the client was made for.
    pub(super) fn device_key(&self) -> Option<&str> {
        self.0.get("attributes")?.get(ATTRIBUTE)?.as_str()
    }

    /// Whether our service account may change and make clients, as Keycloak says of each client that it shows.
    pub(super) fn is_manageable(&self) -> bool {
        let access = self.0.get("access").and_then(|access| access.get("manage"));
        access.and_then(Value::as_bool).unwrap_or_default()
    }

    /// Whether an attribute is on: Keycloak's attributes are texts.
    fn attribute(&self, name: &str) -> bool {
        let value = self.0.get("attributes").and_then(|attributes| attributes.get(name));
        value.is_some_and(|value| value.as_str() == Some("true") || value.as_bool() == Some(true))
    }

    /// Its secret, if it can be put onto a device.
    pub(super) fn secret(&self) -> Option<Secret> {
        match shown(self.text("secret")) {
            Shown::Secret(secret) => Some(secret),
            Shown::Masked | Shown::Missing => None,
        }
    }

    fn is_bearer(&self) -> bool {
        !BINDINGS.iter().any(|binding| self.attribute(binding))
    }

    fn has_flows(&self) -> bool {
        FLOWS.iter().all(|(member, right)| self.flag(member) == *right)
            && !GRANTS.iter().any(|grant| self.attribute(grant))
            && self.text("protocol").is_none_or(|protocol| protocol == PROTOCOL)
            && self
                .text("clientAuthenticatorType")
                .is_none_or(|kind| kind == AUTHENTICATOR)
    }

    fn has_scope(&self, scope: &str) -> bool {
        self.0
            .get("defaultClientScopes")
            .and_then(Value::as_array)
            .is_some_and(|scopes| scopes.iter().any(|known| known == scope))
    }

    pub(super) fn status(&self, client: Client<'_>, device_scope: Option<&str>) -> Status {
        Status {
            exists: true,
            name: self.client_id() == Some(client.client_id),
            enabled: self.enabled(),
            ours: self.device_key() == Some(client.device_key),
            flows: self.has_flows(),
            bearer: self.is_bearer(),
            scope: device_scope.is_none_or(|scope| self.has_scope(scope)),
            secret: self.secret().is_some(),
            token: false,
            refusal: None,
        }
    }

    /// Whether the client has a secret at all: one that only looks masked is not to be replaced.
    pub(super) fn lacks_secret(&self) -> bool {
        shown(self.text("secret")) == Shown::Missing
    }

    pub(super) fn set_enabled(&mut self, enabled: bool) {
        self.0.insert("enabled".to_owned(), Value::Bool(enabled));
    }

    pub(super) fn set_device_key(&mut self, key: &str) {
        self.set_attribute(ATTRIBUTE, key);
    }

    fn set_attribute(&mut self, name: &str, value: &str) {
        let attributes = self.0.entry("attributes").or_insert_with(|| json!({}));
        if let Some(attributes) = attributes.as_object_mut() {
            attributes.insert(name.to_owned(), Value::from(value));
        }
    }

    /// Turns attributes off. One that is only left out of a `PUT` stays as it is.
    fn turn_off(&mut self, attributes: &[&str]) {
        for name in attributes {
            if self.attribute(name) {
                self.set_attribute(name, "false");
            }
        }
    }

    /// Changes what a single `PUT` can repair, and says what that is.
    pub(super) fn repair(&mut self, client: Client<'_>, new_secret: &Secret) -> Vec<Repair> {
        let mut repairs = Vec::new();
        if self.client_id() != Some(client.client_id) {
            self.0.insert("clientId".to_owned(), Value::from(client.client_id));
            repairs.push(Repair::Renamed);
        }
        if !self.enabled() {
            self.set_enabled(true);
            repairs.push(Repair::Enabled);
        }
        if !self.has_flows() {
            for (member, right) in FLOWS {
                self.0.insert(member.to_owned(), Value::Bool(right));
            }
            for (member, right) in [
                ("protocol", "openid-connect"),
                ("clientAuthenticatorType", "client-secret"),
            ] {
                self.0.insert(member.to_owned(), Value::from(right));
            }
            self.turn_off(&GRANTS);
            repairs.push(Repair::FlowsSet);
        }
        if !self.is_bearer() {
            self.turn_off(&BINDINGS);
            repairs.push(Repair::BindingRemoved);
        }
        if self.lacks_secret() {
            self.0.insert("secret".to_owned(), Value::from(new_secret.expose()));
            repairs.push(Repair::SecretSet);
        }
        repairs
    }

    /// The body of the `PUT`. A secret that came masked would be set to its mask.
    pub(super) fn into_json(mut self) -> Value {
        if !matches!(shown(self.text("secret")), Shown::Secret(_)) {
            self.0.remove("secret");
        }
        Value::Object(self.0)
    }
}
