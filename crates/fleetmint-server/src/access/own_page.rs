//! A call by cookie must come from the service's own page: a browser sends the cookie, whoever made it call.
//!
//! ```text
//! X-Fleetmint: 1                which no other origin can send: a browser asks first, and is never allowed
//! Sec-Fetch-Site: same-origin   if it is there; browsers send it where the connection is trustworthy
//! Origin: our own               on methods that change something; elsewhere if it is there
//! ```
//!
//! `same-site` is not enough: other ports of the same host are that, and cookies go to all of them.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::Error;
use crate::http::own_origin::{Origin, OwnOrigin};

const X_FLEETMINT: HeaderName = HeaderName::from_static("x-fleetmint");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const NO_HEADER: &str = "A call with a session cookie needs the header `X-Fleetmint: 1`.";

const OTHER_SITE: &str = "A call with a session cookie must come from this service's own page; `Sec-Fetch-Site` says that \
                          this one does not.";

const NO_ORIGIN: &str =
    "A call with a session cookie that changes something needs this service's own `Origin`; it has none.";

const OTHER_ORIGIN: &str = "The call's `Origin` is not this service's own. If it is, a proxy in front of the service hides \
                            the host or the scheme: set server.public_url to the address in the browser, or name the \
                            proxy in server.trusted_proxies.";

/// Checks a call by cookie.
///
/// # Errors
/// [`Error::OtherPage`].
pub(super) fn check(parts: &Parts, own: &OwnOrigin) -> Result<(), Error> {
    check_headers(parts, own, !parts.method.is_safe())
}

/// Checks a sign-in, which has no cookie yet: otherwise another page could sign somebody in under a token of its own.
/// Only a browser sends an `Origin`.
///
/// # Errors
/// [`Error::OtherPage`].
pub(super) fn check_sign_in(parts: &Parts, own: &OwnOrigin) -> Result<(), Error> {
    check_headers(parts, own, false)
}

fn check_headers(parts: &Parts, own: &OwnOrigin, needs_origin: bool) -> Result<(), Error> {
    let headers = &parts.headers;
    if only(headers, &X_FLEETMINT).is_none_or(|value| value != "1") {
        return Err(Error::OtherPage(NO_HEADER));
    }
    if headers.contains_key(SEC_FETCH_SITE) && only(headers, &SEC_FETCH_SITE).is_none_or(|site| site != "same-origin") {
        return Err(Error::OtherPage(OTHER_SITE));
    }
    match Origin::read(headers) {
        Origin::Absent if needs_origin => Err(Error::OtherPage(NO_ORIGIN)),
        Origin::Absent => Ok(()),
        Origin::Of(origin) if own.is(&origin, headers, &parts.extensions) => Ok(()),
        Origin::Of(_) | Origin::Opaque => Err(Error::OtherPage(OTHER_ORIGIN)),
    }
}

/// The header's one value; `None` if there are several.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}
