//! Keycloak, through its admin API.

use crate::config;
use crate::metrics::Metrics;

/// A realm of a Keycloak server. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Keycloak {}

/// Why calls to Keycloak could not even be prepared.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("identity.provider: keycloak is not supported by this version")]
    Unsupported,
}

impl Keycloak {
    /// Prepares calls to Keycloak. Nothing is asked of it yet: it may be down when the service starts.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(_settings: &config::Keycloak, _metrics: &Metrics) -> Result<Self, StartError> {
        Err(StartError::Unsupported)
    }
}
