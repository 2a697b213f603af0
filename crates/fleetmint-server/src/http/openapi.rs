//! The OpenAPI document: what the handlers say of themselves, and the errors that they all share.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Header, Object, OpenApi, PathItem, Ref, RefOr, Response, Type};
use utoipa::{OpenApi as _, ToSchema};

use super::problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Fleetmint",
        description = "Gives every ESP32 of a fleet an identity of its own, and the NVS image that carries it.\n\n\
                       Every call below `/api/` sends `Authorization: Bearer` with an administrator token. \
                       Errors are RFC 9457 problems.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(problem::Body)),
    tags(
        (name = "device models", description = "What a device type requires"),
        (name = "devices", description = "What exists"),
        (name = "provisioning", description = "What goes onto the chip"),
        (name = "identity", description = "A device's credential at its identity provider"),
        (name = "audit", description = "Who saw or changed what"),
        (name = "built-in identity provider", description = "OAuth2 for devices, where no Keycloak does it"),
        (name = "health", description = "For orchestrators and monitoring"),
    )
)]
struct Frame;

/// The document before the routes have added themselves.
pub(super) fn frame() -> OpenApi {
    Frame::openapi()
}

/// The name of the security scheme.
const BEARER: &str = "administrator";

/// Adds to every operation what its route brings with it, and to every error its body.
pub(super) fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete_operation(path, operation);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.patch,
        &mut item.put,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

/// Whether a call that succeeds is answered with a body.
fn answers_with_content(operation: &Operation) -> bool {
    let mut responses = operation.responses.responses.iter();
    responses.any(|(status, response)| match response {
        RefOr::T(response) => status.starts_with('2') && !response.content.is_empty(),
        RefOr::Ref(_) => false,
    })
}

fn complete_operation(path: &str, operation: &mut Operation) {
    let mut shared = vec![
        (405, "The path does not know the method; `Allow` names those it knows"),
        (500, "The server failed"),
    ];
    let is_guarded = path.starts_with("/api/") && path != super::router::OPENAPI_PATH;
    if is_guarded {
        operation.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
        shared.push((401, "The call carries no valid token"));
        shared.push((403, "The token does not allow this"));
        shared.push((503, "The service is temporarily unavailable"));
    }
    if path.contains('{') {
        shared.push((404, "Not Found"));
    }
    if is_guarded && answers_with_content(operation) {
        shared.push((406, "The caller accepts no media type that is offered"));
    }
    // The errors of the token endpoint are RFC 6749's, and its handler names those that tell of the body.
    if operation.request_body.is_some() && path != "/oauth2/token" {
        shared.push((400, "The body is not JSON"));
        shared.push((408, "The body took too long to arrive"));
        shared.push((413, "The body is too large"));
        shared.push((415, "The body's media type or content coding is not understood"));
        shared.push((501, "The body's transfer coding is not understood"));
    }
    shared.push((400, "The request is not valid HTTP/1.1"));
    let responses = &mut operation.responses.responses;
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
    header.description = Some("How long to wait in seconds, where the same call may succeed later".to_owned());
    RefOr::T(header)
}
