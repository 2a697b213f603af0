//! Every route of the service: the table of contents.

mod log_line;
mod observe;
mod openapi;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use axum::{Router, middleware};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;
use crate::config::{ForwardedBy, Server};
use crate::http::extract::ACCEPT_PATCH;
use crate::http::forwarded::{Header, Proxies};
use crate::http::prefix::Prefix;
use crate::http::problem::{self, Kind, Problem};
use crate::http::{accept, answer_headers, compress, host};
use crate::operation::Operation;
use crate::page::{self, Asset};
use crate::{
    access, audit, boards, devices, enrolment, health, idempotency, identity, models, oauth2, provisioning, scrape,
    sign_in,
};
use observe::{Observer, Route};
use openapi::Document;

/// The methods of the whole service, for `OPTIONS *`.
const ALL_METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST");

/// The methods of a route that is only read, as those outside the document are.
const READ_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Every operation, and the handler that serves it.
fn operations(document: &Document) -> Vec<Served> {
    use Operation::*;
    vec![
        // For callers who have a role: each of these handlers takes a `Caller`.
        json(CreateDeviceModel, routes!(models::http::create_device_model)),
        json(ListDeviceModels, routes!(models::http::list_device_models)),
        json(GetDeviceModel, routes!(models::http::get_device_model)),
        json(UpdateDeviceModel, routes!(models::http::update_device_model)),
        other(DeleteDeviceModel, routes!(models::http::delete_device_model)),
        json(CreateDevice, routes!(enrolment::http::create_device)),
        json(ListDevices, routes!(devices::http::list_devices)),
        json(GetDevice, routes!(devices::http::get_device)),
        json(UpdateDevice, routes!(devices::http::update_device)),
        other(DeleteDevice, routes!(enrolment::http::delete_device)),
        json(GetIdentity, routes!(enrolment::http::get_identity)),
        json(SyncIdentity, routes!(enrolment::http::sync_identity)),
        json(DisableIdentity, routes!(enrolment::http::disable_identity)),
        json(EnableIdentity, routes!(enrolment::http::enable_identity)),
        json(ListAudit, routes!(audit::http::list_audit)),
        json(GetSettings, routes!(provisioning::http::settings::get_settings)),
        json(
            GetDeviceModelSettings,
            routes!(provisioning::http::settings::get_device_model_settings),
        ),
        json(
            GetDeviceSettings,
            routes!(provisioning::http::settings::get_device_settings),
        ),
        json(GetSession, routes!(sign_in::http::get_session)),
        other(DeleteSession, routes!(sign_in::http::delete_session)),
        json(GetBackupKey, routes!(sign_in::http::get_backup_key)),
        other(GetProvisioning, routes!(provisioning::http::get_provisioning)),
        json(PatchProvisioning, routes!(provisioning::http::patch_provisioning)),
        json(
            VerifyProvisioning,
            routes!(provisioning::http::verify::verify_provisioning),
        ),
        json(BeginFlash, routes!(boards::http::begin_flash)),
        json(ListFlashes, routes!(boards::http::list_flashes)),
        json(GetFlash, routes!(boards::http::get_flash)),
        json(EndFlash, routes!(boards::http::end_flash)),
        json(ListBoards, routes!(boards::http::board::list_boards)),
        json(GetBoard, routes!(boards::http::board::get_board)),
        json(ListBoardFlashes, routes!(boards::http::board::list_board_flashes)),
        // For everybody.
        other(CreateSession, routes!(sign_in::http::create_session)),
        other(GetDiscovery, routes!(oauth2::get_discovery)),
        other(GetJwks, routes!(oauth2::get_jwks)),
        other(IssueToken, routes!(oauth2::issue_token)),
        other(GetLivez, routes!(health::get_livez)),
        other(GetReadyz, routes!(health::get_readyz)),
        other(GetMetrics, routes!(scrape::get_metrics)),
        other(GetOpenapi, document.in_reach_of(routes!(openapi::get_openapi))),
    ]
}

/// All kinds of problems, room by room.
pub const PROBLEMS: &[&[Kind]] = &[
    problem::KINDS,
    access::http::KINDS,
    idempotency::http::KINDS,
    models::http::KINDS,
    provisioning::http::KINDS,
    boards::http::KINDS,
    identity::http::KINDS,
    oauth2::KINDS,
];

/// An operation with its handler and the documentation that the handler gives of itself.
struct Served {
    operation: Operation,
    routes: UtoipaMethodRouter<App>,
    answers_json: bool,
}

/// An operation with an answer in JSON: a caller that does not accept JSON gets a 406 before anything is done.
fn json(operation: Operation, routes: UtoipaMethodRouter<App>) -> Served {
    Served {
        operation,
        routes,
        answers_json: true,
    }
}

/// An operation with an answer without content, or in a media type that the handler chooses.
fn other(operation: Operation, routes: UtoipaMethodRouter<App>) -> Served {
    Served {
        operation,
        routes,
        answers_json: false,
    }
}

impl Served {
    /// The route, with the layers around its handler.
    fn observed(self, observer: &Observer) -> UtoipaMethodRouter<App> {
        let (schemas, paths, mut route) = self.routes;
        // The length of a compressed answer reveals something about the secret in it.
        if !self.operation.call().is_some_and(|call| call.discloses) {
            route = route.layer(middleware::from_fn(compress::answers));
        }
        if self.answers_json {
            route = route.layer(middleware::from_fn(accept::json));
        }
        (
            schemas,
            paths,
            route.layer(observer.of(Route::Operation(self.operation))),
        )
    }
}

/// The whole service.
#[derive(Clone, Debug)]
pub struct Endpoints {
    pub(crate) router: Router,
    /// Refuses requests that are not valid HTTP/1.1.
    pub(crate) malformed: Router,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) prefix: Prefix,
}

impl Endpoints {
    /// The endpoints of this service.
    pub fn new(app: &App, page: &'static [Asset]) -> Self {
        let mut start = [0; 4];
        app.random.fill(&mut start);
        let observer = Observer::new(
            app.metrics.clone(),
            Arc::clone(&app.refusals),
            u32::from_be_bytes(start),
        );
        let unknown = observer.of(Route::Unknown);

        let json = Document::default();
        let mut documented = OpenApiRouter::with_openapi(openapi::frame());
        for served in operations(&json) {
            documented = documented.routes(served.observed(&observer));
        }
        let (mut router, mut document) = documented.split_for_parts();
        openapi::complete(&mut document);
        let prefix = Prefix::of(app.settings.server.public_url.as_deref());
        if !prefix.is_empty() {
            document.servers = Some(vec![utoipa::openapi::Server::new(prefix.path(""))]);
        }
        json.fill(&document);

        for (path, methods) in methods_by_path() {
            router = router.route(path, other_methods(&methods).layer(observer.of(Route::Path(path))));
        }
        let files = page::http::routes(page, &prefix).method_not_allowed_fallback(only_read);
        let not_found = page::http::NotFound::new(page, &prefix);
        let unknown_path = async move |method: Method, uri: Uri, headers: HeaderMap| {
            let page = not_found.shown(&method, uri.path(), &headers);
            page.unwrap_or_else(|| unknown_path(&method, &uri))
        };
        let router = router
            .merge(documentation(&prefix).layer(unknown.clone()))
            .merge(files.layer(observer.of(Route::Page)))
            .merge(Router::new().fallback(unknown_path).layer(unknown.clone()))
            .with_state(app.clone());
        Self {
            router,
            malformed: Router::new().fallback(host::refuse).layer(unknown),
            proxies: Arc::new(proxies(&app.settings.server)),
            prefix,
        }
    }
}

/// The proxies whose word about the caller's address is believed.
fn proxies(settings: &Server) -> Proxies {
    let header = match settings.forwarded {
        ForwardedBy::XForwardedFor => Header::XForwardedFor,
        ForwardedBy::Forwarded => Header::Forwarded,
    };
    Proxies::new(settings.trusted_proxies.clone(), header)
}

/// The paths of all operations, and their methods.
fn methods_by_path() -> BTreeMap<&'static str, Vec<&'static Method>> {
    let mut paths: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for call in Operation::CALLS.iter().filter_map(|operation| operation.call()) {
        paths.entry(call.path).or_default().push(&call.method);
    }
    paths
}

/// Answers the methods that a path has no operation for.
fn other_methods(methods: &[&Method]) -> MethodRouter<App> {
    let allow = allow(methods);
    let accepts_patch = methods.contains(&&Method::PATCH);
    MethodRouter::new().fallback(async move |method: Method| {
        let mut answer = unknown_method(&method);
        let headers = answer.headers_mut();
        headers.insert(header::ALLOW, allow);
        if accepts_patch && method == Method::OPTIONS {
            let (name, value) = ACCEPT_PATCH;
            headers.insert(name, value);
        }
        answer
    })
}

/// The methods of a path, as the header `Allow` lists them. HEAD is answered by the handler of GET.
fn allow(methods: &[&Method]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(ALL_METHODS)
}

/// The page of the documentation, and its parts.
fn documentation(prefix: &Prefix) -> Router<App> {
    let complete = async |mut part: Response| {
        if part.status() == StatusCode::NOT_FOUND {
            return Problem::nothing_here().into_response();
        }
        answer_headers::documentation(part.headers_mut());
        part
    };
    let document = Operation::GetOpenapi.call().map(|call| call.path).unwrap_or_default();
    Router::from(SwaggerUi::new("/api/docs").config(Config::from(prefix.path(document))))
        .method_not_allowed_fallback(only_read)
        .route_layer(middleware::map_response(complete))
        .route_layer(middleware::from_fn_with_state(Arc::default(), compress::parts_once))
        .route_layer(middleware::from_fn(compress::answers))
}

/// Answers the methods of a path that is only read.
async fn only_read(method: Method) -> Response {
    let mut answer = unknown_method(&method);
    answer.headers_mut().insert(header::ALLOW, READ_METHODS);
    answer
}

fn unknown_path(method: &Method, uri: &Uri) -> Response {
    // `OPTIONS *` asks about the service as a whole, and CONNECT names another server instead of a path.
    let asterisk = *method == Method::OPTIONS && uri.path() == "*";
    if asterisk {
        (StatusCode::NO_CONTENT, [(header::ALLOW, ALL_METHODS)]).into_response()
    } else if *method == Method::CONNECT {
        not_allowed("This is not a proxy; `Allow` lists the methods of the service.")
            .with_header(header::ALLOW, ALL_METHODS)
            .into_response()
    } else if uri.path().starts_with('/') {
        Problem::nothing_here().into_response()
    } else {
        Problem::new(problem::MALFORMED_REQUEST, "The request's target is not a path.").into_response()
    }
}

/// The answer to a method that a path does not support; the caller adds `Allow`.
fn unknown_method(method: &Method) -> Response {
    if *method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        not_allowed("The resource does not support this method; `Allow` lists those that it supports.").into_response()
    }
}

fn not_allowed(detail: &'static str) -> Problem {
    Problem::new(problem::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_served_and_documented_as_in_the_table() {
        let mut left = Operation::CALLS.to_vec();
        for Served {
            operation,
            routes: (_, paths, _),
            ..
        } in operations(&Document::default())
        {
            left.retain(|other| *other != operation);
            let call = operation.call().unwrap();
            let documented = serde_json::to_value(&paths).unwrap();
            let [(path, item)] = Vec::from_iter(documented.as_object().unwrap())[..] else {
                panic!("{operation:?} is documented at {documented}")
            };
            let [(method, documented)] = Vec::from_iter(item.as_object().unwrap())[..] else {
                panic!("{operation:?} is documented as {item}")
            };
            assert_eq!(path, call.path, "{operation:?}");
            assert_eq!(method.to_uppercase(), call.method.as_str(), "{operation:?}");
            assert_eq!(documented["operationId"], operation.name());
        }
        assert_eq!(left, []);
    }

    #[test]
    fn allow_lists_the_methods_of_a_path() {
        let methods = methods_by_path();
        assert_eq!(allow(&methods["/api/devices"]), "GET, HEAD, OPTIONS, POST");
        assert_eq!(
            allow(&methods["/api/devices/{id}"]),
            "DELETE, GET, HEAD, OPTIONS, PATCH"
        );
        assert_eq!(allow(&methods["/oauth2/token"]), "OPTIONS, POST");
    }
}
