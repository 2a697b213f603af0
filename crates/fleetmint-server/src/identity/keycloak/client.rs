//! A client as Keycloak's admin API represents it, and how it should be configured.

use serde_json::{Map, Value, json};

use crate::identity::{Client, Repair, Status};
use crate::secret::Secret;

/// The attribute that says whose the client is: the device's key.
pub(super) const ATTRIBUTE: &str = "fleetmint.device";

/// Keycloak's own scope with the claim `sub`; without it a token does not name its client.
const BASIC_SCOPE: &str = "basic";

/// What Keycloak shows of a secret that our service account may not see.
const MASK: char = '*';

/// The members that decide which flows a client may use, and their correct values.
const FLOWS: [(&str, bool); 6] = [
    ("publicClient", false),
    ("bearerOnly", false),
    ("serviceAccountsEnabled", true),
    ("standardFlowEnabled", false),
    ("implicitFlowEnabled", false),
    ("directAccessGrantsEnabled", false),
];

/// The attributes that allow other grants.
const GRANTS: [&str; 4] = [
    "oauth2.device.authorization.grant.enabled",
    "oidc.ciba.grant.enabled",
    "standard.token.exchange.enabled",
    "oauth2.jwt.authorization.grant.enabled",
];

/// The attributes that bind tokens to a key, which the device would have to prove that it has.
const BINDINGS: [&str; 2] = ["dpop.bound.access.tokens", "tls.client.certificate.bound.access.tokens"];

const PROTOCOL: &str = "openid-connect";
const AUTHENTICATOR: &str = "client-secret";

/// All members, so that those which Fleetmint does not use are sent back unchanged.
#[derive(Clone, Debug)]
pub(super) struct Representation(Map<String, Value>);

/// A client's secret as Keycloak shows it to our service account.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SecretView {
    Secret(Secret),
    Masked,
    Missing,
}

/// The representation of a new client.
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
    // Its tokens carry the claims of its scopes, not every role of its account.
    set("fullScopeAllowed", false.into());
    for (member, right) in FLOWS {
        set(member, right.into());
    }
    // Without a list Keycloak uses the realm's default scopes.
    if let Some(scope) = device_scope {
        set("defaultClientScopes", json!([BASIC_SCOPE, scope]));
    }
    Value::Object(new)
}

/// Classifies the `value` of a client's secret. Blanks at its ends are part of it: Keycloak compares them too.
pub(super) fn secret_view(value: Option<&str>) -> SecretView {
    match value {
        Some(text) if !text.trim().is_empty() => {
            if text.trim().chars().all(|c| c == MASK) {
                SecretView::Masked
            } else {
                SecretView::Secret(Secret::new(text.to_owned()))
            }
        }
        _ => SecretView::Missing,
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

    /// The key of the device that the client was created for.
    pub(super) fn device_key(&self) -> Option<&str> {
        self.0.get("attributes")?.get(ATTRIBUTE)?.as_str()
    }

    /// Whether our service account may change and create clients. Keycloak reports this with each client.
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
        match secret_view(self.text("secret")) {
            SecretView::Secret(secret) => Some(secret),
            SecretView::Masked | SecretView::Missing => None,
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

    /// Whether the client has no secret at all: one that is only shown masked must not be replaced.
    pub(super) fn has_no_secret(&self) -> bool {
        secret_view(self.text("secret")) == SecretView::Missing
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

    /// Repairs what a single `PUT` can change, and returns these repairs.
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
        if self.has_no_secret() {
            self.0.insert("secret".to_owned(), Value::from(new_secret.expose()));
            repairs.push(Repair::SecretSet);
        }
        repairs
    }

    /// The body of the `PUT`, without a masked secret: otherwise the mask would become the secret.
    pub(super) fn into_json(mut self) -> Value {
        if !matches!(secret_view(self.text("secret")), SecretView::Secret(_)) {
            self.0.remove("secret");
        }
        Value::Object(self.0)
    }
}
