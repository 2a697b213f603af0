//! Every route of the service.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::compress::Once;
use super::forwarded::Proxies;
use super::host;
use super::observe::{Observed, Observer};
use super::prefix::Prefix;
use super::problem::{self, Kind, Problem};
use super::routes::{self, Routes};
use super::{accept, answer_headers, compress, health, metrics, openapi};
use crate::app::App;
use crate::identity::{self, builtin};
use crate::{access, audit, devices, enrolment, idempotency, models, provisioning};

pub(super) const OPENAPI_PATH: &str = "/api/openapi.json";

/// All kinds of problems, room by room.
pub const PROBLEMS: &[&[Kind]] = &[
    problem::KINDS,
    access::http::KINDS,
    idempotency::http::KINDS,
    models::http::KINDS,
    provisioning::http::KINDS,
    identity::http::KINDS,
    builtin::http::KINDS,
];

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
        .routes(routes!(enrolment::http::create_device, devices::http::list_devices))
        .routes(routes!(devices::http::get_device, devices::http::update_device))
        .routes(routes!(enrolment::http::get_identity))
        .routes(routes!(enrolment::http::sync_identity))
        .routes(routes!(enrolment::http::disable_identity))
        .routes(routes!(enrolment::http::enable_identity))
        .routes(routes!(audit::http::list_audit))
        .route_layer(middleware::from_fn(compress::answers))
        // Holds a secret, and is not compressed.
        .routes(routes!(provisioning::http::patch_provisioning))
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
        .routes(routes!(enrolment::http::delete_device))
        // Their conditions may name the tags of compressed answers.
        .route_layer(middleware::from_fn(compress::answers))
}

/// For everybody; nothing here tells a secret.
fn public() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(builtin::http::get_discovery))
        .routes(routes!(builtin::http::get_jwks))
        .routes(routes!(health::get_livez))
        .routes(routes!(health::get_readyz))
        .routes(routes!(metrics::get_metrics))
        .routes(routes!(get_openapi))
        .route_layer(middleware::from_fn(compress::answers))
        // Holds a secret, and is not compressed.
        .routes(routes!(builtin::http::issue_token))
}

/// All that the service answers.
#[derive(Clone, Debug)]
pub struct Endpoints {
    pub(super) router: Observed<Router>,
    /// Answers requests that are not HTTP/1.1 as it should be.
    pub(super) malformed: Observed<Router>,
    pub(super) proxies: Arc<Proxies>,
    pub(super) prefix: Prefix,
}

impl Endpoints {
    /// The endpoints of this service.
    pub fn new(app: &App) -> Self {
        let json = Document::default();
        let (router, mut document) = OpenApiRouter::with_openapi(openapi::frame())
            .merge(guarded())
            .merge(public().layer(Extension(json.clone())))
            .split_for_parts();
        openapi::complete(&mut document);
        let prefix = Prefix::of(app.settings.server.public_url.as_deref());
        if !prefix.is_empty() {
            document.servers = Some(vec![utoipa::openapi::Server::new(prefix.path(""))]);
        }
        json.fill(&document);

        let mut start = [0; 4];
        app.random.fill(&mut start);
        let observer = Observer::new(
            app.metrics.clone(),
            Arc::clone(&app.refusals),
            Routes::new(&document),
            u32::from_be_bytes(start),
        );
        let router = router
            .merge(documentation(&prefix))
            .fallback(unknown_route)
            .method_not_allowed_fallback(unknown_method)
            .with_state(app.clone());
        Self {
            router: observer.around(router),
            malformed: observer.around(Router::new().fallback(host::refuse)),
            proxies: Arc::new(Proxies::new(&app.settings.server)),
            prefix,
        }
    }
}

/// The page of the documentation, and its parts.
fn documentation(prefix: &Prefix) -> Router<App> {
    let complete = async |mut part: Response| {
        if part.status() == StatusCode::NOT_FOUND {
            return nothing_here().into_response();
        }
        answer_headers::documentation(part.headers_mut());
        part
    };
    let other_methods = async |method: Method| {
        let mut answer = unknown_method(method).await;
        answer.headers_mut().insert(header::ALLOW, routes::READ_METHODS);
        answer
    };
    Router::from(SwaggerUi::new("/api/docs").config(Config::from(prefix.path(OPENAPI_PATH))))
        .method_not_allowed_fallback(other_methods)
        .route_layer(middleware::map_response(complete))
        .route_layer(middleware::from_fn_with_state(Arc::default(), compress::parts_once))
        .route_layer(middleware::from_fn(compress::answers))
}

fn nothing_here() -> Problem {
    Problem::not_found("There is nothing at this path.")
}

async fn unknown_route(method: Method, uri: Uri) -> Response {
    // `OPTIONS *` asks about the service as a whole, and CONNECT names another server instead of a path.
    let asterisk = method == Method::OPTIONS && uri.path() == "*";
    if asterisk {
        (StatusCode::NO_CONTENT, [(header::ALLOW, routes::ALL_METHODS)]).into_response()
    } else if method == Method::CONNECT {
        not_allowed("This is not a proxy; `Allow` lists the methods of the service.")
            .with_header(header::ALLOW, routes::ALL_METHODS)
            .into_response()
    } else if uri.path().starts_with('/') {
        nothing_here().into_response()
    } else {
        Problem::new(problem::MALFORMED_REQUEST, "The request's target is not a path.").into_response()
    }
}

/// For the routes of the document the observer adds `Allow`.
async fn unknown_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        not_allowed("The resource does not support this method; `Allow` lists those that it supports.").into_response()
    }
}

fn not_allowed(detail: &'static str) -> Problem {
    Problem::new(problem::METHOD_NOT_ALLOWED, detail)
}

/// The OpenAPI document in JSON: filled once all routes have added themselves.
#[derive(Clone, Debug, Default)]
struct Document(Arc<OnceLock<(Bytes, Once)>>);

impl Document {
    fn fill(&self, document: &utoipa::openapi::OpenApi) {
        self.0
            .get_or_init(|| (serde_json::to_vec(document).unwrap_or_default().into(), Once::default()));
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "health", responses((status = 200, description = "The document, in OpenAPI 3.1", body = Object)))]
async fn get_openapi(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
    let (json, compressed) = json.get().cloned().unwrap_or_default();
    (
        Extension(compressed),
        [
            answer_headers::NO_CACHE,
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ],
        json,
    )
}
