//! Around every request: its id, its line in the log, its place in the metrics, the headers of every answer, and a 500
//! where a handler panicked.
//!
//! It is around the router, so that no answer passes it by, and finds the route by itself: inside, around each route, a
//! request would cost an allocation and two clones more.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::instrument::{Instrument, Instrumented};

use super::answer_headers;
use super::caller::{self, RefusedCredential};
use super::extract::ACCEPT_PATCH;
use super::log_line::Line;
use super::problem::{Cause, Problem, RefusedClient};
use super::routes::Routes;
use crate::access::Refusals;
use crate::metrics::Metrics;
use crate::source::Source;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller.
const REQUEST_ID_MAX: usize = 64;

/// The longest id that is made here: two numbers in hexadecimal, of 32 and of 64 bits.
const ID_LEN: usize = 8 + 1 + 16;

/// Where a route that names a device begins.
const DEVICES: &str = "/api/devices/";

/// What is known around every request.
#[derive(Clone, Debug)]
pub(super) struct Observer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    refusals: Arc<Refusals>,
    routes: Routes,
    /// Tells the requests of one start of the server from those of another.
    start: u32,
    requests: AtomicU64,
}

impl Observer {
    pub(super) fn new(metrics: Metrics, refusals: Arc<Refusals>, routes: Routes, start: u32) -> Self {
        Self(Arc::new(Inner {
            metrics,
            refusals,
            routes,
            start,
            requests: AtomicU64::new(0),
        }))
    }

    /// Observes every request to a router.
    pub(super) fn around<S>(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            observer: self.clone(),
        }
    }

    /// The caller's own id where it is a plain token, else a new one.
    fn request_id(&self, request: &Request) -> Option<HeaderValue> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
        let given = request.headers().get(&REQUEST_ID);
        if let Some(id) = given.filter(|id| (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain))
        {
            return Some(id.clone());
        }
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        // Each request has one: it is written without a string of its own.
        let mut text = [0; ID_LEN];
        let mut rest = text.as_mut_slice();
        write!(rest, "{:08x}-{number:x}", self.0.start).ok()?;
        let written = ID_LEN - rest.len();
        HeaderValue::from_bytes(text.get(..written)?).ok()
    }
}

/// A router that is observed.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    inner: S,
    observer: Observer,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Observing<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let asked = Asked::new(&self.observer, &request);
        // Reads say little on the way, and are many: their line in the log has the id by itself.
        let span = if asked.method.is_safe() {
            tracing::debug_span!("request", id = asked.id())
        } else {
            tracing::info_span!("request", id = asked.id())
        };
        Observing {
            answering: AssertUnwindSafe(self.inner.call(request).instrument(span)).catch_unwind(),
            asked: Some(asked),
            observer: self.observer.clone(),
        }
    }
}

pin_project! {
    /// A request that is being answered.
    #[must_use]
    pub(super) struct Observing<F> {
        #[pin]
        answering: CatchUnwind<AssertUnwindSafe<Instrumented<F>>>,
        asked: Option<Asked>,
        observer: Observer,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Observing<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match ready!(this.answering.poll(context)) {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => Problem::internal(&"the handler panicked; the panic's own message is in the standard error")
                .into_response(),
        };
        if let Some(asked) = this.asked.take() {
            asked.answered(&this.observer.0, &mut response);
        }
        Poll::Ready(Ok(response))
    }
}

/// What is kept of a request until its answer.
#[derive(Debug)]
struct Asked {
    started: Instant,
    id: Option<HeaderValue>,
    method: Method,
    /// The index of the route among those that are documented.
    route: Option<usize>,
    /// The path's beginning, where the route does not tell it.
    path: Option<Box<str>>,
    device_id: Option<i64>,
    client: Source,
}

impl Asked {
    fn new(observer: &Observer, request: &Request) -> Self {
        let path = request.uri().path();
        let route = observer.0.routes.find(path);
        Self {
            started: Instant::now(),
            id: observer.request_id(request),
            method: request.method().clone(),
            route,
            path: route.is_none().then(|| Line::beginning(path).into()),
            device_id: route.and_then(|_| device_id(path)),
            client: caller::source(request.extensions()),
        }
    }

    fn id(&self) -> &str {
        self.id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default()
    }

    fn answered(self, observer: &Inner, response: &mut Response) {
        let took = self.started.elapsed();
        let status = response.status();
        let route = self.route.and_then(|route| observer.routes.get(route));
        let operation = route.and_then(|route| route.operation(&self.method));
        if let Some(operation) = operation {
            observer.metrics.operation(operation, status.as_u16(), took);
        }
        let refused_client = response.extensions().get::<RefusedClient>();
        let is_refused = refused_client.is_some()
            || matches!(status.as_u16(), 401 | 403)
            || response.extensions().get::<RefusedCredential>().is_some();
        Line {
            id: self.id(),
            operation,
            method: &self.method,
            route: route.map(|route| &*route.template),
            path: self.path.as_deref(),
            device_id: self.device_id,
            client: self.client,
            status: status.as_u16(),
            took,
            cause: response.extensions().get::<Cause>(),
            refused: is_refused.then(|| observer.refusals.add(self.client, Instant::now())),
            refused_client: refused_client.map(|client| &*client.0),
        }
        .log();

        let headers = response.headers_mut();
        if let Some(id) = self.id {
            headers.insert(REQUEST_ID, id);
        }
        answer_headers::secure(headers);
        if operation.is_none()
            && let Some(route) = route
        {
            // The router would name the methods that have handlers, without OPTIONS.
            headers.insert(header::ALLOW, route.allow.clone());
            if self.method == Method::OPTIONS && route.has(&Method::PATCH) {
                let (name, value) = ACCEPT_PATCH;
                headers.insert(name, value);
            }
        }
    }
}

/// The id in the path of a device or of what belongs to it.
fn device_id(path: &str) -> Option<i64> {
    let id = path.strip_prefix(DEVICES)?.split('/').next()?;
    id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.parse().ok())?
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;

    use crate::metrics::Format;

    use super::*;

    fn observed(router: Router) -> (Observed<Router>, Observer) {
        let document = serde_json::from_value(serde_json::json!({
            "openapi": "3.1.0", "info": {"title": "", "version": ""},
            "paths": {"/api/devices/{id}": {"get": {"operationId": "get_device", "responses": {}}}},
        }));
        let observer = Observer::new(
            Metrics::default(),
            Arc::new(Refusals::new(0)),
            Routes::new(&document.unwrap()),
            7,
        );
        (observer.around(router), observer)
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_and_is_counted() {
        let handler = async || -> StatusCode { panic!("in a handler") };
        let (mut router, observer) = observed(Router::new().route("/api/devices/{id}", get(handler)));
        let request = Request::builder().uri("/api/devices/7").body(Body::empty()).unwrap();
        let answer = router.call(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["x-request-id"], "00000007-0");
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("in a handler"));
        let metrics = observer.0.metrics.encode(Format::Text).unwrap();
        let line = "fleetmint_operations_total{operation=\"get_device\",status=\"500\"} 1";
        assert!(metrics.contains(line), "{metrics}");
    }

    #[test]
    fn a_device_is_known_by_its_path() {
        for (path, id) in [
            ("/api/devices/7", Some(7)),
            ("/api/devices/7/provisioning", Some(7)),
            ("/api/devices/", None),
            ("/api/devices/x", None),
            ("/api/devices/-7", None),
            ("/api/devices/99999999999999999999", None),
            ("/api/device-models/7", None),
        ] {
            assert_eq!(device_id(path), id, "{path}");
        }
    }
}
