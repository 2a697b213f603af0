//! The one place that turns errors into answers: RFC 9457 `application/problem+json`.
//!
//! The body says what is wrong; why a 5xx happened goes to the log alone.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::violation::{self, Violation};

/// When to try again, in seconds, where there is no better number. The usual reasons are a full disk and a busy database,
/// and more calls do not help them.
pub(crate) const RETRY_AFTER: u64 = 5;

/// The header that says when to try again.
pub(crate) fn retry_after(seconds: u64) -> (HeaderName, HeaderValue) {
    (header::RETRY_AFTER, HeaderValue::from(seconds))
}

pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($variant:ident = $status:ident, $name:literal, $title:literal, $retryable:literal;)*) => {
        /// The kinds of problems. Their names are part of the interface: they never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $(#[doc = $title] $variant,)* }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The problem's `type`.
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("urn:fleetmint:problem:", $name),)* }
            }

            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// What all problems of this kind have in common. A kind that is named after its status has the status's own
            /// words (RFC 9110).
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// Whether the same call may succeed later without anybody changing anything.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }
        }
    };
}

kinds! {
    MalformedRequest = BAD_REQUEST, "malformed-request", "The request is not valid HTTP/1.1", false;
    UnreadableBody = BAD_REQUEST, "unreadable-body", "The body cannot be read", false;
    UnreadableHeader = BAD_REQUEST, "unreadable-header", "A header cannot be read", false;
    Unauthorized = UNAUTHORIZED, "unauthorized", "Unauthorized", false;
    Forbidden = FORBIDDEN, "forbidden", "Forbidden", false;
    NotFound = NOT_FOUND, "not-found", "Not Found", false;
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Method Not Allowed", false;
    NotAcceptable = NOT_ACCEPTABLE, "not-acceptable", "Not Acceptable", false;
    Timeout = REQUEST_TIMEOUT, "request-timeout", "Request Timeout", true;
    InUse = CONFLICT, "in-use", "The resource is in use", false;
    AlreadyExists = CONFLICT, "already-exists", "The resource already exists", false;
    ForeignClient = CONFLICT, "foreign-client", "The identity provider has a client of this name that belongs to something else", false;
    Busy = CONFLICT, "being-changed", "Another change of the resource is in progress", true;
    PreconditionFailed = PRECONDITION_FAILED, "precondition-failed", "Precondition Failed", false;
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large", false;
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported Media Type", false;
    KeyReused = UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Another call was made with this Idempotency-Key", false;
    InvalidValue = UNPROCESSABLE_ENTITY, "invalid-value", "A value breaks a rule", false;
    ValueMissing = UNPROCESSABLE_ENTITY, "value-missing", "A value that the device needs is not set", false;
    ValueTooLong = UNPROCESSABLE_ENTITY, "value-too-long", "A value is longer than NVS allows", false;
    DoesNotFit = UNPROCESSABLE_ENTITY, "does-not-fit", "The values do not fit into the partition", false;
    UnusablePartition = UNPROCESSABLE_ENTITY, "unusable-partition", "The partition cannot be changed as the firmware would", false;
    Internal = INTERNAL_SERVER_ERROR, "internal-error", "The server failed", false;
    NotImplemented = NOT_IMPLEMENTED, "not-implemented", "Not Implemented", false;
    ProviderFailed = BAD_GATEWAY, "identity-provider-failed", "The identity provider failed", true;
    ProviderRefused = BAD_GATEWAY, "identity-provider-refused", "The identity provider refused the service's own account", false;
    ClientMissing = BAD_GATEWAY, "client-missing", "The identity provider does not know the device's client", false;
    SecretMissing = BAD_GATEWAY, "client-secret-missing", "The identity provider has no usable secret of the device's client", false;
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The service is temporarily unavailable", true;
    NotConfigured = SERVICE_UNAVAILABLE, "not-configured", "A required setting is missing", false;
    ProviderTimeout = GATEWAY_TIMEOUT, "identity-provider-timeout", "The identity provider did not answer in time", true;
}

/// An error as the caller sees it.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<Violation>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
    client_id: Option<Box<str>>,
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
    /// Whether the same call may succeed later without anybody changing anything.
    retryable: bool,
}

/// Why a 5xx happened: rides on the answer to the log, and no further.
#[derive(Clone, Debug)]
pub(crate) struct Cause(pub(crate) Arc<str>);

/// The client whose call was refused: rides on the answer to the log.
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
        }
    }

    /// A 500 whose cause goes to the log.
    pub fn internal(cause: &impl ToString) -> Self {
        Self::new(Kind::Internal, "The server failed; its log says why.").with_cause(cause)
    }

    /// A 422 for values that break rules.
    pub fn invalid(errors: Vec<Violation>) -> Self {
        let count = errors.len();
        Self::invalid_first(errors, count)
    }

    /// A 422 for values that break rules, of which only the first are known one by one.
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
            ..Self::new(Kind::InvalidValue, detail)
        }
    }

    pub fn not_found(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, what)
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

    /// When to try again, in seconds.
    #[must_use]
    pub(crate) fn with_retry_after(self, seconds: u64) -> Self {
        let (name, value) = retry_after(seconds);
        self.with_header(name, value)
    }

    /// What the log says. It must hold no secret.
    #[must_use]
    pub fn with_cause(mut self, cause: &impl ToString) -> Self {
        self.cause = Some(cause.to_string());
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
                Self::new(Kind::Unavailable, "The database cannot take changes now.").with_cause(&error)
            }
            other => Self::internal(&other),
        }
    }
}

impl From<crate::models::Error> for Problem {
    fn from(error: crate::models::Error) -> Self {
        use crate::models::Error;
        match error {
            Error::NotFound => Self::not_found("There is no device model with this id."),
            Error::CodeTaken { .. } => {
                Self::new(Kind::AlreadyExists, "There is a device model with this code already.")
                    .with_errors(vec![Violation::new("/code", error.to_string())])
            }
            Error::Repeat(error) => error.into(),
            Error::Changed(_) => changed("device model"),
            Error::InUse => Self::new(Kind::InUse, "There are devices of this model; delete them first."),
            Error::Invalid(violations) => Self::invalid(violations),
            Error::Database(error) => error.into(),
        }
    }
}

impl From<crate::devices::Error> for Problem {
    fn from(error: crate::devices::Error) -> Self {
        use crate::devices::Error;
        match error {
            Error::NotFound => no_such_device(),
            Error::Invalid(violations) => Self::invalid(violations),
            Error::Changed(_) => changed("device"),
            Error::SerialTaken => serial_taken(),
            Error::SerialInDoubt => serial_in_doubt(),
            Error::Database(error) => error.into(),
        }
    }
}

impl From<crate::enrolment::Error> for Problem {
    fn from(error: crate::enrolment::Error) -> Self {
        use crate::enrolment::Error;
        match error {
            Error::NotFound => no_such_device(),
            Error::Invalid(violations) => Self::invalid(violations),
            Error::Busy => Self::new(Kind::Busy, "Another change of this device is under way."),
            Error::Repeat(error) => error.into(),
            Error::Changed(_) => changed("device"),
            Error::SerialTaken => serial_taken(),
            Error::SerialInDoubt => serial_in_doubt(),
            Error::Identity(error) => error.into(),
            Error::Database(error) => error.into(),
        }
    }
}

impl From<crate::idempotency::Error> for Problem {
    fn from(error: crate::idempotency::Error) -> Self {
        use crate::idempotency::Error;
        match error {
            Error::UnderWay => Self::new(
                Kind::Busy,
                "The first call with this `Idempotency-Key` is still under way; make it again later.",
            )
            .with_retry_after(1),
            Error::OtherCall => Self::new(
                Kind::KeyReused,
                "A call with another body or path was made with this `Idempotency-Key`; a new call needs a new key.",
            ),
            Error::Database(error) => error.into(),
        }
    }
}

impl From<crate::identity::Error> for Problem {
    fn from(error: crate::identity::Error) -> Self {
        use crate::identity::Error;
        let (kind, detail) = match &error {
            Error::Unreachable(_) => (Kind::ProviderFailed, "The identity provider cannot be reached."),
            Error::Timeout { .. } => (Kind::ProviderTimeout, "The identity provider did not answer in time."),
            Error::Redirected { .. } => (
                Kind::ProviderFailed,
                "The identity provider redirects, which is not followed.",
            ),
            Error::Refused { .. } => (
                Kind::ProviderRefused,
                "The identity provider refuses the service's own account.",
            ),
            Error::Failed { status: 503 } => (
                Kind::ProviderFailed,
                "The identity provider answered 503: it is unavailable, and may still be starting.",
            ),
            Error::Failed { .. } => (Kind::ProviderFailed, "The identity provider failed."),
            Error::Unreadable(_) | Error::TooLarge { .. } => {
                (Kind::ProviderFailed, "The identity provider's answer cannot be used.")
            }
            Error::ClientMissing { .. } => (
                Kind::ClientMissing,
                "The identity provider does not know the device's client; synchronize the device's identity.",
            ),
            Error::SecretMissing { .. } => (
                Kind::SecretMissing,
                "The identity provider has no secret of the device's client; synchronize the device's identity.",
            ),
            Error::SecretMasked { .. } => (
                Kind::SecretMissing,
                "The identity provider shows the secret of the device's client only masked: the service's own account \
                 has no right to see it.",
            ),
            Error::ForeignClient { .. } => (
                Kind::ForeignClient,
                "The identity provider has a client of this name that is not ours.",
            ),
            Error::Seal(_) => return Self::internal(&error),
            Error::Database(error) => return error.clone().into(),
        };
        Self::new(kind, detail).with_cause(&error)
    }
}

fn changed(what: &str) -> Problem {
    Problem::new(
        Kind::PreconditionFailed,
        format!("The {what} is not in a state that `If-Match` names; read it again."),
    )
}

fn serial_taken() -> Problem {
    let detail = "there is a device with this serial already";
    Problem::new(Kind::AlreadyExists, "There is a device with this serial already.")
        .with_errors(vec![Violation::new("/serial", detail)])
}

fn serial_in_doubt() -> Problem {
    Problem::new(
        Kind::Busy,
        "A device with this serial is being created or deleted at the identity provider.",
    )
}

fn no_such_device() -> Problem {
    Problem::not_found("There is no device with this id.")
}

impl From<crate::access::Error> for Problem {
    fn from(error: crate::access::Error) -> Self {
        use crate::access::Error;
        match error {
            Error::Unauthorized => Self::new(
                Kind::Unauthorized,
                "The call needs `Authorization: Bearer` with a valid administrator token.",
            )
            .with_header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"fleetmint\""),
            ),
            Error::Device { client_id } => Self {
                client_id: Some(client_id.into()),
                ..Self::new(Kind::Forbidden, "The token is a device's; devices may not call this.")
            },
            Error::Database(error) => error.into(),
            Error::TokenFile { .. } => {
                Self::new(Kind::Unavailable, "The administrator's token cannot be checked now.").with_cause(&error)
            }
        }
    }
}

impl From<crate::provisioning::Error> for Problem {
    fn from(error: crate::provisioning::Error) -> Self {
        use crate::provisioning::Error;
        use fleetmint_board::patch::Error as PatchError;
        use fleetmint_board::provisioning::Error as BoardError;
        match error {
            Error::NotFound => no_such_device(),
            Error::Value { cause, level } => {
                let kind = match cause {
                    BoardError::Required { .. } => Kind::ValueMissing,
                    BoardError::TooLong { .. } => Kind::ValueTooLong,
                    BoardError::DoesNotFit { .. } => Kind::DoesNotFit,
                    _ => Kind::InvalidValue,
                };
                let detail = Error::explain(&cause, level);
                let pointer = cause.setting().map(|setting| format!("/provisioning/{setting}"));
                let errors = pointer.map(|pointer| Violation::new(pointer, detail.clone()));
                Self::new(kind, detail).with_errors(errors.into_iter().collect())
            }
            Error::Url {
                setting, level, rule, ..
            } => {
                let detail = format!(
                    "{setting} {rule} ({}; the setting is provisioning.{setting})",
                    level.source()
                );
                Self::invalid(vec![Violation::new(format!("/provisioning/{setting}"), detail)])
            }
            Error::Partition(cause) => {
                let kind = match cause {
                    PatchError::DoesNotFit { .. } => Kind::DoesNotFit,
                    _ => Kind::UnusablePartition,
                };
                let pointer = match cause {
                    PatchError::WrongKey(_) => "/nvs_keys",
                    _ => "/data",
                };
                let detail = cause.to_string();
                Self::new(kind, detail.clone()).with_errors(vec![Violation::new(pointer, detail)])
            }
            Error::Identity(error) => error.into(),
            Error::Seal(error) => Self::internal(&error),
            Error::Stopped(cause) => Self::internal(&cause),
            Error::Audit(error) => Self::new(
                Kind::Unavailable,
                "The audit record of the disclosure could not be written, so nothing is disclosed.",
            )
            .with_cause(&error),
            Error::Database(error) => error.into(),
        }
    }
}
