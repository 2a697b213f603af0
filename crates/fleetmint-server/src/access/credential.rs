//! The credential in `Authorization`, classified only by its form, before anything is looked up.
//!
//! ```text
//! fma_ and 43 characters of base64url     the administrator's token (32 random bytes)
//! three parts of base64url, with dots     a JWT: a device's access token
//! ```

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The prefix of the administrator's token. People and scanners for leaked secrets recognize it.
const PREFIX: &str = "fma_";

/// The random bytes of the administrator's token.
const RANDOM_LEN: usize = 32;

/// The number of base64url characters for [`RANDOM_LEN`] bytes.
const ENCODED_LEN: usize = 43;

/// The form of a bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    AdministratorToken,
    Jwt,
    /// A form that this version never issues. An operator's own `access.bootstrap_token` may look like this, and so
    /// does an administrator's token of an earlier version.
    Other,
}

impl Form {
    pub(super) fn of(token: &str) -> Self {
        if let Some(encoded) = token.strip_prefix(PREFIX)
            && encoded.len() == ENCODED_LEN
            && is_base64url(encoded)
        {
            return Self::AdministratorToken;
        }
        let mut parts = token.split('.');
        let is_jwt = parts.by_ref().take(3).filter(|part| is_base64url(part)).count() == 3 && parts.next().is_none();
        if is_jwt { Self::Jwt } else { Self::Other }
    }
}

/// An administrator's token of these random bytes.
pub(super) fn administrator_token(random: &[u8; RANDOM_LEN]) -> Zeroizing<String> {
    // With its full capacity from the start: a string that grows leaves copies behind that nothing wipes.
    let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + ENCODED_LEN));
    token.push_str(PREFIX);
    BASE64_URL_SAFE_NO_PAD.encode_string(random, &mut token);
    token
}

fn is_base64url(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// The token after `Bearer ` (RFC 6750 §2.1).
pub(super) fn bearer(authorization: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(authorization).ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_distinguished() {
        let random = "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8";
        let forms = [
            (format!("fma_{random}"), Form::AdministratorToken),
            (random.to_owned(), Form::Other),
            (format!("fma_{random}x"), Form::Other),
            (format!("fma_{}", &random[1..]), Form::Other),
            (format!("FMA_{random}"), Form::Other),
            (format!("fma_{}+", &random[1..]), Form::Other),
            (format!("fmt_{random}"), Form::Other),
            ("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln".to_owned(), Form::Jwt),
            (format!("fma_{random}.b.c"), Form::Jwt),
            ("a.b".to_owned(), Form::Other),
            ("a.b.c.d".to_owned(), Form::Other),
            ("a..c".to_owned(), Form::Other),
            (".b.c".to_owned(), Form::Other),
            ("a.b.".to_owned(), Form::Other),
            ("a.b.c=".to_owned(), Form::Other),
            ("a.b.\u{e9}".to_owned(), Form::Other),
            (String::new(), Form::Other),
        ];
        for (token, form) in forms {
            assert_eq!(Form::of(&token), form, "{token}");
        }
    }

    #[test]
    fn an_administrator_token_has_its_form_and_never_grows() {
        for byte in [0, 0xff] {
            let token = administrator_token(&[byte; RANDOM_LEN]);
            assert_eq!(Form::of(&token), Form::AdministratorToken, "{}", *token);
            assert_eq!(token.capacity(), token.len());
        }
    }
}
