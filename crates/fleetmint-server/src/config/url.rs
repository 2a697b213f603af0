//! The rules for URLs in the settings and in their overrides.

use std::borrow::Cow;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// The target of a URL, which decides its schemes and whether it may contain a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A service or a token endpoint: http or https. A user name or password would be visible to everybody who reads
    /// the value, and HTTP clients disagree about what to do with it.
    Web,
    /// An MQTT broker: the schemes of ESP-IDF's MQTT client. Its user name and password are a secret.
    Broker,
}

impl Target {
    const fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Web => &["http", "https"],
            Self::Broker => &["mqtt", "mqtts", "ws", "wss"],
        }
    }

    const fn scheme_rule(self) -> &'static str {
        match self {
            Self::Web => "must be an http or https URL, such as https://example.com",
            Self::Broker => "must be an mqtt, mqtts, ws or wss URL, such as mqtts://broker.example.com",
        }
    }
}

/// Checks that `text` itself is an absolute URL of this target. The parser would silently drop spaces and line breaks
/// and add missing slashes; a device would not.
///
/// # Errors
/// What is wrong with it, without the text itself: a URL may hold a password.
pub fn check(text: &str, target: Target) -> Result<Url, String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must be a URL without spaces and control characters".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("{}: {error}", target.scheme_rule()))?;
    if !target.schemes().contains(&url.scheme()) {
        return Err(target.scheme_rule().to_owned());
    }
    let authority = authority(text).filter(|authority| !authority.is_empty());
    if authority.is_none() || !url.has_host() || text.contains('\\') {
        return Err(format!(
            "must be a URL with :// and a host; it {}",
            target.scheme_rule()
        ));
    }
    if target == Target::Broker {
        check_broker(text, authority.unwrap_or_default())?;
    }
    // Both the parser's result and the text are checked, because the parser reports an empty user name as none.
    let names_user = authority.is_some_and(|authority| authority.contains('@'));
    if target == Target::Web && names_user {
        return Err("must be a URL without user name and password".to_owned());
    }
    Ok(url)
}

/// A fragment would be shown but never sent; a control character could end a string on its way to the broker.
fn check_broker(text: &str, authority: &str) -> Result<(), String> {
    if text.contains('#') {
        return Err("must be a URL without a fragment (#), which no MQTT client sends".to_owned());
    }
    let decoded = percent_decode_str(authority).decode_utf8_lossy();
    if decoded.chars().any(char::is_control) {
        return Err("must be a URL without control characters, also percent-encoded ones such as %00".to_owned());
    }
    Ok(())
}

/// Checks that `text` is an http or https URL that paths can be added to, and returns it without a slash at its end.
///
/// # Errors
/// What is wrong with it, without the text itself.
pub fn check_http_base(text: &str) -> Result<String, String> {
    let url = check(text, Target::Web)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must be a URL without query and fragment".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The part between `://` and the path: user name, password, host and port.
fn authority(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// Replaces a user name and password that are not shown.
pub const MASK: &str = "***";

/// Splits the user name and password off a URL: returns the URL with [`MASK`] in their place, and the removed text.
/// `None` if there are none.
pub fn split_userinfo(text: &str) -> Option<(String, &str)> {
    let (userinfo, host) = authority(text)?.rsplit_once('@')?;
    let (scheme, _) = text.split_once("://")?;
    let rest = text.get(scheme.len() + "://".len() + userinfo.len() + "@".len() + host.len()..)?;
    Some((format!("{scheme}://{MASK}@{host}{rest}"), userinfo))
}

/// A stored URL as it is shown: with [`MASK`] in place of a user name and password (URLs that an earlier version stored
/// may have them) and of a broker's fragment. In a text that is not such a URL, everything before the last `@` counts
/// as the user name.
pub fn shown(text: &str, target: Target) -> Cow<'_, str> {
    let has_scheme = text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains('@'));
    let shown = match split_userinfo(text).filter(|_| has_scheme) {
        Some((masked, _)) => Cow::Owned(masked),
        None => match text.rsplit_once('@') {
            Some((_, rest)) if check(text, target).is_err() => Cow::Owned(format!("{MASK}@{rest}")),
            _ => Cow::Borrowed(text),
        },
    };
    match shown.split_once('#') {
        Some((before, _)) if target == Target::Broker => Cow::Owned(format!("{before}#{MASK}")),
        _ => shown,
    }
}

/// Puts a user name and password back in place of the [`MASK`] of [`split_userinfo`]; a URL without it stays as it is.
pub fn join_userinfo(masked: &str, userinfo: &str) -> zeroize::Zeroizing<String> {
    let place = format!("://{MASK}@");
    let mut joined = zeroize::Zeroizing::new(String::with_capacity(masked.len() + userinfo.len()));
    match masked.split_once(&place) {
        Some((scheme, rest)) => {
            for part in [scheme, "://", userinfo, "@", rest] {
                joined.push_str(part);
            }
        }
        None => joined.push_str(masked),
    }
    joined
}

/// Whether data sent to this URL can be read on the network: no TLS, to another computer.
pub(crate) fn is_plain_on_the_network(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    matches!(url.scheme(), "http" | "mqtt" | "ws") && !is_host_this_computer(&url)
}

/// Whether this URL names the computer that uses it: no device reaches anything by it but itself.
pub(crate) fn is_this_computer(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| is_host_this_computer(&url))
}

fn is_host_this_computer(url: &Url) -> bool {
    // The hosts of URLs that are not http's are texts to the parser: `127.1` and `LOCALHOST` stand there as they are.
    let address: IpAddr = match url.host_str().map(Host::parse) {
        Some(Ok(Host::Ipv4(address))) => address.into(),
        Some(Ok(Host::Ipv6(address))) => address.into(),
        Some(Ok(Host::Domain(name))) => {
            // RFC 6761 §6.3.
            let name = name.strip_suffix('.').unwrap_or(&name);
            return name == "localhost" || name.ends_with(".localhost");
        }
        Some(Err(_)) | None => return false,
    };
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_schemes_of_its_target_and_a_host_as_it_stands() {
        for (target, right) in [
            (Target::Web, "http://192.0.2.1"),
            (Target::Web, "HTTPS://example.com:8443/a?b=c@d#e"),
            (Target::Web, "https://[2001:db8::1]/"),
            (Target::Web, "https://example.com/@me"),
            (Target::Broker, "mqtt://broker"),
            (Target::Broker, "mqtts://device:hunter2@broker.example:8883"),
            (Target::Broker, "ws://broker.example/mqtt"),
            (Target::Broker, "wss://:hunter2@broker.example/mqtt"),
            (Target::Broker, "mqtt://a:b@c:d@broker"),
            (
                Target::Broker,
                "mqtt://gr%C3%BC%C3%9Fe:%E2%82%AC%20%FF@broker/a%00b?c%0Ad",
            ),
        ] {
            assert!(check(right, target).is_ok(), "{right}: {:?}", check(right, target));
        }
        for (target, wrong) in [
            (Target::Web, "ftp://example.com"),
            (Target::Web, "mqtt://example.com"),
            (Target::Web, "javascript:alert(1)"),
            (Target::Web, "file:///etc/passwd"),
            (Target::Web, "data:text/plain,a"),
            (Target::Web, "example.com"),
            (Target::Web, "https:example.com"),
            (Target::Web, "https:/example.com"),
            (Target::Web, "https:///example.com"),
            (Target::Web, "https:\\\\example.com"),
            (Target::Web, "https://example.com\\@other.example"),
            (Target::Web, "https://"),
            (Target::Web, "https://user:hunter2@example.com"),
            (Target::Web, "https://user@example.com"),
            (Target::Web, "https://:hunter2@example.com"),
            (Target::Web, "https://@example.com"),
            (Target::Web, "https://exa mple.com"),
            (Target::Web, "https://example.com\n"),
            (Target::Broker, "https://broker.example"),
            (Target::Broker, "tcp://broker.example"),
            (Target::Broker, "mqtt:broker"),
            (Target::Broker, "mqtt:///path"),
            (Target::Broker, "ws:broker"),
            (Target::Broker, "mqtt://user:hunter2@"),
            (Target::Broker, "mqtt://broker#hunter2"),
            (Target::Broker, "ws://user:hunter2@broker/mqtt?a#"),
            (Target::Broker, "mqtt://user:hunter2%00@broker"),
            (Target::Broker, "mqtt://user%0a:hunter2@broker"),
            (Target::Broker, "mqtt://user%7F:hunter2@broker"),
            (Target::Broker, "mqtt://user:hunter2%C2%85@broker"),
            (Target::Broker, "mqtt://bro%1Fker"),
        ] {
            let rule = check(wrong, target).unwrap_err();
            assert!(!rule.contains("hunter2"), "{rule}");
        }
    }

    #[test]
    fn the_computer_itself_is_known_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.255.255.254:8080",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0.0.0.0",
            "[::1]",
            "[::]:8080",
            "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:0:0:1]",
            "localhost",
            "LocalHost:8080",
            "localhost.",
            "board.localhost",
            "%6cocalhost",
        ] {
            for text in [
                format!("https://{host}/x"),
                format!("mqtts://{host}/x"),
                format!("mqtt://u:p@{host}"),
            ] {
                assert!(is_this_computer(&text), "{text}");
                assert!(!is_plain_on_the_network(&text), "{text}");
            }
        }
        for host in [
            "192.0.2.1",
            "128.0.0.1",
            "[2001:db8::1]",
            "[::2]",
            "localhost.example",
            "notlocalhost",
            "127.0.0.1.example",
            "plant4.local",
        ] {
            for text in [format!("http://{host}"), format!("mqtt://{host}:1883")] {
                assert!(!is_this_computer(&text), "{text}");
                assert!(is_plain_on_the_network(&text), "{text}");
            }
        }
    }

    #[test]
    fn no_user_name_password_or_fragment_of_an_earlier_versions_url_is_shown() {
        for (target, text, expected) in [
            (
                Target::Web,
                "https://example.com/@me?a@b#c@d",
                "https://example.com/@me?a@b#c@d",
            ),
            (Target::Web, "", ""),
            (
                Target::Web,
                "https://me:hunter2@example.com/a@b",
                "https://***@example.com/a@b",
            ),
            (Target::Web, "https://hunter2@example.com", "https://***@example.com"),
            (
                Target::Web,
                "HTTPS://me:hun@ter2@example.com?a",
                "HTTPS://***@example.com?a",
            ),
            (Target::Web, "https:///me:hunter2@example.com", "***@example.com"),
            (Target::Web, "https:/me:hunter2@example.com", "***@example.com"),
            (Target::Web, "https:\\\\me:hunter2@example.com", "***@example.com"),
            (Target::Web, "https://me:hunter#2@example.com", "***@example.com"),
            (Target::Web, "https://me:hun/ter2@example.com", "***@example.com"),
            (Target::Web, "me:hunter2@example.com", "***@example.com"),
            (Target::Web, "hunter2@a://b@c", "***@c"),
            (Target::Broker, "mqtt://***@b/a@b?c", "mqtt://***@b/a@b?c"),
            (Target::Broker, "mqtt://b#hunter2", "mqtt://b#***"),
            (Target::Broker, "mqtt://me:hunter2@b#hunter2", "mqtt://***@b#***"),
            (Target::Broker, "mqtt:me:hunter2@b", "***@b"),
        ] {
            assert_eq!(shown(text, target), expected, "{text}");
            assert_eq!(shown(expected, target), expected);
        }
    }

    #[test]
    fn the_user_name_and_password_are_split_off_and_put_back() {
        for (text, masked, userinfo) in [
            ("mqtt://u:p@b", "mqtt://***@b", "u:p"),
            ("mqtts://token@b:8883/x?y#z", "mqtts://***@b:8883/x?y#z", "token"),
            ("wss://:p@b/a@b", "wss://***@b/a@b", ":p"),
            ("mqtt://a:b@c:d@b", "mqtt://***@b", "a:b@c:d"),
            ("mqtt://@b", "mqtt://***@b", ""),
            ("mqtt://***@b", "mqtt://***@b", "***"),
        ] {
            let split = split_userinfo(text).unwrap();
            assert_eq!((split.0.as_str(), split.1), (masked, userinfo), "{text}");
            assert_eq!(*join_userinfo(&split.0, split.1), text);
        }
        for text in ["mqtt://b", "mqtt://b/a@b", "mqtt://b?a@b", "mqtt://b#@", "b", ""] {
            assert_eq!(split_userinfo(text), None, "{text}");
            assert_eq!(*join_userinfo(text, "u:p"), text);
        }
    }
}
