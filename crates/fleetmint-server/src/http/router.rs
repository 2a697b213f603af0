//! Every route of the service.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::{Extension, Router};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::forwarded::Proxies;
use super::observe::Observer;
use super::problem::{Kind, Problem};
use super::{accept, health, openapi};
use crate::app::{App, NoRandomness};
use crate::identity::builtin;
use crate::{audit, devices, enrolment, models, provisioning};

pub(super) const OPENAPI_PATH: &str = "/api/openapi.json";

/// For callers who show who they are: each of these handlers takes a `Caller`.
fn guarded() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(
            models::http::create_device_model,
            models::http::list_device_models
        ))
        .routes(routes!(
            models::http::get_device_model,
            models::http::update_device_model
        ))
        .routes(routes!(devices::http::create_device, devices::http::list_devices))
        .routes(routes!(devices::http::get_device, devices::http::update_device))
        .routes(routes!(enrolment::http::get_identity))
        .routes(routes!(enrolment::http::sync_identity))
        .routes(routes!(enrolment::http::disable_identity))
        .routes(routes!(enrolment::http::enable_identity))
        .routes(routes!(provisioning::http::patch_provisioning))
        .routes(routes!(audit::http::list_audit))
        // All of these answer in JSON.
        .route_layer(middleware::from_fn(accept::json))
        .merge(negotiated())
        .merge(without_content())
}

/// Answered in JSON or in bytes, as the caller likes it.
fn negotiated() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(provisioning::http::get_provisioning))
}

/// Answered without a body, so that there is no media type to agree on.
fn without_content() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(models::http::delete_device_model))
        .routes(routes!(devices::http::delete_device))
}

/// For everybody; nothing here tells a secret.
fn public() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(builtin::http::issue_token))
        .routes(routes!(builtin::http::get_discovery))
        .routes(routes!(builtin::http::get_jwks))
        .routes(routes!(health::get_livez))
        .routes(routes!(health::get_readyz))
        .routes(routes!(get_metrics))
        .routes(routes!(get_openapi))
}

/// All that the service answers.
#[derive(Clone, Debug)]
pub struct Endpoints {
    pub(super) router: Router,
    pub(super) observer: Arc<Observer>,
    pub(super) proxies: Arc<Proxies>,
}

impl Endpoints {
    /// The endpoints of this service.
    ///
    /// # Errors
    /// There is no randomness to be had.
    pub fn new(app: &App) -> Result<Self, NoRandomness> {
        let json = Document::default();
        let (router, mut document) = OpenApiRouter::with_openapi(openapi::frame())
            .merge(guarded())
            .merge(public().layer(Extension(json.clone())))
            .split_for_parts();
        openapi::complete(&mut document);
        json.fill(&document);

        let mut start = [0; 4];
        app.random.fill(&mut start)?;
        let observer = Observer::new(app.metrics.clone(), &document, u32::from_be_bytes(start));
        let router = router
            .merge(SwaggerUi::new("/api/docs").config(Config::from(OPENAPI_PATH)))
            .fallback(unknown_route)
            .method_not_allowed_fallback(unknown_method)
            .with_state(app.clone());
        Ok(Self {
            router,
            observer: Arc::new(observer),
            proxies: Arc::new(Proxies::new(&app.settings.server)),
        })
    }
}

async fn unknown_route() -> Problem {
    Problem::not_found("There is nothing at this path.")
}

async fn unknown_method(method: Method) -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        format!("The resource does not know {method}; `Allow` names what it knows."),
    )
}

/// The OpenAPI document in JSON: filled once all routes have told of themselves.
#[derive(Clone, Debug, Default)]
struct Document(Arc<OnceLock<Bytes>>);

impl Document {
    fn fill(&self, document: &utoipa::openapi::OpenApi) {
        self.0
            .get_or_init(|| serde_json::to_vec(document).unwrap_or_default().into());
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "health", responses((status = 200, description = "The document, in OpenAPI 3.1", body = Object)))]
async fn get_openapi(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
    let json = json.get().cloned().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], json)
}

/// Metrics in the OpenMetrics text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "All metrics", body = String, content_type = "application/openmetrics-text"))
)]
async fn get_metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let text = app.metrics.encode().map_err(|error| Problem::internal(&error))?;
    Ok((
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    ))
}
