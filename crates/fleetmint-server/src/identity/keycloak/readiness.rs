//! What stands between us and Keycloak right now.

use std::time::Duration;

use tokio::time::Instant;

use super::{Error, Keycloak};

/// How long an answer is good for: probes come every few seconds, from several sides.
const KEPT: Duration = Duration::from_secs(5);

/// Probes give up after a second or so; they get what is known by then.
const PATIENCE: Duration = Duration::from_millis(900);

/// The last answer.
#[derive(Debug, Default)]
pub(super) struct Readiness(tokio::sync::Mutex<Option<(Instant, Vec<String>)>>);

impl Keycloak {
    /// What keeps devices from being enrolled or provisioned; empty if nothing does. One probe at a time asks Keycloak.
    pub async fn problems(&self) -> Vec<String> {
        let mut last = self.0.readiness.0.lock().await;
        if let Some((at, problems)) = last.as_ref()
            && at.elapsed() < KEPT
        {
            return problems.clone();
        }
        let limit = PATIENCE.min(self.0.caller.timeout);
        let checked = tokio::time::timeout(limit, self.check()).await;
        let problems =
            checked.unwrap_or_else(|_| vec![format!("Keycloak did not answer within {} ms", limit.as_millis())]);
        *last = Some((Instant::now(), problems.clone()));
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
        let deadline = self.0.caller.deadline();
        // The one client that is there for sure is our own.
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
    "the service account lacks realm-management's role manage-clients".to_owned()
}
