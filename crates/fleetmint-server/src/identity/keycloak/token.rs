//! Our service account's token for the admin API: fetched by client credentials, stored in
//! memory, and renewed before it expires.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use super::Error;
use super::call::{Body, Call, Transport};
use crate::clock::Clock;
use crate::config;
use crate::secret::Secret;

/// A token is renewed when less than this part of its life is left.
const RENEWAL: f64 = 0.25;

/// A token that Keycloak issued to our service account.
#[derive(Debug)]
pub(super) struct ServiceToken {
    pub(super) text: Secret,
    /// Who issued it: the address of the realm as devices should see it.
    pub(super) issuer: Option<String>,
    renew_at: Moment,
    expires_at: Moment,
}

/// The token in use, and the lock on fetching the next.
#[derive(Debug)]
pub(super) struct ServiceTokens {
    url: String,
    pub(super) client_id: String,
    client_secret: Secret,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Arc<ServiceToken>>>,
    fetching: tokio::sync::Mutex<()>,
}

/// RFC 6749 §5.1.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Seconds.
    #[serde(default)]
    expires_in: u32,
}

/// What we read of our own token. It comes over the connection that all calls trust, so it is not verified.
#[derive(Default, Deserialize)]
struct Claims {
    iss: Option<String>,
}

impl ServiceTokens {
    pub(super) fn new(settings: &config::Keycloak, clock: Arc<dyn Clock>) -> Self {
        Self {
            url: format!(
                "{}/realms/{}/protocol/openid-connect/token",
                settings.base_url, settings.realm
            ),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            clock,
            current: Mutex::new(None),
            fetching: tokio::sync::Mutex::new(()),
        }
    }

    /// The token used last, valid or not.
    pub(super) fn last(&self) -> Option<Arc<ServiceToken>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A valid token. One call at a time fetches: while one renews a token that is still valid, the others use it.
    pub(super) async fn get(&self, transport: &Transport, deadline: Instant) -> Result<Arc<ServiceToken>, Error> {
        let now = self.clock.monotonic();
        if let Some(token) = self.last() {
            if now < token.renew_at {
                return Ok(token);
            }
            if now < token.expires_at {
                let Ok(_fetching) = self.fetching.try_lock() else {
                    return Ok(token);
                };
                return match self.fetch(transport, deadline).await {
                    // It is still valid: the next call tries again.
                    Err(error) => {
                        tracing::warn!(%error, "our token for Keycloak could not be renewed");
                        Ok(token)
                    }
                    renewed => renewed,
                };
            }
        }
        self.replace(None, transport, deadline).await
    }

    /// Another token than `refused`, which Keycloak no longer accepts.
    pub(super) async fn replace(
        &self,
        refused: Option<&Arc<ServiceToken>>,
        transport: &Transport,
        deadline: Instant,
    ) -> Result<Arc<ServiceToken>, Error> {
        let waited = tokio::time::timeout_at(deadline, self.fetching.lock()).await;
        let _fetching = waited.map_err(|_| Error::Timeout {
            after: transport.timeout,
        })?;
        // Meanwhile another call may have fetched one.
        let is_other = |token: &Arc<ServiceToken>| !refused.is_some_and(|refused| Arc::ptr_eq(refused, token));
        if let Some(token) = self.last().filter(is_other)
            && self.clock.monotonic() < token.expires_at
        {
            return Ok(token);
        }
        self.fetch(transport, deadline).await
    }

    async fn fetch(&self, transport: &Transport, deadline: Instant) -> Result<Arc<ServiceToken>, Error> {
        let asked = self.clock.monotonic();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose()),
        ];
        let call = Call {
            name: "get_token",
            method: &Method::POST,
            url: &self.url,
            body: Body::Form(&form),
        };
        let answer = transport.call(call, None, deadline).await?;
        match answer.status {
            StatusCode::OK => {}
            // RFC 6749 §5.2: this can also be the answer to an unknown client or a wrong secret.
            StatusCode::BAD_REQUEST => return Err(Error::Refused { status: 400 }),
            _ => return Err(answer.refusal()),
        }
        let granted: Granted = answer.object()?;
        if granted.access_token.is_empty() {
            return Err(Error::Unreadable("it has no access_token".to_owned()));
        }
        let issuer = claims(&granted.access_token).iss;
        let life = Duration::from_secs(granted.expires_in.into());
        let token = Arc::new(ServiceToken {
            text: Secret::new(granted.access_token),
            issuer,
            renew_at: asked + life.mul_f64(1.0 - RENEWAL),
            expires_at: asked + life,
        });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
        Ok(token)
    }
}

fn claims(token: &str) -> Claims {
    let payload = token.split('.').nth(1).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD
        .decode(payload)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default()
}
