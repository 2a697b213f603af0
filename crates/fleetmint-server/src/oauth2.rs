//! The endpoints of the built-in identity provider: its token endpoint, and the two documents that verifiers of tokens
//! begin with. The token endpoint answers as RFC 6749 §5 requires, not with problem+json: OAuth clients understand
//! nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::app::App;
use crate::database::Connection;
use crate::http::answer_headers::NO_CACHE;
use crate::http::extract::{IDENTITY, is_chunked_at_most, is_uncoded};
use crate::http::problem::{self, Cause, Problem, RETRY_AFTER, RefusedClient, kinds};
use crate::http::{body, sender};
use crate::identity::builtin::form::{self, Form};
use crate::identity::builtin::{Builtin, Credentials, Denied, Jwk, LIFETIME};
use crate::identity::{Error, Identity};
use crate::operation::Operation;
use crate::secret::{self, Secret};

kinds! {
    NOT_CONFIGURED = SERVICE_UNAVAILABLE, "not-configured", "A required setting is missing", false;
}

/// RFC 6749 §5.1 asks for it beside `Cache-Control: no-store`, which every answer that holds a secret has.
const NO_CACHE_PRAGMA: HeaderValue = HeaderValue::from_static("no-cache");

/// The largest request body in bytes.
const BODY_MAX: usize = 16 * 1024;

/// The delay of the answer after a wrong secret.
const FAILURE_COSTS: Duration = Duration::from_millis(250);

/// The delay of each failure over the limit.
const TOO_MANY_COST: Duration = Duration::from_secs(1);

/// Documents the form, which is read field by field, so that an error can name the wrong field.
pub(crate) struct TokenRequest;

impl utoipa::PartialSchema for TokenRequest {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let description = "The request of a device for a token. Client id and secret can also come by HTTP Basic, \
                           form-encoded. Other parameters are ignored; none may be repeated.";
        ObjectBuilder::new()
            .description(Some(description))
            .property("grant_type", text().enum_values(Some(["client_credentials"])))
            .required("grant_type")
            .property("client_id", text().examples(["iotdevice-tempsensor-a1b2c3d4"]))
            .property("client_secret", text())
            .additional_properties(Some(text()))
            .into()
    }
}

impl ToSchema for TokenRequest {}

/// A token (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer<'a> {
    /// A JWT signed with ES256.
    access_token: &'a str,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 300)]
    expires_in: i64,
}

/// Why no token was issued (RFC 6749 §5.2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenError)]
pub(crate) struct OAuthError {
    #[schema(example = "invalid_client")]
    error: &'static str,
    error_description: String,
    #[serde(skip)]
    status: StatusCode,
    /// Whole seconds.
    #[serde(skip)]
    retry_after: Option<u64>,
    #[serde(skip)]
    cause: Option<String>,
    /// The client that was refused.
    #[serde(skip)]
    client_id: Option<String>,
}

impl OAuthError {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            error,
            error_description: description.into(),
            status,
            retry_after: None,
            cause: None,
            client_id: None,
        }
    }

    fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    fn invalid_client(description: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    fn unavailable(error: &Error) -> Self {
        Self {
            cause: Some(error.to_string()),
            retry_after: Some(RETRY_AFTER),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "no token can be issued now",
            )
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let (status, retry_after, cause) = (self.status, self.retry_after, self.cause.clone());
        let client_id = self.client_id.clone();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::PRAGMA, NO_CACHE_PRAGMA);
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"fleetmint\", charset=\"UTF-8\""),
            );
        }
        if let Some(seconds) = retry_after {
            headers.extend([problem::retry_after(seconds)]);
        }
        if let Some(cause) = cause {
            response.extensions_mut().insert(Cause(cause.into()));
        }
        if let Some(client_id) = client_id {
            response.extensions_mut().insert(RefusedClient(client_id.into()));
        }
        response
    }
}

/// Issues a token to a device (the client-credentials grant).
#[utoipa::path(
    post, path = "/oauth2/token", tag = "built-in identity provider",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token", body = TokenAnswer),
        (status = 400, description = "The request is not a token request", body = OAuthError),
        (status = 401, description = "The client is unknown, disabled, or has another secret", body = OAuthError),
        (status = 404, description = "Devices have another identity provider"),
        (status = 415, description = "The body has a content coding", body = OAuthError),
        (status = 501, description = "The body has a transfer coding other than chunked", body = OAuthError),
        (status = 429, description = "The secret is wrong, and this address tried wrong ones for the client too often; the right secret is always accepted", body = OAuthError,
            headers(("Retry-After" = i64, description = "How long to wait, in seconds"))),
        (status = 503, description = "No token can be issued now, or server.public_url is not set", body = OAuthError),
    )
)]
pub(crate) async fn issue_token(State(app): State<App>, request: Request) -> Result<Response, Response> {
    let Identity::Builtin(builtin) = &app.identity else {
        return Err(not_here().into_response());
    };
    match grant(&app, builtin, request).await {
        Ok(token) => {
            let answer = TokenAnswer {
                access_token: token.expose(),
                token_type: "Bearer",
                expires_in: LIFETIME.as_secs(),
            };
            let json = secret::json(&answer).map_err(|error| Problem::internal(&error).into_response())?;
            let mut response = Bytes::from_owner(json).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::PRAGMA, NO_CACHE_PRAGMA);
            Ok(response)
        }
        Err(error) => Err(error.into_response()),
    }
}

async fn grant(app: &App, builtin: &Builtin, request: Request) -> Result<Secret, OAuthError> {
    let (parts, body) = request.into_parts();
    let source = sender::source(&parts.extensions);
    let mut form = read_form(&parts.headers, body).await?;
    let credentials = credentials(&mut form, &parts.headers)?;
    if form.grant_type.as_deref() != Some("client_credentials") {
        return Err(OAuthError::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "grant_type must be client_credentials",
        ));
    }
    if form.scope.is_some() {
        return Err(OAuthError::new(
            StatusCode::BAD_REQUEST,
            "invalid_scope",
            "there are no scopes; leave the parameter scope out",
        ));
    }
    let Some(issuer) = builtin.issuer() else {
        return Err(OAuthError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "the setting server.public_url is not set, but a token must name it as its issuer",
        ));
    };
    let (provider, client_id) = (builtin.clone(), credentials.client_id.clone());
    let clock = Arc::clone(&app.clock);
    let prove = move |connection: &mut Connection| {
        Ok::<_, Error>(provider.authenticate(connection, &credentials, source, &*clock))
    };
    let proved = app.database.read(prove).await;
    match proved.unwrap_or_else(|error| Err(Denied::Provider(error))) {
        Ok(()) => builtin
            .issue(issuer, &client_id, app.clock.now())
            .map_err(|error| OAuthError::unavailable(&error)),
        Err(Denied::Invalid) => {
            tokio::time::sleep(FAILURE_COSTS).await;
            Err(OAuthError {
                client_id: Some(client_id),
                ..OAuthError::invalid_client("the client is unknown, disabled, or has another secret")
            })
        }
        Err(Denied::TooOften { wait }) => {
            tokio::time::sleep(TOO_MANY_COST).await;
            Err(OAuthError {
                retry_after: Some(wait.as_secs() + 1),
                client_id: Some(client_id),
                ..OAuthError::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "invalid_client",
                    "the client is unknown, disabled, or has another secret, and this address tried too often; try \
                     again later",
                )
            })
        }
        Err(Denied::Provider(error)) => Err(OAuthError::unavailable(&error)),
    }
}

/// The form of a request, where it has one of the right media type.
async fn read_form(headers: &HeaderMap, body: Body) -> Result<Form, OAuthError> {
    if !is_chunked_at_most(headers) {
        return Err(OAuthError {
            status: StatusCode::NOT_IMPLEMENTED,
            ..OAuthError::invalid_request("the body has a transfer coding other than chunked")
        });
    }
    if !is_uncoded(headers) {
        return Err(OAuthError {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ..OAuthError::invalid_request("the body has a content coding, which is not supported")
        });
    }
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    if !media_type
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    {
        return Err(OAuthError::invalid_request(
            "the body must be application/x-www-form-urlencoded",
        ));
    }
    let body = body::read(body, BODY_MAX).await.map_err(|_| {
        OAuthError::invalid_request(format!(
            "the body did not arrive completely and in time, or has more than {BODY_MAX} bytes"
        ))
    })?;
    let form = Form::parse(body.as_ref()).map_err(|error| OAuthError::invalid_request(error.to_string()))?;
    if form.grant_type.is_none() {
        return Err(OAuthError::invalid_request("grant_type is missing"));
    }
    Ok(form)
}

/// By HTTP Basic or in the form, but not both (RFC 6749 §2.3).
fn credentials(form: &mut Form, headers: &HeaderMap) -> Result<Credentials, OAuthError> {
    let (client_id, client_secret) = (form.client_id.take(), form.client_secret.take());
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return match (client_id, client_secret) {
            (Some(client_id), Some(client_secret)) => Ok(Credentials {
                client_id,
                client_secret: client_secret.into(),
            }),
            _ => Err(OAuthError::invalid_client(
                "client_id and client_secret are needed, in the form or by HTTP Basic",
            )),
        };
    };
    if lines.next().is_some() {
        return Err(OAuthError::invalid_request("there are two Authorization headers"));
    }
    let (id, secret) = line.to_str().ok().and_then(form::basic).ok_or_else(|| {
        OAuthError::invalid_client("the header Authorization is not HTTP Basic with a client id and its secret")
    })?;
    if client_secret.is_some() {
        return Err(OAuthError::invalid_request(
            "the client authenticates in two ways at once",
        ));
    }
    if client_id.is_some_and(|client_id| client_id != id) {
        return Err(OAuthError::invalid_request("the form and the header name two clients"));
    }
    Ok(Credentials {
        client_id: id,
        client_secret: secret.into(),
    })
}

/// The provider's metadata (OpenID Connect Discovery 1.0, RFC 8414).
#[derive(Serialize, ToSchema)]
pub(crate) struct Discovery {
    #[schema(example = "https://fleetmint.example.com")]
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    /// The specifications require these three; the service does not use them.
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

/// The token endpoint, and how to verify tokens.
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "built-in identity provider",
    responses(
        (status = 200, description = "The provider's metadata", body = Discovery),
        (status = 404, description = "Devices have another identity provider"),
        (status = 503, description = "server.public_url is not set"),
    )
)]
pub(crate) async fn get_discovery(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let Identity::Builtin(builtin) = &app.identity else {
        return Err(not_here());
    };
    let Some(issuer) = builtin.issuer() else {
        return Err(Problem::new(
            NOT_CONFIGURED,
            "The setting server.public_url is not set, and there is no issuer without it.",
        ));
    };
    let discovery = Discovery {
        issuer: issuer.to_owned(),
        token_endpoint: format!("{issuer}{}", Operation::IssueToken.path()),
        jwks_uri: format!("{issuer}{}", Operation::GetJwks.path()),
        grant_types_supported: ["client_credentials"],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        response_types_supported: ["token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["ES256"],
    };
    Ok(([NO_CACHE], Json(discovery)))
}

/// The keys that tokens are signed with (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct Jwks {
    keys: Vec<Jwk>,
}

/// The public keys of the built-in identity provider.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "built-in identity provider",
    responses(
        (status = 200, description = "The public keys", body = Jwks),
        (status = 404, description = "Devices have another identity provider"),
    )
)]
pub(crate) async fn get_jwks(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    match &app.identity {
        Identity::Builtin(builtin) => {
            let keys = builtin.jwks(app.clock.now()).await;
            Ok(([NO_CACHE], Json(Jwks { keys })))
        }
        Identity::Keycloak(_) => Err(not_here()),
    }
}

fn not_here() -> Problem {
    Problem::not_found("Devices get their tokens from another identity provider here: see identity.provider.")
}
