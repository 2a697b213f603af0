//! Who is calling: the first thing that a handler takes, unless it is for everybody.
//!
//! A test asks every operation of the OpenAPI document without a token, with a device's and with wrong ones, so that none
//! forgets it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue, header};

use super::problem::Problem;
use crate::access::Caller;
use crate::access::refusals::WAIT;
use crate::app::App;
use crate::source::Source;

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let mut lines = parts.headers.get_all(header::AUTHORIZATION).iter();
        // Of two, a proxy before us may have checked the other.
        let authorization = lines
            .next()
            .filter(|_| lines.next().is_none())
            .map(HeaderValue::as_bytes);
        let source = source(&parts.extensions);
        if app.refusals.are_too_many(source) {
            tokio::time::sleep(WAIT).await;
        }
        let principal = app.access.authenticate(authorization, &app.identity, app.clock.now())?;
        Ok(Self { principal, source })
    }
}

/// The address that the call came from, as the server put it beside the request.
pub(crate) fn source(extensions: &Extensions) -> Source {
    extensions.get().copied().unwrap_or_default()
}
