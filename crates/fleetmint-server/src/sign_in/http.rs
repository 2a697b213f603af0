use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{KnownFormat, Schema, SchemaFormat};
use zeroize::Zeroizing;

use super::Error;
use crate::access::Caller;
use crate::access::http::SignIn;
use crate::app::App;
use crate::http::extract;
use crate::http::problem::Problem;
use crate::http::schema;
use crate::http::time::Time;
use crate::secret::{self, Secret};

/// The largest body of a sign-in in bytes.
const BODY_MAX: usize = 4 << 10;

/// The token of somebody who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSession {
    /// The administrator's token.
    #[schema(schema_with = token)]
    token: Secret,
}

fn token() -> Schema {
    schema::text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .write_only(true)
        .into()
}

impl<S: Send + Sync> FromRequest<S> for CreateSession {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        extract::parse(extract::json(request, BODY_MAX).await?.as_ref())
    }
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// The name in the audit trail.
    #[schema(example = "administrator")]
    name: &'static str,
    /// What they may do.
    #[schema(example = "administrator")]
    role: &'static str,
    /// When the session ends if no other call comes; `null` for a call with a token of its own.
    #[schema(schema_with = schema::optional_time)]
    expires_at: Option<Time>,
}

/// The key for the page's backups.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackupKey<'a> {
    /// 32 bytes in standard padded base64.
    #[schema(format = Byte)]
    key: &'a str,
}

/// The header that the service's own page sends, and that no other page can.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents the header, which access reads")]
pub(crate) struct PageHeader {
    /// `1`. Without it the answer is a 403: no page of another origin can send it.
    #[param(rename = "X-Fleetmint", required = false, pattern = "^1$", example = "1")]
    x_fleetmint: String,
}

/// Signs in at the page: begins a session, whose cookie the answer sets.
///
/// The cookie is `__Host-fleetmint` if the `Origin` is https, else `fleetmint-` and a number of this service. The session
/// ends after 8 hours without a call, after 24 hours in all, by a sign-out, and when the administrator's token is replaced.
/// Each call by cookie needs the header `X-Fleetmint: 1`, and this service's own `Origin` if it changes something.
#[utoipa::path(
    post, path = "/api/session", tag = "session",
    params(PageHeader),
    request_body = CreateSession,
    responses(
        (status = 204, description = "Signed in", headers(("Set-Cookie" = String, description = "The session's cookie"))),
        (status = 401, description = "It is not a valid token"),
        (status = 403, description = "The token is a device's, or the call does not come from the service's own page"),
        (status = 422, description = "The body has not the members of a sign-in"),
        (status = 503, description = "The service is temporarily unavailable"),
    )
)]
pub(crate) async fn create_session(
    State(app): State<App>,
    sign_in: SignIn,
    headers: HeaderMap,
    CreateSession { token }: CreateSession,
) -> Result<Response, Problem> {
    let (sessions, cookie) = (app.gate.sessions().clone(), sign_in.cookie);
    let replaced = sessions.cookies().sessions(&headers).into_iter();
    let replaced = replaced.filter(|(kind, _)| *kind == cookie).map(|(_, id)| id);
    let token = super::sign_in(&app, sign_in.source, token, replaced.collect()).await?;
    Ok(with_cookie(sessions.cookies().set(cookie, &token)))
}

/// Who is calling, and until when the session lasts.
#[utoipa::path(
    get, path = "/api/session", tag = "session",
    responses((status = 200, description = "The caller", body = Session))
)]
pub(crate) async fn get_session(caller: Caller) -> Json<Session> {
    Json(Session {
        name: caller.principal.name(),
        role: caller.principal.role().name(),
        expires_at: caller.signed_in.map(|signed_in| Time(signed_in.session.expires_at())),
    })
}

/// Signs out: ends the session whose cookie the call has, and no other.
///
/// A call with a token of its own has no session to end, and changes nothing.
#[utoipa::path(
    delete, path = "/api/session", tag = "session",
    responses((
        status = 204, description = "Signed out",
        headers(("Set-Cookie" = String, description = "Deletes the session's cookie")),
    ))
)]
pub(crate) async fn delete_session(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    super::sign_out(&app, &caller).await?;
    let cookie = caller.signed_in.map(|signed_in| signed_in.cookie);
    Ok(with_cookie(
        cookie.and_then(|cookie| app.gate.sessions().cookies().clear(cookie)),
    ))
}

/// The key with which the page seals its backups of boards before it stores them in the browser.
///
/// It is the same for everybody who is signed in at this service, so that a backup can be opened after the next sign-in,
/// and by nobody without one. The answer is sent only after its audit record is on the disk, and must not be cached.
#[utoipa::path(
    get, path = "/api/session/backup-key", tag = "session",
    responses((status = 200, description = "The key", body = BackupKey))
)]
pub(crate) async fn get_backup_key(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let key = super::backup_key(&app, &caller).await?;
    let mut text = Zeroizing::new(String::with_capacity(KEY_TEXT_LEN));
    BASE64_STANDARD.encode_string(key.as_ref(), &mut text);
    let json = secret::json(&BackupKey { key: &text }).map_err(|error| Problem::internal(&error))?;
    let json_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((json_type, Bytes::from_owner(json)).into_response())
}

/// The number of base64 characters for 32 bytes.
const KEY_TEXT_LEN: usize = 44;

fn with_cookie(cookie: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response
        .headers_mut()
        .extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(error) => error.into(),
            Error::Audit(error) => error.into(),
            Error::Database(error) => error.into(),
        }
    }
}
