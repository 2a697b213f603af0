//! One call to Keycloak: within a time limit, read up to a size limit, never redirected, and every way that it can fail
//! distinguished.

use std::iter;
use std::time::Duration;

use axum::body::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::form_urlencoded::byte_serialize;

use super::Error;
use crate::metrics::Metrics;
use crate::secret::{self, Wiped};

/// The largest answer that is read: a page of a hundred clients has a third of this size.
pub(super) const ANSWER_MAX: usize = 1024 * 1024;

/// The capacity that is reserved for an answer before any of it has arrived, in bytes.
const FIRST: usize = 4096;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The pause before a second attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// Makes calls and reuses their connections.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    pub(super) client: Client,
    pub(super) metrics: Metrics,
    pub(super) timeout: Duration,
}

/// A call to Keycloak.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// The name in the metrics.
    pub(super) name: &'static str,
    pub(super) method: &'a Method,
    pub(super) url: &'a str,
    pub(super) body: Body<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    None,
    Json(&'a serde_json::Value),
    Form(&'a [(&'a str, &'a str)]),
}

/// Keycloak's answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The last segment of the path in `Location`.
    pub(super) created: Option<String>,
    /// It may contain secrets.
    body: Wiped,
}

impl Answer {
    /// The body, parsed as the expected JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // serde's text quotes strings of the body, which may be secrets; the position is enough.
        serde_json::from_slice(self.body.as_ref()).map_err(|error| {
            Error::Unreadable(format!(
                "it is not the expected JSON (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }

    /// The body, parsed as a JSON object. serde would also accept an array of the members' values.
    pub(super) fn object<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if self.body.as_ref().trim_ascii_start().starts_with(b"{") {
            self.json()
        } else {
            Err(Error::Unreadable("it is not a JSON object".to_owned()))
        }
    }

    /// The error for a status that has no special meaning for the call.
    pub(super) fn refusal(&self) -> Error {
        let status = self.status.as_u16();
        match self.status {
            _ if self.status.is_redirection() => Error::Redirected { status },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Refused { status },
            _ => Error::Failed { status },
        }
    }
}

impl Transport {
    /// The deadline of an operation that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Makes a call, and a second attempt if the first failed on the way and repeating it is safe.
    pub(super) async fn call(&self, call: Call<'_>, token: Option<&str>, deadline: Instant) -> Result<Answer, Error> {
        match self.attempt(call, token, deadline).await {
            Err(Failure { error, repeat: true }) => {
                tracing::debug!(call = call.name, %error, "a call to Keycloak is made again");
                let rested = tokio::time::timeout_at(deadline, tokio::time::sleep(PAUSE)).await;
                rested.map_err(|_| self.timed_out())?;
                self.attempt(call, token, deadline)
                    .await
                    .map_err(|failure| failure.error)
            }
            result => result.map_err(|failure| failure.error),
        }
    }

    async fn attempt(&self, call: Call<'_>, token: Option<&str>, deadline: Instant) -> Result<Answer, Failure> {
        let started = Instant::now();
        let outcome = tokio::time::timeout_at(deadline, self.exchange(call, token))
            .await
            .unwrap_or_else(|_| {
                Err(Failure {
                    error: self.timed_out(),
                    repeat: false,
                })
            });
        let status = outcome.as_ref().map_or(0, |answer| answer.status.as_u16());
        self.metrics.keycloak_call(call.name, status, started.elapsed());
        match outcome {
            // A proxy's answer while Keycloak restarts.
            Ok(answer)
                if matches!(
                    answer.status,
                    StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
                ) =>
            {
                Err(Failure {
                    error: answer.refusal(),
                    repeat: call.method.is_idempotent(),
                })
            }
            outcome => outcome,
        }
    }

    async fn exchange(&self, call: Call<'_>, token: Option<&str>) -> Result<Answer, Failure> {
        let mut request = self.client.request(call.method.clone(), call.url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request = match call.body {
            Body::None => request,
            Body::Json(json) => {
                let body = secret::json(json).map_err(|error| Failure {
                    error: Error::Unreadable(error.to_string()),
                    repeat: false,
                })?;
                request.header(CONTENT_TYPE, JSON).body(Bytes::from_owner(body))
            }
            Body::Form(form) => request.header(CONTENT_TYPE, FORM).body(Bytes::from_owner(encode(form))),
        };
        let lost = |error: &reqwest::Error| Failure {
            error: unreachable(error),
            // A call that failed to connect was never sent; a call that was sent may be repeated if it is idempotent.
            repeat: error.is_connect() || call.method.is_idempotent(),
        };
        let mut response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let created = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok()?.rsplit('/').next())
            .map(str::to_owned);
        let mut body = Wiped::with_capacity(FIRST);
        while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
            let needed = body.len() + chunk.len();
            if needed > body.capacity() {
                body.enlarge(needed.max(body.capacity() * 2).min(ANSWER_MAX));
            }
            body.push(&chunk).map_err(|full| Failure {
                error: Error::TooLarge { limit: full.limit },
                repeat: false,
            })?;
        }
        Ok(Answer { status, created, body })
    }

    fn timed_out(&self) -> Error {
        Error::Timeout { after: self.timeout }
    }
}

/// A form in memory of exactly its size, because it contains a client's secret.
fn encode(form: &[(&str, &str)]) -> Wiped {
    let encoded = || {
        form.iter().enumerate().flat_map(|(n, (name, value))| {
            let separator = if n == 0 { "" } else { "&" };
            let (name, value) = (byte_serialize(name.as_bytes()), byte_serialize(value.as_bytes()));
            iter::once(separator).chain(name).chain(iter::once("=")).chain(value)
        })
    };
    let mut body = Wiped::with_capacity(encoded().map(str::len).sum());
    for part in encoded() {
        // The capacity is sufficient for all of them.
        let _ = body.push(part.as_bytes());
    }
    body
}

struct Failure {
    error: Error,
    /// Whether the call can be repeated without harm.
    repeat: bool,
}

/// The innermost cause: the outer ones only say that a request failed, and name its URL.
fn unreachable(error: &reqwest::Error) -> Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Error::Unreachable(cause.to_string())
}
