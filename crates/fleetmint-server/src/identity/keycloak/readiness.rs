//! Whether Keycloak can be used at this moment, for the readiness probe.

use std::time::{Duration, Instant};

use super::{Error, Keycloak};

/// How long an answer is used again: probes come every few seconds, from several sides.
const REUSED: Duration = Duration::from_secs(5);

/// How long a probe waits for Keycloak. Probes themselves give up after about a second.
const PATIENCE: Duration = Duration::from_millis(900);

/// The last answer.
#[derive(Debug, Default)]
pub(super) struct RealmReadiness(tokio::sync::Mutex<Option<(Instant, Vec<String>)>>);

impl Keycloak {
    /// What prevents enrolling and provisioning devices; empty if nothing does. One probe at a time asks Keycloak.
    pub async fn problems(&self) -> Vec<String> {
        let mut last = self.0.readiness.0.lock().await;
        if let Some((at, problems)) = last.as_ref()
            && self.0.clock.monotonic().saturating_duration_since(*at) < REUSED
        {
            return problems.clone();
        }
        let limit = PATIENCE.min(self.0.transport.timeout);
        let checked = tokio::time::timeout(limit, self.check()).await;
        let problems =
            checked.unwrap_or_else(|_| vec![format!("Keycloak did not answer within {} ms", limit.as_millis())]);
        *last = Some((self.0.clock.monotonic(), problems.clone()));
        problems
    }

    async fn check(&self) -> Vec<String> {
        match self.missing().await {
            Ok(missing) => missing,
            Err(Error::Refused { status: 403 }) => vec![no_right()],
            Err(error) => vec![error.to_string()],
        }
    }

    async fn missing(&self) -> Result<Vec<String>, Error> {
        let deadline = self.0.transport.deadline();
        // The only client that certainly exists is our own.
        let own = self.find_by_name(&self.0.tokens.client_id, deadline).await?;
        let mut missing = Vec::new();
        if !own.is_some_and(|own| own.is_manageable()) {
            missing.push(no_right());
        }
        if let Some(scope) = &self.0.device_scope
            && self.scope_id(scope, deadline).await?.is_none()
        {
            missing.push(format!(
                "the realm has no client scope {scope:?}, which identity.keycloak.device_scope names"
            ));
        }
        Ok(missing)
    }
}

fn no_right() -> String {
    "the service account does not have realm-management's role manage-clients".to_owned()
}
