//! The OpenAPI document: the handlers' own documentation, and the errors that they all share.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::Extension;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation as Documented;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Header, Object, OpenApi, Ref, RefOr, Response, Type};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::app::App;
use crate::http::compress::Once;
use crate::http::{answer_headers, problem};
use crate::operation::{Call, Operation, Who};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Fleetmint",
        description = "Gives every ESP32 of a fleet its own identity, and the NVS image that brings it onto the chip.\n\n\
                       Every call below `/api/` sends `Authorization: Bearer` with an administrator token, or the \
                       cookie of a session as the page does. \
                       Errors are RFC 9457 problems.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(problem::Body)),
    tags(
        (name = "device models", description = "Types of devices and their provisioning values"),
        (name = "devices", description = "Devices and their provisioning values"),
        (name = "provisioning", description = "NVS images for devices"),
        (name = "boards", description = "Boards, the devices that they carry, and how these got there"),
        (name = "identity", description = "A device's OAuth2 client at its identity provider"),
        (name = "settings", description = "What devices get, where it comes from, and what is wrong with it"),
        (name = "session", description = "Signing in at the page"),
        (name = "audit", description = "Who read or changed what, and when"),
        (name = "built-in identity provider", description = "OAuth2 for devices, without Keycloak"),
        (name = "health", description = "For orchestrators and monitoring"),
    )
)]
struct Frame;

/// The document without the routes, which the router adds.
pub(super) fn frame() -> OpenApi {
    Frame::openapi()
}

/// The name of the security scheme.
const BEARER: &str = "administrator";

/// The extension with the lowest role that may call an operation.
const ROLE: &str = "x-fleetmint-role";

/// Adds to every operation its role and the errors that such calls have in common, and to every error its body.
pub(super) fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    for item in document.paths.paths.values_mut() {
        let methods = [
            &mut item.get,
            &mut item.post,
            &mut item.patch,
            &mut item.put,
            &mut item.delete,
        ];
        for documented in methods.into_iter().flatten() {
            let id = documented.operation_id.as_deref();
            let operation = Operation::CALLS.iter().find(|operation| Some(operation.name()) == id);
            if let Some((operation, call)) = operation.and_then(|operation| Some((operation, operation.call()?))) {
                complete_operation(*operation, call, documented);
            }
        }
    }
}

/// Whether a successful call is answered with a body.
fn answers_with_content(operation: &Documented) -> bool {
    let mut responses = operation.responses.responses.iter();
    responses.any(|(status, response)| match response {
        RefOr::T(response) => status.starts_with('2') && !response.content.is_empty(),
        RefOr::Ref(_) => false,
    })
}

fn complete_operation(operation: Operation, call: &Call, documented: &mut Documented) {
    let mut shared = vec![
        (
            405,
            "The path does not support the method; `Allow` lists those that it supports",
        ),
        (500, "The server failed"),
    ];
    if let Who::Role(role) = call.who {
        documented.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
        documented.extensions = Some(Extensions::from_iter([(ROLE, role.name())]));
        shared.push((401, "The call carries no valid token"));
        shared.push((403, "The token does not allow this"));
        shared.push((503, "The service is temporarily unavailable"));
        if answers_with_content(documented) {
            shared.push((406, "The caller accepts no media type that is offered"));
        }
    }
    if call.path.contains('{') {
        shared.push((404, "Not found"));
    }
    // The errors of the token endpoint are RFC 6749's, and its handler documents those about the body.
    if documented.request_body.is_some() && operation != Operation::IssueToken {
        shared.push((400, "The body is not JSON"));
        shared.push((408, "The body took too long to arrive"));
        shared.push((413, "The body is too large"));
        shared.push((415, "The body's media type or content coding is not supported"));
        shared.push((501, "The body's transfer coding is not supported"));
    }
    shared.push((400, "The request is not valid HTTP/1.1"));
    let responses = &mut documented.responses.responses;
    for (status, description) in shared {
        responses
            .entry(status.to_string())
            .or_insert_with(|| RefOr::T(Response::new(description)));
    }
    for (status, response) in responses {
        if status == "503"
            && let RefOr::T(response) = response
        {
            let headers = &mut response.headers;
            headers.entry("Retry-After".to_owned()).or_insert_with(retry_after);
        }
        if let RefOr::T(response) = response
            && response.content.is_empty()
            && status.starts_with(['4', '5'])
        {
            let schema = Ref::from_schema_name(problem::Body::name());
            response
                .content
                .insert(problem::MEDIA_TYPE.to_owned(), Content::new(Some(schema)).into());
        }
    }
}

fn retry_after() -> RefOr<Header> {
    let mut header = Header::new(Object::with_type(Type::Integer));
    header.description = Some("How long to wait in seconds, if the same call may succeed later".to_owned());
    RefOr::T(header)
}

/// The document in JSON, filled once the router has added all routes.
#[derive(Clone, Debug, Default)]
pub(super) struct Document(Arc<OnceLock<(Bytes, Once)>>);

impl Document {
    pub(super) fn fill(&self, document: &OpenApi) {
        self.0
            .get_or_init(|| (serde_json::to_vec(document).unwrap_or_default().into(), Once::default()));
    }

    /// Passes it to a route's handler.
    pub(super) fn in_reach_of(&self, (schemas, paths, route): UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
        (schemas, paths, route.layer(Extension(self.clone())))
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "health", responses((status = 200, description = "The document, in OpenAPI 3.1", body = Object)))]
pub(super) async fn get_openapi(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
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
