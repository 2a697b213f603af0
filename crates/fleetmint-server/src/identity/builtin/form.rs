//! Reads the token endpoint's form and its HTTP Basic header, independently of the server, so that both can be fuzzed.
//! Reading takes time in proportion to the number of bytes, whatever they are.

use fleetmint_board::wiped::Wiped;
use percent_encoding::percent_decode;
use zeroize::Zeroizing;

/// The most parameters of a form. A token request has three.
pub(crate) const PARAMETERS_MAX: usize = 32;

/// The parameters that are used. Others are ignored, as RFC 6749 §3.2 requires.
#[derive(Default)]
pub(crate) struct Form {
    pub(crate) grant_type: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Zeroizing<String>>,
    pub(crate) scope: Option<String>,
}

/// Why a form cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("the form has more than {PARAMETERS_MAX} parameters")]
    TooMany,
    /// RFC 6749 §3.2.
    #[error("a parameter is given twice")]
    Twice,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        // They are counted before any is decoded or compared.
        let pairs = || body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        if pairs().nth(PARAMETERS_MAX).is_some() {
            return Err(Error::TooMany);
        }
        let mut form = Self::default();
        let mut seen = Vec::with_capacity(PARAMETERS_MAX);
        for pair in pairs() {
            let (name, value) = split(pair);
            let name = decode(name);
            if seen.contains(&name) {
                return Err(Error::Twice);
            }
            // A parameter without a value counts as not given (RFC 6749 §3.2).
            let value = Some(value).filter(|value| !value.is_empty()).map(decode);
            let plain = |value: Option<Zeroizing<String>>| value.map(|mut value| std::mem::take(&mut *value));
            match name.as_str() {
                "grant_type" => form.grant_type = plain(value),
                "client_id" => form.client_id = plain(value),
                "client_secret" => form.client_secret = value,
                "scope" => form.scope = plain(value),
                _ => {}
            }
            seen.push(name);
        }
        Ok(form)
    }
}

/// The name and the value of a parameter.
fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Reads form-encoded text. Bytes that are not UTF-8 are replaced, as the URL standard says.
fn decode(text: &[u8]) -> Zeroizing<String> {
    match std::str::from_utf8(decoded(text).as_ref()) {
        Ok(decoded) => Zeroizing::new(decoded.to_owned()),
        // No secret has such bytes, so it does not matter that this text grows.
        Err(_) => Zeroizing::new(String::from_utf8_lossy(decoded(text).as_ref()).into_owned()),
    }
}

/// The bytes of form-encoded text, in memory of the same size: decoding never makes it longer.
fn decoded(text: &[u8]) -> Wiped {
    let mut decoded = Wiped::with_capacity(text.len());
    for (n, part) in text.split(|byte| *byte == b'+').enumerate() {
        for byte in (n > 0).then_some(b' ').into_iter().chain(percent_decode(part)) {
            // The capacity is sufficient.
            let _ = decoded.push(&[byte]);
        }
    }
    decoded
}

/// The client id and secret of `Basic base64(id:secret)`, both form-encoded before (RFC 6749 §2.3.1).
pub(crate) fn basic(header: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let bytes = Wiped::from_base64(encoded.trim().as_bytes())?;
    let (client_id, client_secret) = std::str::from_utf8(bytes.as_ref()).ok()?.split_once(':')?;
    let client_secret = decoded(client_secret.as_bytes()).into_text()?;
    Some((decoded(client_id.as_bytes()).into_text()?.to_string(), client_secret))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn refusal(body: &str) -> Option<Error> {
        Form::parse(body.as_bytes()).err()
    }

    #[test]
    fn known_parameters_are_decoded_and_others_ignored() {
        let form =
            Form::parse(b"&x=1&grant%5Ftype=client_credentials&client_id=a+b%26&&client_secret=%F0%9F%94%91&scope")
                .unwrap();
        assert_eq!(form.grant_type.as_deref(), Some("client_credentials"));
        assert_eq!(form.client_id.as_deref(), Some("a b&"));
        assert_eq!(form.client_secret.unwrap().as_str(), "🔑");
        assert_eq!(form.scope, None);
    }

    #[test]
    fn more_than_32_parameters_are_refused() {
        let parameters = |count: usize| (0..count).map(|n| format!("&p{n}=")).collect::<String>();
        assert_eq!(refusal(&parameters(PARAMETERS_MAX)), None);
        assert_eq!(refusal(&parameters(PARAMETERS_MAX + 1)), Some(Error::TooMany));
        assert_eq!(refusal(&"a&".repeat(PARAMETERS_MAX + 1)), Some(Error::TooMany));
        assert_eq!(refusal(&"&".repeat(16 * 1024)), None);
    }

    #[test]
    fn a_parameter_must_not_be_given_twice() {
        for body in ["a=1&b=2&a=1", "scope=&scope=", "client%5Fid=x&client_id=x"] {
            assert_eq!(refusal(body), Some(Error::Twice), "{body}");
        }
    }

    #[test]
    fn basic_is_decoded_twice() {
        let header = |pair: &str| format!("bAsIc {}", BASE64_STANDARD.encode(pair));
        let (id, secret) = basic(&header("a%3Ab:c+d:%C3%BC")).unwrap();
        assert_eq!((id.as_str(), secret.as_str()), ("a:b", "c d:ü"));
        for none in ["Basic", "Basic !", "Bearer YTpi", &header("nocolon"), &header("a:%FF")] {
            assert!(basic(none).is_none(), "{none}");
        }
    }
}
