//! Whether the service is alive, and whether it can do its work.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{self, Principal};
use crate::app::App;
use crate::http::problem;
use crate::http::sender::{self, RefusedCredential};
use crate::identity::Identity;

/// The state of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`; `degraded` when calls that need the identity provider fail and the others work; `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
    /// What is wrong. Reported to callers with a valid token only.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<String>>,
}

impl Health {
    const OK: Self = Self {
        status: "ok",
        problems: None,
    };
}

/// The process answers. An orchestrator restarts it when this fails.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "It is alive", body = Health)))]
pub(crate) async fn get_livez() -> Json<Health> {
    Json(Health::OK)
}

/// The service can do its work: its database can be written. A load balancer sends it no calls while this fails. If
/// only the identity provider fails, the answer is still 200 with `degraded`: the calls that do not need it work.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, description = "It can do its work", body = Health), (status = 503, body = Health, description = "It cannot do its work"))
)]
pub(crate) async fn get_readyz(State(app): State<App>, caller: Informed) -> Response {
    let (status, word, problems) = match app.readiness.check(&app.database).await {
        Ok(()) => {
            let problems = match &app.identity {
                Identity::Builtin(_) => Vec::new(),
                Identity::Keycloak(keycloak) => keycloak.problems().await,
            };
            let word = if problems.is_empty() { "ok" } else { "degraded" };
            (StatusCode::OK, word, problems)
        }
        Err(error) => {
            tracing::error!(%error, "the database cannot be written");
            let problem = format!("the database cannot be written: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", vec![problem])
        }
    };
    let is_informed = caller == Informed::Yes;
    let health = Json(Health {
        status: word,
        problems: is_informed.then_some(problems),
    });
    let mut response = match status {
        StatusCode::OK => health.into_response(),
        _ => (
            status,
            [(header::RETRY_AFTER, problem::RETRY_AFTER.to_string())],
            health,
        )
            .into_response(),
    };
    if caller == Informed::Refused {
        response.extensions_mut().insert(RefusedCredential);
    }
    response
}

/// Whether the caller gets details: only with a valid token. With a wrong one, the call counts as refused.
///
/// A probe never waits. So a token from an address with too many refusals is not checked at all: otherwise a caller who
/// guesses tokens would get here at once the answer that is delayed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Informed {
    Yes,
    No,
    Refused,
}

impl FromRequestParts<App> for Informed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let no_token = !parts.headers.contains_key(header::AUTHORIZATION);
        if no_token || app.gate.has_refused_too_many(sender::source(&parts.extensions)) {
            return Ok(Self::No);
        }
        Ok(match app.gate.authenticate(parts).await {
            Ok((Principal::Administrator, _)) => Self::Yes,
            Err(access::Error::Unauthorized) => Self::Refused,
            // The token is valid, but its owner gets no details; or it cannot be checked now.
            Err(
                access::Error::Device { .. }
                | access::Error::OtherPage(_)
                | access::Error::Forbidden
                | access::Error::Database(_),
            ) => Self::No,
        })
    }
}
