//! The cookie of a session.
//!
//! ```text
//! signed in by https    __Host-fleetmint=…      Secure: sent by https alone, and only this host can set it
//! signed in by http     fleetmint-1f6c04a2=…    the number is this service's: cookies of a host go to all its ports
//! both                  HttpOnly; SameSite=Strict; Path=/
//! ```

use axum::http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use super::{Hash, SessionToken};

/// The name of the cookie of a session that began by https.
const SECURE: &str = "__Host-fleetmint";

/// Which of the two cookies holds a session's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Secure,
    Plain,
}

/// The names of this service's cookies.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    plain: String,
}

impl Names {
    /// Named after the beginning of this digest.
    pub(super) fn of(digest: &[u8; 32]) -> Self {
        let number = digest.first_chunk().copied().unwrap_or_default();
        Self {
            plain: format!("fleetmint-{:08x}", u32::from_be_bytes(number)),
        }
    }

    fn name(&self, kind: Kind) -> &str {
        match kind {
            Kind::Secure => SECURE,
            Kind::Plain => &self.plain,
        }
    }

    /// Whether there is a cookie with one of these names, whatever its value is.
    pub(crate) fn are_in(&self, headers: &HeaderMap) -> bool {
        pairs(headers).any(|(name, _)| name == SECURE.as_bytes() || name == self.plain.as_bytes())
    }

    /// The hashes of the tokens in this service's cookies, those of secure cookies first. There may be several: one of an
    /// earlier sign-in, or of another service on the same host, which can set as many as fit into a request's head. So
    /// their number is limited by the listener alone: a limit here would let others hide the session.
    pub(crate) fn sessions(&self, headers: &HeaderMap) -> Vec<(Kind, Hash)> {
        let of_kind = |kind| {
            pairs(headers)
                .filter(move |(name, _)| *name == self.name(kind).as_bytes())
                .filter_map(move |(_, value)| Some((kind, SessionToken::read(value)?.hash())))
        };
        of_kind(Kind::Secure).chain(of_kind(Kind::Plain)).collect()
    }

    /// The `Set-Cookie` of a new session.
    pub(crate) fn set(&self, kind: Kind, token: &SessionToken) -> Option<HeaderValue> {
        self.header(kind, &token.text(), "")
    }

    /// The `Set-Cookie` that deletes the cookie.
    pub(crate) fn clear(&self, kind: Kind) -> Option<HeaderValue> {
        self.header(kind, "", "; Max-Age=0")
    }

    fn header(&self, kind: Kind, value: &str, more: &str) -> Option<HeaderValue> {
        let secure = match kind {
            Kind::Secure => "; Secure",
            Kind::Plain => "",
        };
        let name = self.name(kind);
        let parts = [name, "=", value, "; HttpOnly; SameSite=Strict; Path=/", secure, more];
        let text = Zeroizing::new(parts.concat());
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// The names and values of all cookies (RFC 6265 §4.2.1).
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b';'))
        .filter_map(|pair| {
            let at = pair.iter().position(|&byte| byte == b'=')?;
            Some((pair.get(..at)?.trim_ascii(), pair.get(at + 1..)?.trim_ascii()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

    fn hash(token: &str) -> Hash {
        SessionToken::read(token.as_bytes()).unwrap().hash()
    }

    fn sessions(lines: &[String]) -> Vec<(Kind, Hash)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        Names::of(&[0xab; 32]).sessions(&headers)
    }

    #[test]
    fn tokens_are_found_by_name_and_form_the_secure_ones_first() {
        let plain = |token: &str| vec![(Kind::Plain, hash(token))];
        let secure = |token: &str| vec![(Kind::Secure, hash(token))];
        let both = [secure(A), plain(B)].concat();
        for (lines, expected) in [
            (vec![], vec![]),
            (vec![format!("fleetmint-abababab={A}")], plain(A)),
            (vec![format!("a=b; fleetmint-abababab={A};c=d")], plain(A)),
            (vec![format!("a; =; ;fleetmint-abababab= {A} ")], plain(A)),
            (vec![format!("__Host-fleetmint={A}")], secure(A)),
            (
                vec![format!("fleetmint-abababab={B}; __Host-fleetmint={A}")],
                both.clone(),
            ),
            (
                vec![format!("fleetmint-abababab={B}"), format!("__Host-fleetmint={A}")],
                both,
            ),
            // Those of other services, and texts that are no tokens.
            (vec![format!("fleetmint-abababac={A}")], vec![]),
            (vec![format!("fleetmint={A}; __host-fleetmint={A}")], vec![]),
            (vec![format!("x-__Host-fleetmint={A}; Fleetmint-abababab={A}")], vec![]),
            (vec![format!("fleetmint-abababab={A}A")], vec![]),
            (vec![format!("fleetmint-abababab={}", &A[1..])], vec![]),
            (vec![format!("fleetmint-abababab=\"{A}\"")], vec![]),
            (vec![format!("fleetmint-abababab={}B", &A[1..])], vec![]),
            (vec![format!("fleetmint-abababab={}+", &A[1..])], vec![]),
        ] {
            assert_eq!(sessions(&lines), expected, "{lines:?}");
        }
        let planted = vec![format!("fleetmint-abababab={B}"); 100].join("; ");
        let found = sessions(&[format!("{planted}; fleetmint-abababab={A}")]);
        assert_eq!(found.last(), Some(&(Kind::Plain, hash(A))));
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_of_other_sites() {
        let (names, token) = (Names::of(&[0xab; 32]), SessionToken(Zeroizing::new([0; 32])));
        for (header, expected) in [
            (
                names.set(Kind::Plain, &token),
                format!("fleetmint-abababab={A}; HttpOnly; SameSite=Strict; Path=/"),
            ),
            (
                names.set(Kind::Secure, &token),
                format!("__Host-fleetmint={A}; HttpOnly; SameSite=Strict; Path=/; Secure"),
            ),
            (
                names.clear(Kind::Secure),
                "__Host-fleetmint=; HttpOnly; SameSite=Strict; Path=/; Secure; Max-Age=0".to_owned(),
            ),
        ] {
            assert_eq!(header.unwrap(), expected);
        }
    }
}
