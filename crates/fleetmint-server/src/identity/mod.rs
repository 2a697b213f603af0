//! Who a device is: its client at the identity provider.

pub mod builtin;
pub(crate) mod http;
pub mod keycloak;

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::audit::Reason;
use crate::database;
use crate::random::Random;
use crate::seal::{OpenError, Seal};
use crate::secret::Secret;

/// The random bytes of a client's secret.
const SECRET_LEN: usize = 32;

/// The identity provider that the settings chose. Cloning is cheap.
#[derive(Clone, Debug)]
pub enum Identity {
    Builtin(builtin::Builtin),
    Keycloak(keycloak::Keycloak),
}

impl Identity {
    /// Where devices get their tokens, unless a setting says otherwise; `None` while `server.public_url`, which the
    /// built-in provider's comes from, is not known.
    pub fn token_url(&self) -> Option<String> {
        match self {
            Self::Builtin(builtin) => builtin.token_url(),
            Self::Keycloak(keycloak) => keycloak.token_url(),
        }
    }

    /// The setting that [`Identity::token_url`] comes from.
    pub const fn token_url_setting(&self) -> &'static str {
        match self {
            Self::Builtin(_) => "server.public_url",
            Self::Keycloak(_) => "identity.keycloak.token_url",
        }
    }
}

/// A device's client.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    pub client_id: &'a str,
    /// The provider stores it with the client, to show whose it is.
    pub device_key: &'a str,
    /// The client's own id at an outside provider, once it has one.
    pub provider_ref: Option<&'a str>,
}

/// The purpose of [`Client::proof`].
const PROVIDER_REF: &str = "devices.provider_ref";

impl Client<'_> {
    /// Proves that the provider's id belongs to this device's client, which was checked when the client was created or
    /// repaired. Somebody who can write to the database but has no master key cannot create a proof for another client.
    pub(crate) fn proof(&self, seal: &Seal, provider_ref: &str) -> [u8; 32] {
        seal.keyed_digest(PROVIDER_REF, self.proven(provider_ref).as_bytes())
    }

    /// Whether this proves that the id belongs to this device's client.
    pub(crate) fn is_proven(&self, seal: &Seal, proof: Option<&[u8]>) -> bool {
        match (self.provider_ref, proof) {
            (Some(id), Some(proof)) => seal.is_keyed_digest(PROVIDER_REF, self.proven(id).as_bytes(), proof),
            _ => false,
        }
    }

    /// None of the three has a slash.
    fn proven(&self, provider_ref: &str) -> String {
        format!("{}/{}/{provider_ref}", self.client_id, self.device_key)
    }
}

/// The state of a client at its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub exists: bool,
    /// Whether it still has the client id that the device was given.
    pub name: bool,
    /// Whether it gets tokens.
    pub enabled: bool,
    /// Whether Fleetmint created it for this device.
    pub ours: bool,
    /// Whether it may use the client-credentials grant, and nothing else.
    pub flows: bool,
    /// Whether its tokens are plain bearer tokens: bound to no DPoP key and no TLS certificate, which no device has.
    pub bearer: bool,
    /// Whether its tokens have the scope that the settings name.
    pub scope: bool,
    /// Whether it has a secret that can be put on a device.
    pub secret: bool,
    /// Whether the provider issues a token to it. This is tried only if everything above is right.
    pub token: bool,
    /// Why the provider issued none, in the provider's words.
    pub refusal: Option<String>,
}

impl Status {
    /// There is no such client.
    pub const ABSENT: Self = Self {
        exists: false,
        name: false,
        enabled: false,
        ours: false,
        flows: false,
        bearer: false,
        scope: false,
        secret: false,
        token: false,
        refusal: None,
    };

    /// Whether a device can get its token.
    pub const fn is_healthy(&self) -> bool {
        self.is_as_it_should_be() && self.token
    }

    /// Whether the client itself is right.
    pub(crate) const fn is_as_it_should_be(&self) -> bool {
        self.exists && self.name && self.enabled && self.ours && self.flows && self.bearer && self.scope && self.secret
    }

    /// Why the device cannot get a token: one sentence for each problem.
    pub fn problems(&self) -> Vec<String> {
        if !self.exists {
            return vec!["The identity provider has no such client.".to_owned()];
        }
        let mut problems: Vec<String> = [
            (self.ours, "The client was not made for this device."),
            (
                self.name,
                "The client was renamed: the device's client id is not its any more.",
            ),
            (self.enabled, "The client is disabled."),
            (
                self.flows,
                "The client may not use the client-credentials grant with a secret, or may use other grants too.",
            ),
            (
                self.bearer,
                "The client's tokens are bound to a DPoP key or a TLS certificate, which the device does not have.",
            ),
            (
                self.scope,
                "The client does not get the client scope that identity.keycloak.device_scope names.",
            ),
            (self.secret, "The client has no secret that can be put onto a device."),
        ]
        .into_iter()
        .filter(|(is_right, _)| !is_right)
        .map(|(_, problem)| problem.to_owned())
        .collect();
        if let Some(refusal) = &self.refusal {
            problems.push(format!("The identity provider gives the client no token: {refusal}"));
        }
        problems
    }
}

/// A repair of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// It was missing and was created again, with a new secret: the device needs a new image.
    Created,
    Enabled,
    /// Its client id was changed back to the device's.
    Renamed,
    FlowsSet,
    /// Its tokens are no longer bound to a DPoP key or a TLS certificate.
    BindingRemoved,
    ScopeSet,
    /// Its service-account user at the provider was missing and was created again.
    AccountCreated,
    AccountEnabled,
    /// It had no usable secret, and got a new one: the device needs a new image.
    SecretSet,
    /// The device's row named another client, and was corrected.
    ReferenceSet,
}

impl Repair {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Enabled => "enabled",
            Self::Renamed => "renamed",
            Self::FlowsSet => "flows_set",
            Self::BindingRemoved => "binding_removed",
            Self::ScopeSet => "scope_set",
            Self::AccountCreated => "account_created",
            Self::AccountEnabled => "account_enabled",
            Self::SecretSet => "secret_set",
            Self::ReferenceSet => "reference_set",
        }
    }
}

/// Why a call to the identity provider failed. No variant holds a secret or a provider's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It refused or reset the connection, has no address, or has a bad certificate.
    #[error("the identity provider cannot be reached: {0}")]
    Unreachable(String),
    #[error("the identity provider did not answer within {} s, a second attempt included", after.as_secs_f64())]
    Timeout { after: Duration },
    #[error("the identity provider redirects ({status}), which is never followed")]
    Redirected { status: u16 },
    /// 401 or 403 to our own service account.
    #[error("the identity provider refuses the service account ({status})")]
    Refused { status: u16 },
    #[error("the identity provider {}", failed(*status))]
    Failed { status: u16 },
    /// No JSON, or not the JSON that was asked for.
    #[error("the identity provider's answer cannot be read: {0}")]
    Unreadable(String),
    #[error("the identity provider's answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the identity provider does not know the client {client_id}")]
    ClientMissing { client_id: String },
    #[error("the identity provider has no secret of the client {client_id}")]
    SecretMissing { client_id: String },
    #[error("the identity provider shows the secret of the client {client_id} only masked")]
    SecretMasked { client_id: String },
    #[error("the identity provider has a client {client_id} that is not ours")]
    ForeignClient { client_id: String },
    #[error("{0}")]
    Seal(#[from] OpenError),
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl Reason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_)
            | Self::Redirected { .. }
            | Self::Failed { .. }
            | Self::Unreadable(_)
            | Self::TooLarge { .. } => "identity-provider-failed",
            Self::Timeout { .. } => "identity-provider-timeout",
            Self::Refused { .. } => "identity-provider-refused",
            Self::ClientMissing { .. } => "client-missing",
            Self::SecretMissing { .. } | Self::SecretMasked { .. } => "client-secret-missing",
            Self::ForeignClient { .. } => "foreign-client",
            Self::Seal(_) => "internal-error",
            Self::Database(error) => error.reason(),
        }
    }
}

/// Describes a failure. Keycloak answers 503 while it starts, and a proxy while Keycloak restarts.
fn failed(status: u16) -> String {
    match status {
        503 => "answered 503: it is unavailable, and may still be starting".to_owned(),
        _ => format!("failed ({status})"),
    }
}

/// A secret for a new client: 32 random bytes as base64url.
pub fn new_secret(random: &dyn Random) -> Secret {
    let mut bytes = Zeroizing::new([0; SECRET_LEN]);
    random.fill(bytes.as_mut());
    Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref()))
}
