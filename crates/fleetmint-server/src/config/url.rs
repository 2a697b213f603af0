//! What a URL in the settings, and in overrides of them, must be.

use url::Url;

/// Checks that `text` is an absolute URL with a host, as it stands: the parser would silently drop blanks and line
/// breaks, a device would not.
///
/// # Errors
/// What is wrong with it, without the text itself: a URL may hold a password.
pub fn check(text: &str) -> Result<Url, String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must be a URL without blanks and control characters".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("must be a URL such as https://example.com: {error}"))?;
    if url.has_host() {
        Ok(url)
    } else {
        Err("must be a URL with a host, such as https://example.com".to_owned())
    }
}

/// Checks that `text` is an http or https URL that paths can be added to, and gives it without a slash at its end.
///
/// # Errors
/// What is wrong with it, without the text itself.
pub fn check_http_base(text: &str) -> Result<String, String> {
    let url = check(text)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be an http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be a URL without user name and password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must be a URL without query and fragment".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}
