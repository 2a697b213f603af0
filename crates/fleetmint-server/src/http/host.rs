//! The header `Host`: exactly one in HTTP/1.1 (RFC 9112 §3.2). If there are two, a proxy before us may have used the other one.

use axum::extract::Request;
use axum::http::{Version, header};

use super::problem::{self, Problem};

/// What is wrong with the request's `Host`.
pub(crate) fn wrong<B>(request: &axum::http::Request<B>) -> Option<&'static str> {
    let mut lines = request.headers().get_all(header::HOST).iter();
    match (lines.next(), lines.next()) {
        (Some(host), None) if host.as_bytes().iter().all(is_allowed) => None,
        (Some(_), None) => Some("The header Host is not a host with an optional port."),
        (Some(_), Some(_)) => Some("The header Host comes more than once."),
        (None, _) if request.version() < Version::HTTP_11 => None,
        (None, _) => Some("The header Host is missing."),
    }
}

/// The characters of a host and its port (RFC 3986 §3.2.2).
fn is_allowed(byte: &u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*'
            | b'+' | b',' | b';' | b'=' | b'%' | b':' | b'[' | b']'
    )
}

/// Answers a request whose `Host` is wrong.
pub(crate) async fn refuse(request: Request) -> Problem {
    Problem::new(problem::MALFORMED_REQUEST, wrong(&request).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_host() {
        let is_right = |version, hosts: &[&[u8]]| {
            let mut request = axum::http::Request::builder().version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            wrong(&request.body(()).unwrap()).is_none()
        };
        for host in ["example.com", "example.com:8080", "[2001:db8::1]:80", "192.0.2.1", ""] {
            assert!(is_right(Version::HTTP_11, &[host.as_bytes()]), "{host}");
        }
        for host in ["a b", "a/b", "user@host", "a\tb", "ä"] {
            assert!(!is_right(Version::HTTP_11, &[host.as_bytes()]), "{host}");
        }
        assert!(!is_right(Version::HTTP_11, &[]));
        assert!(!is_right(Version::HTTP_11, &[b"a", b"a"]));
        assert!(is_right(Version::HTTP_10, &[]));
        assert!(!is_right(Version::HTTP_10, &[b"a", b"b"]));
    }
}
