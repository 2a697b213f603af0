//! What a request says of its sender, unchecked.

use axum::http::{Extensions, HeaderMap, HeaderValue, header};

use crate::source::Source;

/// The call's one `Authorization` header: of two, a proxy before us may have checked the other.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    lines
        .next()
        .filter(|_| lines.next().is_none())
        .map(HeaderValue::as_bytes)
}

/// The token was wrong and the call was answered all the same: an extension of the answer, for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedCredential;

/// The address that the call came from, as the server put it beside the request.
pub(crate) fn source(extensions: &Extensions) -> Source {
    extensions.get().copied().unwrap_or_default()
}
