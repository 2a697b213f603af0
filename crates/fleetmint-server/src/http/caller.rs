//! Who is calling: the first thing that a handler takes, unless it is for everybody.
//!
//! A test asks every operation of the OpenAPI document without a token, with a device's and with wrong ones, so that none
//! forgets it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue, header};

use super::problem::Problem;
use crate::access::Caller;
use crate::app::App;

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let mut lines = parts.headers.get_all(header::AUTHORIZATION).iter();
        // Of two, a proxy before us may have checked the other.
        let authorization = lines
            .next()
            .filter(|_| lines.next().is_none())
            .map(HeaderValue::as_bytes);
        let principal = app.access.authenticate(authorization, &app.identity, app.clock.now())?;
        Ok(Self {
            principal,
            source: source(&parts.extensions),
        })
    }
}

/// The address that the call came from; a proxy's, where there is one.
pub(crate) fn source(extensions: &Extensions) -> String {
    let address = extensions.get::<ConnectInfo<SocketAddr>>();
    address
        .map(|ConnectInfo(address)| address.ip().to_canonical().to_string())
        .unwrap_or_default()
}
