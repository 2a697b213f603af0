//! `[identity.keycloak]`: the realm with the devices' clients, and how to reach it.

use std::path::PathBuf;
use std::time::Duration;

use super::provisioning::device_url;
use super::values::Values;
use super::{Error, Origin, Warning, url};
use crate::secret::Secret;

/// The default time limit of one operation at Keycloak, all its calls together.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest time limit that can be set.
const MAX_TIMEOUT_SECONDS: f64 = 300.0;

#[derive(Clone, Debug)]
pub struct Keycloak {
    /// Keycloak's address, with its path prefix if it has one, without a slash at the end.
    pub base_url: String,
    pub realm: String,
    /// Our service account's client in that realm.
    pub client_id: String,
    pub client_secret: Secret,
    /// The client scope that each device's client gets as a default scope.
    pub device_scope: Option<String>,
    /// The token endpoint that devices get, if it is not the realm's own.
    pub token_url: Option<String>,
    /// A PEM file with the only authorities to trust; without it the system's authorities are trusted.
    pub ca_file: Option<PathBuf>,
    /// The time limit of one operation, a second attempt included.
    pub timeout: Duration,
}

impl Keycloak {
    /// The keys are checked even if Keycloak is not the provider; they are required only if it is.
    pub(super) fn take(values: &mut Values, chosen: bool) -> Result<Option<Self>, Error> {
        const BASE_URL: &str = "identity.keycloak.base_url";
        let origin = values.origin(BASE_URL);
        let base_url = values.text(BASE_URL, url::check_http_base)?;
        let realm = values.text("identity.keycloak.realm", realm)?;
        let client_id = values.text("identity.keycloak.client_id", not_blank)?;
        let client_secret = values.secret("identity.keycloak.client_secret", |secret| {
            not_blank(secret.expose()).map(Secret::new)
        })?;
        let device_scope = values.text("identity.keycloak.device_scope", not_blank)?;
        let token_url = device_url(values, "identity.keycloak.token_url")?;
        let ca_file = values.text("identity.keycloak.ca_file", |text| not_blank(text).map(PathBuf::from))?;
        values.files.extend(ca_file.clone());
        let timeout = values.number("identity.keycloak.timeout_seconds", timeout)?;
        if !chosen {
            return Ok(None);
        }
        if let Some(base_url) = &base_url
            && url::is_plain_on_the_network(base_url)
        {
            values.warnings.push(Warning {
                origin,
                key: BASE_URL,
                code: Some("plain-text-url"),
                message:
                    "is http and not on loopback: devices' secrets and the service account's cross the network in \
                          plain text; use https"
                        .to_owned(),
            });
        }
        Ok(Some(Self {
            base_url: required("identity.keycloak.base_url", base_url)?,
            realm: required("identity.keycloak.realm", realm)?,
            client_id: required("identity.keycloak.client_id", client_id)?,
            client_secret: required("identity.keycloak.client_secret", client_secret)?,
            device_scope,
            token_url,
            ca_file,
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        }))
    }
}

fn required<T>(key: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::Value {
        origin: Origin::Unset,
        key,
        rule: "is required when identity.provider is keycloak".to_owned(),
    })
}

fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err("must not be blank".to_owned());
    }
    Ok(text.to_owned())
}

/// A realm is a segment of the path in Keycloak's URLs.
fn realm(text: &str) -> Result<String, String> {
    if text.contains(['/', '\\', '?', '#', '%']) || text == "." || text == ".." {
        return Err("must be the name of a realm, without / \\ ? # %".to_owned());
    }
    not_blank(text)
}

fn timeout(seconds: f64) -> Result<Duration, String> {
    if seconds > 0.0 && seconds <= MAX_TIMEOUT_SECONDS {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("must be more than 0 and at most {MAX_TIMEOUT_SECONDS} seconds"))
    }
}
