//! Whether a request comes from a page of this service itself, by its header `Origin` (RFC 6454).
//!
//! Our own origin is that of `server.public_url`, and `http://` with the request's `Host`: TLS ends in front of this
//! service. A trusted proxy may say by which scheme and host it was called. Only a browser's page cannot choose the
//! headers here: that is all that this protects from.

use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use super::forwarded::{Header, UnquotedParts};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The request came from a trusted proxy, which says in this header how it was called: an extension that the server
/// added to the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByProxy(pub(crate) Header);

/// The origin in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// There is no such header.
    Absent,
    /// A scheme, host and port.
    Of(String),
    /// `null`, several, or no origin at all.
    Opaque,
}

impl Origin {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(header::ORIGIN).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Self::Absent,
            (Some(line), None) => line.to_str().ok().and_then(origin).map_or(Self::Opaque, Self::Of),
            (Some(_), Some(_)) => Self::Opaque,
        }
    }

    pub(crate) fn is_https(&self) -> bool {
        matches!(self, Self::Of(origin) if origin.starts_with("https://"))
    }
}

/// The origins of this service.
#[derive(Clone, Debug)]
pub(crate) struct OwnOrigin {
    public: Option<String>,
}

impl OwnOrigin {
    pub(crate) fn new(public_url: Option<&str>) -> Self {
        let url = public_url.and_then(|url| Url::parse(url).ok());
        Self {
            public: url.map(|url| url.origin().ascii_serialization()),
        }
    }

    /// Whether this origin, in a request with these headers, is the service's own.
    pub(crate) fn is(&self, given: &str, headers: &HeaderMap, extensions: &Extensions) -> bool {
        self.public.as_deref() == Some(given) || called(headers, extensions).as_deref() == Some(given)
    }
}

/// The origin that was called: that of the request, or of the request to the trusted proxy.
fn called(headers: &HeaderMap, extensions: &Extensions) -> Option<String> {
    let (scheme, host) = match extensions.get::<ByProxy>() {
        Some(ByProxy(header)) => forwarded(*header, headers),
        None => (None, None),
    };
    let scheme = scheme.unwrap_or("http");
    let host = match host {
        Some(host) => host,
        None => headers.get(header::HOST)?.to_str().ok()?,
    };
    origin(&format!("{scheme}://{host}"))
}

/// The scheme and host by which a trusted proxy was called, as far as it says so. The last of several is the proxy's own
/// word.
fn forwarded(header: Header, headers: &HeaderMap) -> (Option<&str>, Option<&str>) {
    match header {
        Header::XForwardedFor => (last(headers, &X_FORWARDED_PROTO), last(headers, &X_FORWARDED_HOST)),
        Header::Forwarded => {
            let line = headers.get_all(header::FORWARDED).into_iter().next_back();
            let element = line.and_then(|line| UnquotedParts::new(line.as_bytes(), b',').next());
            let value = |name: &str| {
                let pairs = UnquotedParts::new(element?, b';');
                let mut values = pairs.filter_map(|pair| {
                    let (known, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
                    known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
                });
                let value = values.next()?;
                let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                Some(unquoted.unwrap_or(value))
            };
            (value("proto"), value("host"))
        }
    }
}

fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let line: &HeaderValue = headers.get_all(name).into_iter().next_back()?;
    let last = line.to_str().ok()?.rsplit(',').next()?.trim();
    Some(last).filter(|last| !last.is_empty())
}

/// An http or https origin as browsers write it; `None` for anything else, a path, a user name or `null` included.
fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && matches!(url.path(), "" | "/")
        && !text.ends_with('/')
        && !text.contains(['@', '?', '#', '\\'])
        && text.contains("://");
    is_origin.then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn is_own(public_url: Option<&str>, by: Option<Header>, given: &str, lines: &[(&'static str, &str)]) -> bool {
        let mut extensions = Extensions::new();
        extensions.extend(
            by.map(|header| {
                let mut by = Extensions::new();
                by.insert(ByProxy(header));
                by
            })
            .unwrap_or_default(),
        );
        let headers = headers(&[&[("origin", given)], lines].concat());
        match Origin::read(&headers) {
            Origin::Of(origin) => OwnOrigin::new(public_url).is(&origin, &headers, &extensions),
            Origin::Absent | Origin::Opaque => false,
        }
    }

    #[test]
    fn our_own_origin_has_the_scheme_host_and_port_that_were_called() {
        let own = |given, host| is_own(None, None, given, &[("host", host)]);
        for (given, host) in [
            ("http://fleet.example", "fleet.example"),
            ("http://fleet.example", "Fleet.Example:80"),
            ("http://fleet.example:8080", "fleet.example:8080"),
            ("http://192.0.2.1:8080", "192.0.2.1:8080"),
            ("http://[2001:db8::1]:8080", "[2001:DB8::1]:8080"),
        ] {
            assert!(own(given, host), "{given} at {host}");
        }
        for (given, host) in [
            ("http://fleet.example:8081", "fleet.example:8080"),
            ("https://fleet.example", "fleet.example"),
            ("http://fleet.example", "www.fleet.example"),
            ("http://www.fleet.example", "fleet.example"),
            ("http://fleet.example.evil.example", "fleet.example"),
            ("http://127.0.0.1:8080", "localhost:8080"),
            ("null", "null"),
            ("file://", ""),
            ("", "fleet.example"),
            ("fleet.example", "fleet.example"),
            ("http://fleet.example/", "fleet.example"),
            ("http://fleet.example/a", "fleet.example"),
            ("http://evil.example@fleet.example", "fleet.example"),
            ("http://fleet.example, http://fleet.example", "fleet.example"),
            ("chrome-extension://fleet.example", "fleet.example"),
        ] {
            assert!(!own(given, host), "{given} at {host}");
        }
        let twice = headers(&[("origin", "http://a"), ("origin", "http://a")]);
        assert_eq!(Origin::read(&twice), Origin::Opaque);
        assert_eq!(Origin::read(&HeaderMap::new()), Origin::Absent);
    }

    #[test]
    fn the_public_url_is_our_own_whatever_the_host_is() {
        let public = Some("https://fleet.example/fleetmint");
        assert!(is_own(
            public,
            None,
            "https://fleet.example",
            &[("host", "10.0.0.1:8080")]
        ));
        assert!(is_own(
            public,
            None,
            "https://FLEET.example:443",
            &[("host", "10.0.0.1:8080")]
        ));
        assert!(!is_own(
            public,
            None,
            "http://fleet.example",
            &[("host", "10.0.0.1:8080")]
        ));
        assert!(!is_own(
            public,
            None,
            "https://fleet.example:8443",
            &[("host", "10.0.0.1:8080")]
        ));
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let given = "https://fleet.example";
        let host = ("host", "10.0.0.1:8080");
        for lines in [
            &[
                host,
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "fleet.example"),
            ][..],
            &[
                host,
                ("x-forwarded-proto", "http, https"),
                ("x-forwarded-host", "a, fleet.example"),
            ],
            &[("host", "fleet.example"), ("x-forwarded-proto", "https")],
        ] {
            assert!(is_own(None, Some(Header::XForwardedFor), given, lines), "{lines:?}");
            assert!(!is_own(None, Some(Header::Forwarded), given, lines), "{lines:?}");
            assert!(!is_own(None, None, given, lines), "{lines:?}");
        }
        for line in [
            "for=192.0.2.1;proto=https;host=fleet.example",
            "for=192.0.2.1;Proto=https;HOST=\"fleet.example:443\"",
            "proto=http;host=a, for=192.0.2.1;proto=https;host=fleet.example",
        ] {
            let lines = [host, ("forwarded", line)];
            assert!(is_own(None, Some(Header::Forwarded), given, &lines), "{line}");
            assert!(!is_own(None, Some(Header::XForwardedFor), given, &lines), "{line}");
            assert!(!is_own(None, None, given, &lines), "{line}");
        }
    }
}
