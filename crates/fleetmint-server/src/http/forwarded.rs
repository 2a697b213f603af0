//! The address of a caller behind proxies: `X-Forwarded-For`, or `Forwarded` (RFC 7239), read from the right.
//!
//! Each proxy adds the address that it was called from at the right end. So an entry is only as reliable as the proxy
//! that wrote it, and the first address from the right that is not a trusted proxy's is the caller's. Everything
//! further left came from the caller: it may be any bytes, and must not hide what the proxy added to the same line. So
//! lines are split as bytes, and the reading ends at an entry that cannot be read.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::source::Source;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header in which a proxy says who called it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// The trusted proxies, and the one header that is read from them.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    header: Header,
}

impl Proxies {
    pub(crate) fn new(trusted: Vec<IpNet>, header: Header) -> Self {
        Self { trusted, header }
    }

    /// The header that is read.
    pub(crate) fn header(&self) -> Header {
        self.header
    }

    /// Whether this peer is a trusted proxy.
    pub(crate) fn trusts(&self, peer: Source) -> bool {
        let address = peer.address();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The caller's address. If an entry cannot be read, it is the address of the last trusted hop.
    pub(crate) fn caller(&self, peer: Source, headers: &HeaderMap) -> Source {
        match self.header {
            Header::XForwardedFor => {
                let lines = lines(headers, &X_FORWARDED_FOR);
                self.last_untrusted(
                    peer,
                    lines.flat_map(|line| line.rsplit(|&byte| byte == b',').map(address)),
                )
            }
            Header::Forwarded => {
                let lines = lines(headers, &FORWARDED);
                self.last_untrusted(
                    peer,
                    lines.flat_map(|line| UnquotedParts::new(line, b',').map(forwarded_for)),
                )
            }
        }
    }

    fn last_untrusted(&self, peer: Source, entries: impl Iterator<Item = Entry>) -> Source {
        let mut hop = peer;
        for entry in entries {
            match entry {
                _ if !self.trusts(hop) => return hop,
                Entry::Address(address) => hop = Source::new(address),
                Entry::Empty => {}
                Entry::Unreadable => return hop,
            }
        }
        hop
    }
}

/// The lines of a header, the last first: together they are one list (RFC 9110 §5.3).
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers.get_all(name).into_iter().rev().map(HeaderValue::as_bytes)
}

/// One entry of the list.
enum Entry {
    Address(IpAddr),
    /// Nothing between two commas, which a list may have (RFC 9110 §5.6.1).
    Empty,
    Unreadable,
}

/// An address as proxies write it: bare, or with a port; IPv6 with a port is in brackets.
fn address(part: &[u8]) -> Entry {
    let part = part.trim_ascii();
    if part.is_empty() {
        return Entry::Empty;
    }
    let Ok(text) = str::from_utf8(part) else {
        return Entry::Unreadable;
    };
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let address = text
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
        .or_else(bracketed);
    address.map_or(Entry::Unreadable, Entry::Address)
}

/// The address in `for=192.0.2.60;proto=https` or `for="[2001:db8::1]:4711"` (RFC 7239 §4). `unknown` and names that
/// proxies use to hide addresses (`_gateway`) are not addresses. The other pairs are not read: a proxy may copy them
/// from the caller (`host`).
fn forwarded_for(element: &[u8]) -> Entry {
    let element = element.trim_ascii();
    if element.is_empty() {
        return Entry::Empty;
    }
    let mut given = Entry::Unreadable;
    let mut seen = false;
    for pair in UnquotedParts::new(element, b';') {
        let mut name_and_value = pair.splitn(2, |&byte| byte == b'=');
        let (Some(name), Some(value)) = (name_and_value.next(), name_and_value.next()) else {
            return Entry::Unreadable;
        };
        if name.trim_ascii().eq_ignore_ascii_case(b"for") {
            if seen {
                return Entry::Unreadable;
            }
            seen = true;
            let value = value.trim_ascii();
            let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            given = match address(unquoted.unwrap_or(value)) {
                Entry::Empty => Entry::Unreadable,
                entry => entry,
            };
        }
    }
    given
}

/// The parts between separators outside quoted strings, from the right, so that a quotation mark that the caller left
/// open only affects the parts to its left.
pub(super) struct UnquotedParts<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> UnquotedParts<'a> {
    pub(super) fn new(line: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(line),
            separator,
        }
    }
}

impl<'a> Iterator for UnquotedParts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut quoted = false;
        let at = rest.iter().enumerate().rposition(|(at, &byte)| {
            // Reading enters a quoted string at its end. A quotation mark after a backslash is not its beginning.
            if byte == b'"' && !(quoted && is_escaped(rest, at)) {
                quoted = !quoted;
            }
            !quoted && byte == self.separator
        });
        match at.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) {
            Some((before, part)) => {
                self.rest = Some(before);
                Some(part)
            }
            None => self.rest.take(),
        }
    }
}

/// Whether the byte at this position of a quoted string is escaped by a backslash (RFC 9110 §5.6.4). Of two
/// backslashes, the second is escaped by the first.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(header: Header, peer: &str, lines: &[impl AsRef<[u8]>]) -> String {
        let name = match header {
            Header::XForwardedFor => X_FORWARDED_FOR,
            Header::Forwarded => FORWARDED,
        };
        let proxies = Proxies {
            trusted: ["10.0.0.0/8", "2001:db8:1::/48"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
            header,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line.as_ref()).unwrap());
        }
        proxies.caller(Source::new(peer.parse().unwrap()), &headers).to_string()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_and_only_from_trusted_peers() {
        for (peer, lines, expected) in [
            ("10.0.0.1", &[] as &[&str], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
            // This peer is not trusted, whatever it claims.
            ("192.0.2.9", &["192.0.2.7"], "192.0.2.9"),
            // The first untrusted address wrote everything to its left.
            ("10.0.0.1", &["203.0.113.1, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["203.0.113.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1", &["203.0.113.1, 10.0.0.3, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            // Several lines are one list.
            ("10.0.0.1", &["203.0.113.1", "192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1", &["", "192.0.2.7 , ,\t"], "192.0.2.7"),
            // Mapped addresses, ports and brackets.
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7"),
            ("2001:db8:1::5", &["2001:db8:2::7"], "2001:db8:2::7"),
            ("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7"),
            ("10.0.0.1", &["[2001:db8:2::7]"], "2001:db8:2::7"),
            ("10.0.0.1", &["[2001:db8:2::7]:4711"], "2001:db8:2::7"),
            // An entry that cannot be read ends the reading at the last trusted hop.
            ("10.0.0.1", &["192.0.2.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7, 10.0.0.256, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["192.0.2.7", "Gästenetz"], "10.0.0.1"),
            ("10.0.0.1", &["[192.0.2.7]"], "10.0.0.1"),
        ] {
            assert_eq!(caller(Header::XForwardedFor, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (lines, expected) in [
            (&["for=192.0.2.7"][..], "192.0.2.7"),
            (
                &["for=203.0.113.1, For=\"192.0.2.7:4711\";proto=https;by=10.0.0.2"],
                "192.0.2.7",
            ),
            (&["proto=https ; for=\"[2001:db8:2::7]:4711\""], "2001:db8:2::7"),
            (&["for=203.0.113.1", "for=192.0.2.7, for=10.0.0.2"], "192.0.2.7"),
            (&["for=192.0.2.7;by=\"_a,b;c\", for=10.0.0.2"], "192.0.2.7"),
            // A quotation mark that the caller left open does not affect what the proxy added.
            (&["for=\"203.0.113.1, for=192.0.2.7"], "192.0.2.7"),
            (&["for=\"203.0.113.1\\\", for=192.0.2.7"], "192.0.2.7"),
            // No address, or two addresses.
            (&["for=192.0.2.7, for=unknown"], "10.0.0.1"),
            (&["for=192.0.2.7, for=_hidden"], "10.0.0.1"),
            (&["for=192.0.2.7, proto=https"], "10.0.0.1"),
            (&["for=192.0.2.7;for=192.0.2.8"], "10.0.0.1"),
            (&["for="], "10.0.0.1"),
            (&["192.0.2.7"], "10.0.0.1"),
        ] {
            assert_eq!(caller(Header::Forwarded, "10.0.0.1", lines), expected, "{lines:?}");
        }
        assert_eq!(caller(Header::Forwarded, "192.0.2.9", &["for=192.0.2.7"]), "192.0.2.9");
    }

    #[test]
    fn bytes_that_are_not_text_only_affect_the_entries_to_their_left() {
        for (header, lines, expected) in [
            // The proxy added its entry to the caller's own line.
            (Header::XForwardedFor, &[&b"\xff, 192.0.2.7"[..]][..], "192.0.2.7"),
            (
                Header::XForwardedFor,
                &[b"203.0.113.1 \xff\t, 192.0.2.7, 10.0.0.2"],
                "192.0.2.7",
            ),
            (Header::XForwardedFor, &[b"\xff", b"192.0.2.7"], "192.0.2.7"),
            (Header::Forwarded, &[b"\xff, for=192.0.2.7"], "192.0.2.7"),
            (Header::Forwarded, &[b"for=\"\xff, for=192.0.2.7"], "192.0.2.7"),
            (
                Header::Forwarded,
                &[b"for=\xff;by=\xff, for=192.0.2.7, for=10.0.0.2"],
                "192.0.2.7",
            ),
            // Entries to the left of a broken one cannot be trusted.
            (Header::XForwardedFor, &[b"192.0.2.7, \xff"], "10.0.0.1"),
            (Header::XForwardedFor, &[b"192.0.2.7, \xff, 10.0.0.2"], "10.0.0.2"),
            (Header::XForwardedFor, &[b"192.0.2.7\xff"], "10.0.0.1"),
            (Header::XForwardedFor, &[b"192.0.2.7", b"\xff"], "10.0.0.1"),
            (Header::Forwarded, &[b"for=192.0.2.7, \xff"], "10.0.0.1"),
            (
                Header::Forwarded,
                &[b"for=192.0.2.7, for=\xff, for=10.0.0.2"],
                "10.0.0.2",
            ),
            (Header::Forwarded, &[b"for=\"192.0.2.7\xff\""], "10.0.0.1"),
        ] {
            let shown = lines.iter().map(|line| line.escape_ascii().to_string());
            let shown: Vec<_> = shown.collect();
            assert_eq!(caller(header, "10.0.0.1", lines), expected, "{shown:?}");
        }
    }

    #[test]
    fn pairs_that_a_proxy_copies_from_the_caller_do_not_hide_the_address() {
        for host in [
            &b"a.example"[..],
            b"\xff",
            b"\"\xff\"",
            br#""a,b;c""#,
            br#""a\"b""#,
            br#""\", for=203.0.113.1, b=\"""#,
            br#""\", for=203.0.113.1;b=\"c""#,
            br#""\\\", for=203.0.113.1;b=\"\\""#,
            br#""\";for=203.0.113.1;b=\"c""#,
        ] {
            for line in [
                [b"for=192.0.2.7;host=", host, b", for=10.0.0.2"].concat(),
                [b"host=", host, b" ; for=192.0.2.7"].concat(),
            ] {
                assert_eq!(
                    caller(Header::Forwarded, "10.0.0.1", &[&line]),
                    "192.0.2.7",
                    "{}",
                    line.escape_ascii()
                );
            }
        }
    }
}
