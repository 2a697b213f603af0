//! Who is calling: the first argument that a handler takes, unless it is for everybody.
//!
//! A test asks every operation of the OpenAPI document without a token, with a device's and with wrong ones, so that none
//! forgets it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, header};

use super::problem::Problem;
use crate::access::Caller;
use crate::access::refusals::WAIT;
use crate::app::App;
use crate::source::Source;

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let authorization = authorization(&parts.headers);
        let source = source(&parts.extensions);
        if app.refusals.are_too_many(source) {
            tokio::time::sleep(WAIT).await;
        }
        let principal = app.access.authenticate(authorization, &app.identity, app.clock.now())?;
        Ok(Self { principal, source })
    }
}

/// The call's one `Authorization` header: of two, a proxy before us may have checked the other.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    lines
        .next()
        .filter(|_| lines.next().is_none())
        .map(HeaderValue::as_bytes)
}

/// The token was wrong and the call was answered all the same: rides on the answer to the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedCredential;

/// The address that the call came from, as the server put it beside the request.
pub(crate) fn source(extensions: &Extensions) -> Source {
    extensions.get().copied().unwrap_or_default()
}
