//! What stands between us and Keycloak right now.

use std::time::Duration;

use tokio::time::Instant;

use super::{Error, Keycloak};

/// How long an answer is good for: probes come every few seconds, from several sides.
const KEPT: Duration = Duration::from_secs(5);

/// Probes give up after a second or so; they are told what is known by then.
const PATIENCE: Duration = Duration::from_millis(900);

/// The role that everything here needs.
const MANAGE_CLIENTS: &str = "manage-clients";

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
        let deadline = self.0.caller.deadline();
        let mut problems = Vec::new();
        let scope = self.0.device_scope.as_deref();
        // Any scope's name will do to see whether we get an answer.
        match self.scope_id(scope.unwrap_or_default(), deadline).await {
            Ok(found) => {
                if let (Some(scope), None) = (scope, found) {
                    problems.push(format!(
                        "the realm has no client scope {scope:?}, which identity.keycloak.device_scope names"
                    ));
                }
            }
            Err(Error::Refused { status: 403 }) => {
                problems.push(
                    "the service account may not see client scopes: it needs realm-management's manage-clients"
                        .to_owned(),
                );
            }
            Err(error) => problems.push(error.to_string()),
        }
        let roles = self.0.tokens.last().and_then(|token| token.roles.clone());
        if let Some(roles) = roles
            && !roles.iter().any(|role| role == MANAGE_CLIENTS || role == "realm-admin")
        {
            problems.push(format!(
                "the service account lacks realm-management's role {MANAGE_CLIENTS}"
            ));
        }
        problems
    }
}
