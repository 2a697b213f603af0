//! What a request states about its sender, unchecked.

use axum::http::{Extensions, HeaderMap, HeaderValue, header};

use crate::source::Source;

/// The call's one `Authorization` header: if there are two, a proxy before us may have checked the other one.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    lines
        .next()
        .filter(|_| lines.next().is_none())
        .map(HeaderValue::as_bytes)
}

/// The token was wrong, but the call was answered: an extension of the answer, for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedCredential;

/// The address that the call came from: an extension that the server added to the request.
pub(crate) fn source(extensions: &Extensions) -> Source {
    extensions.get().copied().unwrap_or_default()
}
