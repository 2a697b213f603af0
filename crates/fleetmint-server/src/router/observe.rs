//! Around every route: the request's id, its line in the log, its place in the metrics, the headers that every answer has,
//! and a 500 where a handler panics.
//!
//! Each route has its own observer, so that the operation is known from the start, whatever happens inside.

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
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use percent_encoding::percent_decode_str;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::instrument::{Instrument, Instrumented};

use super::log_line::Line;
use crate::access::Refusals;
use crate::http::answer_headers;
use crate::http::extract::parse_id;
use crate::http::problem::{Cause, Problem, RefusedClient};
use crate::http::sender::{self, RefusedCredential};
use crate::metrics::Metrics;
use crate::operation::Operation;
use crate::source::Source;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted from a caller.
const REQUEST_ID_MAX: usize = 64;

/// The longest id that is generated here: two numbers in hexadecimal, of 32 and of 64 bits.
const ID_LEN: usize = 8 + 1 + 16;

/// The target of a request, by its method and path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    Operation(Operation),
    /// A file of the page, or a path at which it is shown.
    Page,
    /// A path of the service, with a method that it does not support.
    Path(&'static str),
    /// No operation: the page of the documentation, and paths that do not exist.
    Unknown,
}

impl Route {
    fn operation(self) -> Option<Operation> {
        match self {
            Self::Operation(operation) => Some(operation),
            Self::Page => Some(Operation::GetPage),
            Self::Path(_) | Self::Unknown => None,
        }
    }

    /// The template of its path, such as `/api/devices/{id}`.
    fn template(self) -> Option<&'static str> {
        match self {
            Self::Operation(operation) => operation.call().map(|call| call.path),
            Self::Path(path) => Some(path),
            Self::Page | Self::Unknown => None,
        }
    }
}

/// Observes the requests to all routes.
#[derive(Clone, Debug)]
pub(super) struct Observer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    refusals: Arc<Refusals>,
    /// Distinguishes the requests of one start of the server from those of another.
    start: u32,
    requests: AtomicU64,
}

impl Observer {
    pub(super) fn new(metrics: Metrics, refusals: Arc<Refusals>, start: u32) -> Self {
        Self(Arc::new(Inner {
            metrics,
            refusals,
            start,
            requests: AtomicU64::new(0),
        }))
    }

    /// The observer of this route.
    pub(super) fn of(&self, route: Route) -> RouteObserver {
        RouteObserver {
            observer: self.clone(),
            route,
        }
    }

    /// The caller's own id if it is a plain token, else a new one.
    fn request_id(&self, request: &Request) -> Option<HeaderValue> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
        let given = request.headers().get(&REQUEST_ID);
        if let Some(id) = given.filter(|id| (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain))
        {
            return Some(id.clone());
        }
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        // Every request needs one: it is formatted without an allocation.
        let mut text = [0; ID_LEN];
        let mut rest = text.as_mut_slice();
        write!(rest, "{:08x}-{number:x}", self.0.start).ok()?;
        let written = ID_LEN - rest.len();
        HeaderValue::from_bytes(text.get(..written)?).ok()
    }
}

/// Observes the requests to one route.
#[derive(Clone, Debug)]
pub(super) struct RouteObserver {
    observer: Observer,
    route: Route,
}

impl<S> Layer<S> for RouteObserver {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            observer: self.observer.clone(),
            route: self.route,
        }
    }
}

/// A route that is observed.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    inner: S,
    observer: Observer,
    route: Route,
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

    fn call(&mut self, mut request: Request) -> Self::Future {
        let asked = Asked::new(&self.observer, self.route, &request);
        if let Some(operation) = self.route.operation() {
            request.extensions_mut().insert(operation);
        }
        // Reads are many and log little: the id is on their own line in the log.
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
            Err(_) => {
                Problem::internal(&"the handler panicked; the panic's own message is on standard error").into_response()
            }
        };
        if let Some(asked) = this.asked.take() {
            asked.answered(&this.observer.0, &mut response);
        }
        Poll::Ready(Ok(response))
    }
}

/// The parts of a request that are kept until its answer.
#[derive(Debug)]
struct Asked {
    started: Instant,
    id: Option<HeaderValue>,
    method: Method,
    route: Route,
    /// The beginning of the path, if the route has no template.
    path: Option<Box<str>>,
    device_id: Option<i64>,
    client: Source,
}

impl Asked {
    fn new(observer: &Observer, route: Route, request: &Request) -> Self {
        Self {
            started: Instant::now(),
            id: observer.request_id(request),
            method: request.method().clone(),
            route,
            path: route
                .template()
                .is_none()
                .then(|| Line::beginning(request.uri().path()).into()),
            device_id: route.template().and_then(|_| device_id(request.uri().path())),
            client: sender::source(request.extensions()),
        }
    }

    fn id(&self) -> &str {
        self.id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default()
    }

    fn answered(self, observer: &Inner, response: &mut Response) {
        let took = self.started.elapsed();
        let status = response.status();
        let operation = self.route.operation();
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
            route: self.route.template(),
            path: self.path.as_deref(),
            device_id: self.device_id,
            client: self.client,
            status: status.as_u16(),
            took,
            cause: response.extensions().get::<Cause>(),
            refused: is_refused.then(|| observer.refusals.add(self.client)),
            refused_client: refused_client.map(|client| &*client.0),
        }
        .log();

        let headers = response.headers_mut();
        if let Some(id) = self.id {
            headers.insert(REQUEST_ID, id);
        }
        if operation.and_then(Operation::call).is_some_and(|call| call.discloses) {
            answer_headers::forbid_storing(headers);
        }
        answer_headers::secure(headers);
    }
}

/// The device's id in the path of a device, or of something that belongs to one. It is read from the text: the router's
/// parameters are only had by moving the whole request.
fn device_id(path: &str) -> Option<i64> {
    let devices = Operation::GetDevice.path().strip_suffix("{id}")?;
    let segment = path.strip_prefix(devices)?.split('/').next()?;
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    parse_id(&text).ok()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;

    use crate::metrics::Format;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_and_is_counted() {
        let handler = async || -> StatusCode { panic!("in a handler") };
        let observer = Observer::new(
            Metrics::default(),
            Arc::new(Refusals::new(0, Arc::new(crate::clock::SystemClock))),
            7,
        );
        let route = get(handler).layer(observer.of(Route::Operation(Operation::GetDevice)));
        let mut router: Router = Router::new().route("/api/devices/{id}", route);
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
            ("/api/devices/7/flashes/8", Some(7)),
            ("/api/devices/%37", Some(7)),
            ("/api/devices", None),
            ("/api/devices/", None),
            ("/api/devices/x", None),
            ("/api/devices/-7", None),
            ("/api/devices/%ff", None),
            ("/api/devices/99999999999999999999", None),
            ("/api/device-models/7", None),
            ("/oauth2/token", None),
        ] {
            assert_eq!(device_id(path), id, "{path}");
        }
    }
}
