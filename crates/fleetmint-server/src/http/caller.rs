//! Lets nobody past who has not shown who they are.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::access::Caller;
use crate::app::App;

/// Stands before every route that is not public.
pub(super) async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let mut lines = request.headers().get_all(header::AUTHORIZATION).iter();
    // Of two, a proxy before us may have checked the other.
    let authorization = lines
        .next()
        .filter(|_| lines.next().is_none())
        .map(HeaderValue::as_bytes);
    let principal = match app.access.authenticate(authorization, &app.identity, app.clock.now()) {
        Ok(principal) => principal,
        Err(error) => return Problem::from(error).into_response(),
    };
    let source = source(request.extensions());
    request.extensions_mut().insert(Caller { principal, source });
    next.run(request).await
}

/// The address that the call came from; a proxy's, where there is one.
pub(crate) fn source(extensions: &Extensions) -> String {
    let address = extensions.get::<ConnectInfo<SocketAddr>>();
    address
        .map(|ConnectInfo(address)| address.ip().to_canonical().to_string())
        .unwrap_or_default()
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let known = parts.extensions.remove::<Self>();
        known.ok_or_else(|| Problem::internal(&"a handler asks for the caller on a route that lets everybody in"))
    }
}
