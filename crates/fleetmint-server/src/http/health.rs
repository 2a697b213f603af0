//! Whether the service is alive, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::identity::Identity;

/// The state of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`; `degraded` when calls that need the identity provider fail and the others work; `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
    /// What is wrong.
    problems: Vec<String>,
}

impl Health {
    const OK: Self = Self {
        status: "ok",
        problems: Vec::new(),
    };
}

/// The process answers. An orchestrator restarts it when this fails.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "It is alive", body = Health)))]
pub(super) async fn get_livez() -> Json<Health> {
    Json(Health::OK)
}

/// The service can do its work: its database answers. A load balancer sends it no calls while this fails. When only the
/// identity provider is in the way it is 200 all the same, and `degraded`: the calls that do without it work.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, description = "It can do its work", body = Health), (status = 503, body = Health, description = "It cannot do its work"))
)]
pub(super) async fn get_readyz(State(app): State<App>) -> (StatusCode, Json<Health>) {
    if let Err(error) = app.database.ping() {
        tracing::error!(%error, "the database does not answer");
        let health = Health {
            status: "unavailable",
            problems: vec!["the database does not answer".to_owned()],
        };
        return (StatusCode::SERVICE_UNAVAILABLE, Json(health));
    }
    let problems = match &app.identity {
        Identity::Builtin(_) => Vec::new(),
        Identity::Keycloak(keycloak) => keycloak.problems().await,
    };
    let status = if problems.is_empty() { "ok" } else { "degraded" };
    (StatusCode::OK, Json(Health { status, problems }))
}
