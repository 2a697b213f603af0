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
//! Each operation has one total time limit, in which a token, if one is needed, and a second attempt have their place.

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
use readiness::Readiness;
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
    readiness: Readiness,
}

/// Why calls to Keycloak could not even be prepared.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("identity.keycloak.ca_file: {path}: {cause}")]
    CaFile { path: String, cause: String },
    #[error("identity.keycloak: no HTTP client can be made: {0}")]
    Client(String),
}

/// What a sync did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Keycloak's own id of the client, which is another one if it had to be created again.
    pub provider_ref: String,
    pub repairs: Vec<Repair>,
    /// What is wrong and could not be repaired, and what to do about it: a sentence for each.
    pub unrepaired: Vec<String>,
}

/// `GET …/client-secret`.
#[derive(Deserialize)]
struct SecretAnswer {
    value: Option<String>,
}

/// `GET …/client-scopes`: of each, what is of interest.
#[derive(Deserialize)]
struct Scope {
    id: String,
    name: String,
}

impl Keycloak {
    /// Prepares calls to Keycloak. Nothing is asked of it yet: it may be down when the service starts.
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
                Certificate::from_pem_bundle(pem.as_ref()).map_err(|_| failed("it is no PEM file".to_owned()))?;
            if authorities.is_empty() {
                return Err(failed("it holds no certificate".to_owned()));
            }
            client = client.tls_certs_only(authorities);
        } else if settings.base_url.starts_with("http:") {
            // No certificate is ever looked at, so the system need not have any.
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
            readiness: Readiness::default(),
        })))
    }

    /// Where devices get their tokens: the setting, else the endpoint of the realm as its tokens name it, whose host may
    /// be another than the one that we call. `None` before Keycloak's first answer.
    pub fn token_url(&self) -> Option<String> {
        if let Some(url) = &self.0.token_url {
            return Some(url.clone());
        }
        let token = self.0.tokens.last()?;
        let realm = token.issuer.as_ref().unwrap_or(&self.0.realm_url);
        Some(format!("{realm}/protocol/openid-connect/token"))
    }

    /// How long one operation may take at most, a second attempt included.
    pub fn timeout(&self) -> Duration {
        self.0.transport.timeout
    }

    /// Keycloak's id of the client, if there is one that was made for this device.
    ///
    /// # Errors
    /// [`Error::ForeignClient`], and every way that Keycloak can fail.
    pub async fn locate(&self, client: Client<'_>) -> Result<Option<String>, Error> {
        let deadline = self.0.transport.deadline();
        Ok(self.own(client, deadline).await?.map(|(id, _)| id))
    }

    /// Makes a client with this secret, and gives Keycloak's id of it. A client of this name that was made for this
    /// device is taken as it is: an attempt before this one made it.
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
                // It went away in between: whoever asks again will succeed.
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

    /// The client as it is. One of this name that is another's is reported as not ours.
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

    /// What the client says of itself, and, if nothing of that is wrong, whether Keycloak gives it a token: what else can
    /// be in the way, such as its user and the realm's policies, our account may not see.
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

    /// Makes the client as it ought to be, and says what was done.
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
        // As it is after all that: Keycloak may have chosen another secret.
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

    /// Lets the client have tokens, or none.
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

    /// Deletes the client; one that is gone is no error, and one of its name that is another's is left alone.
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
            // Its own name is another client's by now.
            StatusCode::CONFLICT => Err(foreign(client)),
            _ => Err(answer.refusal()),
        }
    }

    /// Gives the client this scope; whether there is such a scope.
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

    /// A call to the admin API with our token; with another one, once, if Keycloak does not take it.
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

/// Makes ring what rustls computes with, unless the process has chosen already. Without a choice reqwest makes no client.
fn install_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
