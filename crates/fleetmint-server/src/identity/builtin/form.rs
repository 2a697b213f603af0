//! The token endpoint's form and its HTTP Basic header, read without the server around them: whatever bytes come, reading
//! them takes time in proportion to their number.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// The most parameters that a form may have. A token request has three.
pub(crate) const PARAMETERS_MAX: usize = 32;

/// The parameters that matter. Others are ignored, as RFC 6749 §3.2 requires.
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
    #[error("a parameter comes twice")]
    Twice,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        // Counted before any is decoded or compared.
        let pairs = || body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        if pairs().nth(PARAMETERS_MAX).is_some() {
            return Err(Error::TooMany);
        }
        let mut form = Self::default();
        let mut seen = Vec::with_capacity(PARAMETERS_MAX);
        for (name, value) in pairs().flat_map(url::form_urlencoded::parse) {
            if seen.contains(&name) {
                return Err(Error::Twice);
            }
            // A parameter without a value counts as left out (RFC 6749 §3.2).
            let value = Some(value).filter(|value| !value.is_empty());
            match &*name {
                "grant_type" => form.grant_type = value.map(Into::into),
                "client_id" => form.client_id = value.map(Into::into),
                "client_secret" => form.client_secret = value.map(|value| Zeroizing::new(value.into())),
                "scope" => form.scope = value.map(Into::into),
                _ => {}
            }
            seen.push(name);
        }
        Ok(form)
    }
}

/// The client id and secret of `Basic base64(id:secret)`, both form-encoded before (RFC 6749 §2.3.1).
pub(crate) fn basic(header: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(encoded.trim()).ok()?);
    let (client_id, client_secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    let decode = |text: &str| {
        let spaced = Zeroizing::new(text.replace('+', " "));
        let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
        Some(Zeroizing::new(decoded.into_owned()))
    };
    Some((decode(client_id)?.to_string(), decode(client_secret)?))
}

#[cfg(test)]
mod tests {
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
    fn a_parameter_must_not_come_twice() {
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
