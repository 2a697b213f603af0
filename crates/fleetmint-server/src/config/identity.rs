//! `[identity]`: which identity provider authenticates devices.

use super::values::Values;
use super::{Error, Keycloak};

/// The default audience of the built-in provider's tokens.
const DEFAULT_AUDIENCE: &str = "fleetmint";

#[derive(Clone, Debug)]
pub struct Identity {
    pub provider: Provider,
    /// `aud` of the tokens that the built-in provider issues.
    pub audience: String,
}

/// `identity.provider`, with what that provider needs.
#[derive(Clone, Debug)]
pub enum Provider {
    Builtin,
    Keycloak(Box<Keycloak>),
}

impl Identity {
    pub(super) fn take(values: &mut Values) -> Result<Self, Error> {
        let provider = values.text("identity.provider", |text| match text {
            "builtin" => Ok(false),
            "keycloak" => Ok(true),
            other => Err(format!("must be builtin or keycloak, not {other:?}")),
        })?;
        let keycloak = Keycloak::take(values, provider == Some(true))?;
        Ok(Self {
            provider: keycloak.map_or(Provider::Builtin, |keycloak| Provider::Keycloak(Box::new(keycloak))),
            audience: values
                .text("identity.audience", audience)?
                .unwrap_or_else(|| DEFAULT_AUDIENCE.to_owned()),
        })
    }
}

fn audience(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err("must not be blank".to_owned());
    }
    Ok(text.to_owned())
}
