//! The headers that every answer carries, errors included. All are constants: an answer costs no formatting.

use axum::http::header::{self, Entry};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// An answer is not a page. A browser that shows it as one must not load or run anything.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What the page of the documentation needs: its own scripts and styles, the styles that Swagger UI sets on elements,
/// its icons, and calls to this service.
const DOCUMENTATION: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// For public documents: a cache may store them, but must ask again before it uses them.
pub(crate) const NO_CACHE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));

/// Adds the security headers. A policy or caching rule that the answer has already is left as it is.
pub(crate) fn secure(headers: &mut HeaderMap) {
    or_insert(headers, header::CONTENT_SECURITY_POLICY, NO_PAGE);
    or_insert(headers, header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// Keeps an answer that holds a secret out of every cache.
pub(crate) fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, NO_STORE);
}

/// Adds the headers of the documentation's page.
pub(crate) fn documentation(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, DOCUMENTATION);
    let (name, value) = NO_CACHE;
    headers.insert(name, value);
}

fn or_insert(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if let Entry::Vacant(vacant) = headers.entry(name) {
        vacant.insert(value);
    }
}
