//! Keycloak, through its admin API: each device is a confidential client of one realm.
//!
//! ```text
//! create    POST   …/clients                        our own secret, the attribute fleetmint.device; id from Location
//! secret    GET    …/clients/{id}/client-secret     one call
//! status    GET    …/clients/{id}, and a token asked for as the device does if nothing is wrong with it
//! sync      GET, then PUT what is wrong, POST what is gone
//! delete    GET, then DELETE …/clients/{id}         if it is the device's
//! ```
//!
//! Each operation has one total time limit, which includes a request for a token, if one is needed, and a second
//! attempt.

mod account;
mod adoption;
mod call;
mod client;
mod lookup;
mod readiness;
mod token;

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Method, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Client, Error, Repair, Status, new_secret};
use crate::bounded_file;
use crate::clock::Clock;
use crate::config;
use crate::metrics::Metrics;
use crate::random::Random;
use crate::secret::Secret;

use call::{Answer, Body, Call, Transport};
use client::{Representation, SecretView, secret_view};
use lookup::{client_missing, foreign, is_segment};
use readiness::RealmReadiness;
use token::ServiceTokens;

pub use adoption::RealmClient;
pub(crate) use lookup::is_id;

/// A realm of a Keycloak server. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Keycloak(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Transport,
    tokens: ServiceTokens,
    /// `…/realms/{realm}`
    realm_url: String,
    /// `…/admin/realms/{realm}`
    admin: String,
    device_scope: Option<String>,
    token_url: Option<String>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    readiness: RealmReadiness,
}

/// Why the client for Keycloak could not be created.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("identity.keycloak.ca_file: {path}: {cause}")]
    CaFile { path: String, cause: String },
    #[error("identity.keycloak: no HTTP client can be created: {0}")]
    Client(String),
}

/// The result of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Keycloak's own id of the client, a new one if the client was created again.
    pub provider_ref: String,
    pub repairs: Vec<Repair>,
    /// The problems that could not be repaired, and what to do about them: a sentence for each.
    pub unrepaired: Vec<String>,
}

/// `GET …/client-secret`.
#[derive(Deserialize)]
struct SecretAnswer {
    value: Option<String>,
}

/// `GET …/client-scopes`: the members of each that are used.
#[derive(Deserialize)]
struct Scope {
    id: String,
    name: String,
}

impl Keycloak {
    /// Prepares calls to Keycloak. None is made yet: Keycloak may be down when the service starts.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        settings: &config::Keycloak,
        metrics: &Metrics,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        install_cryptography();
        let mut client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .http1_only()
            .user_agent(concat!("fleetmint/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca_file {
            let failed = |cause: String| StartError::CaFile {
                path: path.display().to_string(),
                cause,
            };
            let pem =
                bounded_file::read(path, bounded_file::AUTHORITIES_MAX).map_err(|cause| failed(cause.to_string()))?;
            let authorities =
                Certificate::from_pem_bundle(pem.as_ref()).map_err(|_| failed("it is not a PEM file".to_owned()))?;
            if authorities.is_empty() {
                return Err(failed("it contains no certificate".to_owned()));
            }
            client = client.tls_certs_only(authorities);
        } else if settings.base_url.starts_with("http:") {
            // No certificate is ever checked, so the system does not need any.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|error| StartError::Client(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            transport: Transport {
                client,
                metrics: metrics.clone(),
                timeout: settings.timeout,
            },
            tokens: ServiceTokens::new(settings, Arc::clone(&clock)),
            realm_url: format!("{}/realms/{}", settings.base_url, settings.realm),
            admin: format!("{}/admin/realms/{}", settings.base_url, settings.realm),
            device_scope: settings.device_scope.clone(),
            token_url: settings.token_url.clone(),
            random,
            clock,
            readiness: RealmReadiness::default(),
        })))
    }

    /// Where devices get their tokens: the setting, else the realm's endpoint according to the issuer in its tokens,
    /// whose host may differ from the one that we call. `None` before Keycloak's first answer.
    pub fn token_url(&self) -> Option<String> {
        if let Some(url) = &self.0.token_url {
            return Some(url.clone());
        }
        let token = self.0.tokens.last()?;
        let realm = token.issuer.as_ref().unwrap_or(&self.0.realm_url);
        Some(format!("{realm}/protocol/openid-connect/token"))
    }

    /// The time limit of one operation, a second attempt included.
    pub fn timeout(&self) -> Duration {
        self.0.transport.timeout
    }

    /// Keycloak's id of the client, if there is one that was created for this device.
    ///
    /// # Errors
    /// [`Error::ForeignClient`], and every way that Keycloak can fail.
    pub async fn locate(&self, client: Client<'_>) -> Result<Option<String>, Error> {
        let deadline = self.0.transport.deadline();
        Ok(self.own(client, deadline).await?.map(|(id, _)| id))
    }

    /// Creates a client with this secret, and returns Keycloak's id of it. A client with this name that was created for
    /// this device is used as it is: an earlier attempt created it.
    ///
    /// # Errors
    /// [`Error::ForeignClient`], and every way that Keycloak can fail.
    pub async fn create(&self, client: Client<'_>, secret: &Secret) -> Result<String, Error> {
        self.create_within(client, secret, self.0.transport.deadline()).await
    }

    async fn create_within(&self, client: Client<'_>, secret: &Secret, deadline: Instant) -> Result<String, Error> {
        let new = client::new(client, secret, self.0.device_scope.as_deref());
        let answer = self
            .call("create_client", &Method::POST, "/clients", Body::Json(&new), deadline)
            .await?;
        match answer.status {
            StatusCode::CREATED => match answer.created.filter(|id| is_id(id)) {
                Some(id) => Ok(id),
                None => Err(Error::Unreadable(
                    "its Location does not name the new client".to_owned(),
                )),
            },
            StatusCode::CONFLICT => match self.find(client, deadline).await? {
                Some((id, _)) => Ok(id),
                // It was deleted in between: the next attempt will succeed.
                None => Err(Error::Failed { status: 409 }),
            },
            _ => Err(answer.refusal()),
        }
    }

    /// The client's secret, whether the client is enabled or not: one call, once we have a token.
    ///
    /// # Errors
    /// [`Error::ClientMissing`], [`Error::SecretMissing`], [`Error::SecretMasked`], and every way that Keycloak can fail.
    pub async fn secret(&self, client: Client<'_>) -> Result<Secret, Error> {
        let deadline = self.0.transport.deadline();
        let missing = || client_missing(client);
        let id = match client.provider_ref.filter(|id| is_id(id)) {
            Some(id) => id.to_owned(),
            None => self.find(client, deadline).await?.ok_or_else(missing)?.0,
        };
        let path = format!("/clients/{id}/client-secret");
        let answer = self
            .call("get_client_secret", &Method::GET, &path, Body::None, deadline)
            .await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(missing()),
            _ => return Err(answer.refusal()),
        }
        let secret = answer.object::<SecretAnswer>()?.value.map(Zeroizing::new);
        match secret_view(secret.as_ref().map(|value| value.as_str())) {
            SecretView::Secret(secret) => Ok(secret),
            SecretView::Masked => Err(Error::SecretMasked {
                client_id: client.client_id.to_owned(),
            }),
            SecretView::Missing => Err(Error::SecretMissing {
                client_id: client.client_id.to_owned(),
            }),
        }
    }

    /// The client's current state. A client with this name that belongs to something else is reported as not ours.
    ///
    /// # Errors
    /// Every way that Keycloak can fail.
    pub async fn status(&self, client: Client<'_>) -> Result<Status, Error> {
        let deadline = self.0.transport.deadline();
        match self.look_up(client, deadline).await? {
            Some(now) => self.status_of(client, &now, deadline).await,
            None => Ok(Status::ABSENT),
        }
    }

    /// The client's configuration, and, if that is right, whether Keycloak gives it a token: our account may not see
    /// other reasons, such as its user and the realm's policies.
    async fn status_of(&self, client: Client<'_>, now: &Representation, deadline: Instant) -> Result<Status, Error> {
        let mut status = now.status(client, self.0.device_scope.as_deref());
        if status.is_as_it_should_be()
            && let Some(secret) = now.secret()
        {
            status.refusal = self.refusal(client, &secret, deadline).await?;
            status.token = status.refusal.is_none();
        }
        Ok(status)
    }

    /// Repairs the client, and returns the repairs.
    ///
    /// # Errors
    /// [`Error::ForeignClient`], and every way that Keycloak can fail.
    pub async fn sync(&self, client: Client<'_>) -> Result<Synced, Error> {
        let deadline = self.0.transport.deadline();
        let secret = new_secret(&*self.0.random);
        let Some((id, mut now)) = self.own(client, deadline).await? else {
            return Ok(Synced {
                provider_ref: self.create_within(client, &secret, deadline).await?,
                repairs: vec![Repair::Created],
                unrepaired: Vec::new(),
            });
        };
        let mut unrepaired = Vec::new();
        let status = now.status(client, self.0.device_scope.as_deref());
        let mut repairs = now.repair(client, &secret);
        if !repairs.is_empty() {
            self.update(client, &id, now, deadline).await?;
        }
        if client.provider_ref.is_some_and(|known| known != id) {
            repairs.push(Repair::ReferenceSet);
        }
        if let Some(scope) = self.0.device_scope.as_ref().filter(|_| !status.scope) {
            if self.add_scope(client, &id, scope, deadline).await? {
                repairs.push(Repair::ScopeSet);
            } else {
                unrepaired.push(format!(
                    "The realm has no client scope {scope:?}, which identity.keycloak.device_scope names: create it."
                ));
            }
        }
        // The client after the repairs: Keycloak may have chosen another secret.
        let by_id = Client {
            provider_ref: Some(&id),
            ..client
        };
        if let Some(now) = self.look_up(by_id, deadline).await? {
            match self.status_of(client, &now, deadline).await?.refusal {
                Some(refusal) => match self.repair_account(client, &now, &id, refusal, deadline).await? {
                    Ok(repair) => repairs.push(repair),
                    Err(obstacle) => unrepaired.push(obstacle),
                },
                None if now.secret().is_none() => unrepaired.push(
                    "The client's secret is shown only masked: give Fleetmint's service account the role \
                     manage-clients."
                        .to_owned(),
                ),
                None => {}
            }
        }
        Ok(Synced {
            provider_ref: id,
            repairs,
            unrepaired,
        })
    }

    /// Enables or disables the client: a disabled one gets no tokens.
    ///
    /// # Errors
    /// [`Error::ClientMissing`], [`Error::ForeignClient`], and every way that Keycloak can fail.
    pub async fn set_enabled(&self, client: Client<'_>, enabled: bool) -> Result<(), Error> {
        let deadline = self.0.transport.deadline();
        let (id, mut now) = self
            .own(client, deadline)
            .await?
            .ok_or_else(|| client_missing(client))?;
        if now.enabled() == enabled {
            return Ok(());
        }
        now.set_enabled(enabled);
        self.update(client, &id, now, deadline).await
    }

    /// Deletes the client. It is no error if it does not exist; a client with its name that belongs to something else
    /// is left alone.
    ///
    /// # Errors
    /// Every way that Keycloak can fail.
    pub async fn delete(&self, client: Client<'_>) -> Result<(), Error> {
        let deadline = self.0.transport.deadline();
        match self.own(client, deadline).await {
            Ok(Some((id, _))) => self.delete_by_id(&id, deadline).await,
            Ok(None) | Err(Error::ForeignClient { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn delete_by_id(&self, id: &str, deadline: Instant) -> Result<(), Error> {
        let path = format!("/clients/{id}");
        let answer = self
            .call("delete_client", &Method::DELETE, &path, Body::None, deadline)
            .await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(answer.refusal()),
        }
    }

    async fn update(
        &self,
        client: Client<'_>,
        id: &str,
        wanted: Representation,
        deadline: Instant,
    ) -> Result<(), Error> {
        let path = format!("/clients/{id}");
        let body = wanted.into_json();
        let answer = self
            .call("update_client", &Method::PUT, &path, Body::Json(&body), deadline)
            .await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => Err(client_missing(client)),
            // Another client has its own name by now.
            StatusCode::CONFLICT => Err(foreign(client)),
            _ => Err(answer.refusal()),
        }
    }

    /// Gives the client this scope. Returns whether the scope exists.
    async fn add_scope(&self, client: Client<'_>, id: &str, scope: &str, deadline: Instant) -> Result<bool, Error> {
        let Some(scope_id) = self.scope_id(scope, deadline).await? else {
            return Ok(false);
        };
        let path = format!("/clients/{id}/default-client-scopes/{scope_id}");
        let answer = self
            .call("add_client_scope", &Method::PUT, &path, Body::None, deadline)
            .await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Err(client_missing(client)),
            _ => Err(answer.refusal()),
        }
    }

    async fn scope_id(&self, name: &str, deadline: Instant) -> Result<Option<String>, Error> {
        let answer = self
            .call(
                "list_client_scopes",
                &Method::GET,
                "/client-scopes",
                Body::None,
                deadline,
            )
            .await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal());
        }
        let scopes: Vec<Scope> = answer.json()?;
        Ok(scopes
            .into_iter()
            .find(|scope| scope.name == name && is_segment(&scope.id))
            .map(|scope| scope.id))
    }

    /// A call to the admin API with our token, repeated once with a new token if Keycloak does not accept it.
    async fn call(
        &self,
        name: &'static str,
        method: &Method,
        path: &str,
        body: Body<'_>,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.0.admin);
        let call = Call {
            name,
            method,
            url: &url,
            body,
        };
        let transport = &self.0.transport;
        let token = self.0.tokens.get(transport, deadline).await?;
        let answer = transport.call(call, Some(token.text.expose()), deadline).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = self.0.tokens.replace(Some(&token), transport, deadline).await?;
        transport.call(call, Some(token.text.expose()), deadline).await
    }
}

/// Makes ring the cryptography provider of rustls, unless the process has already chosen one. Without a provider
/// reqwest cannot create a client.
fn install_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
