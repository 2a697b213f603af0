//! Whether the service is alive, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The state of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// The process answers. An orchestrator restarts it when this fails.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = Health)))]
pub(super) async fn get_livez() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The service can do its work: its database answers. A load balancer sends it no calls while this fails.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, body = Health), (status = 503, body = Health, description = "It cannot do its work"))
)]
pub(super) async fn get_readyz(State(app): State<App>) -> (StatusCode, Json<Health>) {
    match app.database.ping() {
        Ok(()) => (StatusCode::OK, Json(Health { status: "ok" })),
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "unavailable" }))
        }
    }
}
