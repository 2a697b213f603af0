//! Around every request: its id, its line in the log, its place in the metrics, and a 500 where a handler panicked.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::Instrument;

use super::problem::{Cause, Problem};
use crate::metrics::Metrics;
use crate::operation::Operation;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller.
const REQUEST_ID_MAX: usize = 64;

/// What is known around every request.
#[derive(Debug)]
pub(crate) struct Observer {
    metrics: Metrics,
    routes: Vec<Route>,
    /// Tells the requests of one start of the server from those of another.
    start: u32,
    requests: AtomicU64,
}

/// One operation of the OpenAPI document, with its path in parts; `None` stands for any.
#[derive(Debug)]
struct Route {
    method: Method,
    parts: Vec<Option<String>>,
    operation: Operation,
}

impl Route {
    fn matches(&self, method: &Method, path: &str) -> bool {
        let mut given = path.split('/');
        self.method == method
            && self.parts.iter().all(|part| match (part, given.next()) {
                (Some(part), Some(given)) => part == given,
                (None, Some(given)) => !given.is_empty(),
                (_, None) => false,
            })
            && given.next().is_none()
    }
}

impl Observer {
    /// The operations are those of the OpenAPI document, so what is documented is measured, under the same name.
    pub(crate) fn new(metrics: Metrics, document: &utoipa::openapi::OpenApi, start: u32) -> Self {
        let mut routes = Vec::new();
        for (path, item) in &document.paths.paths {
            let methods = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PATCH, &item.patch),
                (Method::PUT, &item.put),
                (Method::DELETE, &item.delete),
            ];
            for (method, documented) in methods {
                let id = documented
                    .as_ref()
                    .and_then(|documented| documented.operation_id.as_deref());
                if let Some(&operation) = Operation::ALL.iter().find(|operation| Some(operation.name()) == id) {
                    let parts = path
                        .split('/')
                        .map(|part| (!part.starts_with('{')).then(|| part.to_owned()));
                    let parts = parts.collect();
                    routes.push(Route {
                        method,
                        parts,
                        operation,
                    });
                }
            }
        }
        // What is asked for most is found first.
        routes.sort_by_key(|route| route.operation != Operation::GetProvisioning);
        Self {
            metrics,
            routes,
            start,
            requests: AtomicU64::new(0),
        }
    }

    fn operation<B>(&self, request: &Request<B>) -> Option<Operation> {
        // A HEAD is answered by the GET's handler.
        let method = if request.method() == Method::HEAD {
            &Method::GET
        } else {
            request.method()
        };
        let path = request.uri().path();
        let known = self.routes.iter().find(|route| route.matches(method, path));
        known.map(|route| route.operation)
    }

    /// The caller's own id where it is a plain token, else a new one.
    fn request_id(&self, request: &Request) -> Option<HeaderValue> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
        let given = request.headers().get(&REQUEST_ID);
        if let Some(id) = given.filter(|id| (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain))
        {
            return Some(id.clone());
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from_str(&format!("{:08x}-{number:x}", self.start)).ok()
    }

    /// Lets `answer` answer a request.
    pub(crate) async fn observe<F>(&self, request: Request, answer: impl FnOnce(Request) -> F) -> Response
    where
        F: Future<Output = Result<Response, Infallible>>,
    {
        let started = Instant::now();
        let operation = self.operation(&request);
        let id = self.request_id(&request);
        let shown = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        let method = request.method().clone();
        // Reads say little on the way, and are many: their line in the log has the id by itself.
        let span = if is_read(&method) {
            tracing::debug_span!("request", id = shown)
        } else {
            tracing::info_span!("request", id = shown)
        };
        // The query string is never logged: callers put into it what they please.
        let unknown = if operation.is_none() {
            request.uri().path().to_owned()
        } else {
            String::new()
        };

        let answered = AssertUnwindSafe(answer(request).instrument(span.clone()))
            .catch_unwind()
            .await;
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => Problem::internal(&"the handler panicked; the panic's own message is in the standard error")
                .into_response(),
        };

        let took = started.elapsed();
        let status = response.status().as_u16();
        if let Some(operation) = operation {
            self.metrics.operation(operation, status, took);
        }
        span.in_scope(|| {
            log(
                shown,
                operation,
                &method,
                &unknown,
                status,
                took,
                response.extensions().get(),
            );
        });
        if let Some(id) = id {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// One line for each request: what failed as an error, what was refused or changed as information, reads for debugging.
fn log(
    id: &str,
    operation: Option<Operation>,
    method: &Method,
    path: &str,
    status: u16,
    took: Duration,
    cause: Option<&Cause>,
) {
    let operation = operation.map_or("", Operation::name);
    let cause = cause.map(|cause| &*cause.0);
    let duration_ms = took.as_secs_f64() * 1e3;
    if status >= 500 {
        tracing::error!(id, operation, %method, path, status, duration_ms, cause, "answered");
    } else if status >= 400 || !is_read(method) {
        tracing::info!(id, operation, %method, path, status, duration_ms, cause, "answered");
    } else {
        tracing::debug!(id, operation, %method, path, status, duration_ms, "answered");
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use utoipa::openapi::OpenApi;

    use super::*;

    fn observer() -> Observer {
        let document: OpenApi = serde_json::from_value(serde_json::json!({
            "openapi": "3.1.0", "info": {"title": "", "version": ""},
            "paths": {
                "/api/devices": {"get": {"operationId": "list_devices", "responses": {}}},
                "/api/devices/{id}": {"get": {"operationId": "get_device", "responses": {}}},
            },
        }))
        .unwrap();
        Observer::new(Metrics::default(), &document, 7)
    }

    fn request(method: Method, uri: &str) -> Request {
        Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_and_is_counted() {
        let observer = observer();
        let answer = observer
            .observe(request(Method::GET, "/api/devices/7"), async |_| panic!("in a handler"))
            .await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["x-request-id"], "00000007-0");
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("in a handler"));
        let metrics = observer.metrics.encode().unwrap();
        let line = "fleetmint_operations_total{operation=\"get_device\",status=\"500\"} 1";
        assert!(metrics.contains(line), "{metrics}");
    }

    #[test]
    fn an_operation_is_found_by_method_and_path() {
        let observer = observer();
        let operation = |method, uri| observer.operation(&request(method, uri));
        assert_eq!(operation(Method::GET, "/api/devices"), Some(Operation::ListDevices));
        assert_eq!(operation(Method::GET, "/api/devices?q=x"), Some(Operation::ListDevices));
        assert_eq!(operation(Method::HEAD, "/api/devices/9"), Some(Operation::GetDevice));
        for (method, uri) in [
            (Method::POST, "/api/devices"),
            (Method::GET, "/api/devices/"),
            (Method::GET, "/api/devices/9/"),
            (Method::GET, "/api/devices/9/provisioning"),
            (Method::GET, "/api"),
            (Method::GET, "/"),
        ] {
            assert_eq!(operation(method.clone(), uri), None, "{method} {uri}");
        }
    }
}
