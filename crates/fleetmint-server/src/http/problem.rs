//! Errors as answers: RFC 9457 `application/problem+json`.
//!
//! The body says what is wrong. The cause of a 5xx goes to the log only.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::violation::{self, Violation};

/// When to try again, in seconds, if there is no better number. The usual reasons are a full disk and a busy database,
/// and more calls make these worse.
pub(crate) const RETRY_AFTER: u64 = 5;

/// The header that says when to try again.
pub(crate) fn retry_after(seconds: u64) -> (HeaderName, HeaderValue) {
    (header::RETRY_AFTER, HeaderValue::from(seconds))
}

pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// A kind of problem. Its name is part of the interface, and its meaning never changes.
///
/// Each room declares its own kinds beside the code that answers with them, by `kinds`; `router::PROBLEMS` lists all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub(crate) &'static Definition);

/// The parts of a [`Kind`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) uri: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) retryable: bool,
}

impl Kind {
    /// The problem's `type`.
    pub const fn uri(self) -> &'static str {
        self.0.uri
    }

    pub const fn status(self) -> StatusCode {
        self.0.status
    }

    /// A text for all problems of this kind. The title of a kind that is named after its status is the status's phrase
    /// in RFC 9110.
    pub const fn title(self) -> &'static str {
        self.0.title
    }

    /// Whether the same call may succeed later without any change.
    pub const fn is_retryable(self) -> bool {
        self.0.retryable
    }
}

/// Declares kinds of problems as constants, and `KINDS`, the list of them. If `router::PROBLEMS` does not include the list,
/// the compiler warns about an unused constant.
macro_rules! kinds {
    ($($kind:ident = $status:ident, $name:literal, $title:literal, $retryable:literal;)*) => {
        $(
            #[doc = $title]
            pub(crate) const $kind: $crate::http::problem::Kind =
                $crate::http::problem::Kind(&$crate::http::problem::Definition {
                    uri: concat!("urn:fleetmint:problem:", $name),
                    status: axum::http::StatusCode::$status,
                    title: $title,
                    retryable: $retryable,
                });
        )*

        /// All kinds of problems that are declared here.
        pub(crate) const KINDS: &[$crate::http::problem::Kind] = &[$($kind),*];
    };
}
pub(crate) use kinds;

kinds! {
    MALFORMED_REQUEST = BAD_REQUEST, "malformed-request", "The request is not valid HTTP/1.1", false;
    UNREADABLE_BODY = BAD_REQUEST, "unreadable-body", "The body cannot be read", false;
    UNREADABLE_HEADER = BAD_REQUEST, "unreadable-header", "A header cannot be read", false;
    NOT_FOUND = NOT_FOUND, "not-found", "Not found", false;
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", false;
    NOT_ACCEPTABLE = NOT_ACCEPTABLE, "not-acceptable", "Not acceptable", false;
    REQUEST_TIMEOUT = REQUEST_TIMEOUT, "request-timeout", "Request timeout", true;
    ALREADY_EXISTS = CONFLICT, "already-exists", "The resource already exists", false;
    BEING_CHANGED = CONFLICT, "being-changed", "Another change of the resource is in progress", true;
    PRECONDITION_FAILED = PRECONDITION_FAILED, "precondition-failed", "Precondition failed", false;
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large", false;
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type", false;
    INVALID_VALUE = UNPROCESSABLE_ENTITY, "invalid-value", "A value breaks a rule", false;
    INTERNAL_ERROR = INTERNAL_SERVER_ERROR, "internal-error", "The server failed", false;
    NOT_IMPLEMENTED = NOT_IMPLEMENTED, "not-implemented", "Not implemented", false;
    UNAVAILABLE = SERVICE_UNAVAILABLE, "unavailable", "The service is temporarily unavailable", true;
}

type Members = serde_json::Map<String, serde_json::Value>;

/// An error as the caller sees it.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<Violation>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Box<str>>,
    client_id: Option<Box<str>>,
    /// Members that only problems of this kind have (RFC 9457 §3.2). Few have any, so that all others stay small.
    members: Option<Box<Members>>,
}

/// The body of every error (RFC 9457), except at `/oauth2/token`.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body<'a> {
    /// The kind of the problem. Kinds never change their meaning.
    #[serde(rename = "type")]
    #[schema(example = "urn:fleetmint:problem:invalid-value")]
    kind: &'a str,
    /// What all problems of this kind have in common.
    title: &'a str,
    /// The answer's status.
    status: u16,
    /// What is wrong this time.
    detail: &'a str,
    /// The values that are wrong, if any: the first 32 of them.
    #[schema(max_items = 32)]
    errors: &'a [Violation],
    /// Whether the same call may succeed later without any change.
    retryable: bool,
    #[serde(flatten)]
    #[schema(ignore)]
    members: Option<&'a Members>,
}

/// The cause of a 5xx: an extension of the answer that goes to the log only.
#[derive(Clone, Debug)]
pub(crate) struct Cause(pub(crate) Arc<str>);

/// The client whose call was refused: an extension of the answer, for the log.
#[derive(Clone, Debug)]
pub(crate) struct RefusedClient(pub(crate) Arc<str>);

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            cause: None,
            client_id: None,
            members: None,
        }
    }

    /// A 500 whose cause is logged.
    pub fn internal(cause: &impl ToString) -> Self {
        Self::new(INTERNAL_ERROR, "The server failed; its log has the cause.").with_cause(cause)
    }

    /// A 422 for values that break rules.
    pub fn invalid(errors: Vec<Violation>) -> Self {
        let count = errors.len();
        Self::invalid_first(errors, count)
    }

    /// A 422 for `count` values that break rules; `errors` has only the first of them.
    pub(crate) fn invalid_first(mut errors: Vec<Violation>, count: usize) -> Self {
        errors.truncate(violation::LISTED_MAX);
        let detail = match errors.as_slice() {
            [one] if count == 1 => one.detail.clone(),
            listed if listed.len() == count => format!("{count} values break a rule."),
            listed => format!(
                "{count} values break a rule: {} are listed, {} more are not.",
                listed.len(),
                count - listed.len()
            ),
        };
        Self {
            errors,
            ..Self::new(INVALID_VALUE, detail)
        }
    }

    /// A 412: the resource is in a state that the condition does not name.
    pub(crate) fn changed(what: &str) -> Self {
        Self::new(
            PRECONDITION_FAILED,
            format!("The {what} is not in a state that `If-Match` names; read it again."),
        )
    }

    /// A 404 for a path that does not exist.
    pub(crate) fn nothing_here() -> Self {
        Self::not_found("There is nothing at this path.")
    }

    pub fn not_found(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(NOT_FOUND, what)
    }

    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Violation>) -> Self {
        self.errors = errors;
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A member that only problems of this kind have.
    #[must_use]
    pub(crate) fn with_member(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        let members = self.members.get_or_insert_default();
        members.insert(name.to_owned(), value.into());
        self
    }

    /// When to try again, in seconds.
    #[must_use]
    pub(crate) fn with_retry_after(self, seconds: u64) -> Self {
        let (name, value) = retry_after(seconds);
        self.with_header(name, value)
    }

    /// The client whose call was refused, for the log.
    #[must_use]
    pub(crate) fn with_refused_client(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The cause, for the log. It must hold no secret.
    #[must_use]
    pub fn with_cause(mut self, cause: &impl ToString) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let body = Body {
            kind: self.kind.uri(),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
            retryable: self.kind.is_retryable(),
            members: self.members.as_deref(),
        };
        let mut response = match serde_json::to_vec(&body) {
            Ok(json) => (status, json).into_response(),
            Err(_) => status.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind.is_retryable() && matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
        {
            headers.extend([retry_after(RETRY_AFTER)]);
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause.into()));
        }
        if let Some(client_id) = self.client_id {
            response.extensions_mut().insert(RefusedClient(client_id.into()));
        }
        response
    }
}

impl From<crate::database::Error> for Problem {
    fn from(error: crate::database::Error) -> Self {
        use crate::database::Error;
        match error {
            Error::Full | Error::Busy | Error::Gone(_) => {
                Self::new(UNAVAILABLE, "The database cannot be changed at the moment.").with_cause(&error)
            }
            other => Self::internal(&other),
        }
    }
}
