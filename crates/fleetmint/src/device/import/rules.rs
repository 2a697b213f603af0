//! The server's rules for new devices, so that a table can be checked before anything is created. The server checks again.

use fleetmint_board::escape;
use fleetmint_board::provisioning::{Kind, Setting};
use url::Url;

use crate::override_arguments::MASK;

/// The longest name in characters.
const NAME_MAX: usize = 200;

/// The longest serial in characters.
const SERIAL_MAX: usize = 64;

pub(super) fn name(name: &str) -> Result<(), String> {
    let count = name.chars().count();
    if name.chars().any(char::is_control) {
        Err("must have no control characters".to_owned())
    } else if name.chars().all(|char| char.is_whitespace() || escape::is_unseen(char)) {
        Err("must have a visible character".to_owned())
    } else if count > NAME_MAX {
        Err(format!("has {count} characters, at most {NAME_MAX} are allowed"))
    } else {
        Ok(())
    }
}

pub(super) fn serial(serial: &str) -> Result<(), String> {
    let is_printable = serial.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if serial.is_empty() || serial.len() > SERIAL_MAX || !is_printable || serial.trim() != serial {
        return Err(format!(
            "must be 1 to {SERIAL_MAX} printable ASCII characters, without spaces at its ends"
        ));
    }
    Ok(())
}

/// Checks a value that is not empty.
pub(super) fn override_value(setting: Setting, value: &str) -> Result<(), String> {
    let kind = setting.facts().kind;
    let is_masked = match kind {
        Kind::Secret { .. } => value == MASK,
        Kind::BrokerUrl => value.contains(&format!("://{MASK}@")),
        _ => false,
    };
    if is_masked {
        return Err(format!(
            "{MASK} stands for a secret that an export does not have: put it in, or leave the field empty"
        ));
    }
    setting.check(value).map_err(|error| error.to_string())?;
    match kind {
        Kind::WebUrl => url(
            value,
            &["http", "https"],
            "must be an http or https URL, such as https://example.com",
        ),
        Kind::BrokerUrl => url(
            value,
            &["mqtt", "mqtts", "ws", "wss"],
            "must be an mqtt, mqtts, ws or wss URL, such as mqtts://broker.example.com",
        ),
        _ => Ok(()),
    }
}

fn url(text: &str, schemes: &[&str], rule: &'static str) -> Result<(), String> {
    if text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err("must be a URL without spaces and control characters".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("{rule}: {error}"))?;
    let authority = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    let has_host = url.has_host() && authority.is_some_and(|authority| !authority.is_empty());
    let is_web = url.scheme().starts_with("http");
    if !schemes.contains(&url.scheme()) || !has_host || text.contains('\\') {
        Err(rule.to_owned())
    } else if is_web && authority.is_some_and(|authority| authority.contains('@')) {
        Err("must be a URL without user name and password".to_owned())
    } else if !is_web && text.contains('#') {
        Err("must be a URL without a fragment (#), which no MQTT client sends".to_owned())
    } else if !is_web && decodes_to_control(authority.unwrap_or_default()) {
        Err("must be a URL without control characters, also percent-encoded ones such as %00".to_owned())
    } else {
        Ok(())
    }
}

fn decodes_to_control(authority: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(authority).decode_utf8_lossy();
    decoded.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_serials() {
        for text in ["Kitchen", "厨房", " a "] {
            assert_eq!(name(text), Ok(()), "{text}");
        }
        for text in ["", " ", "\u{a0}\u{200b}", "a\tb", &"x".repeat(201)] {
            assert!(name(text).is_err(), "{text:?}");
        }
        for (text, is_right) in [("SN-1", true), ("a b", true), ("", false), (" a", false), ("ä", false)] {
            assert_eq!(serial(text).is_ok(), is_right, "{text:?}");
        }
    }

    /// The server's own check is the judge.
    #[cfg(feature = "serve")]
    #[test]
    fn a_url_is_right_where_the_server_takes_it() {
        use fleetmint_server::config::url::{Target, check};
        let ends = [
            "example.com",
            "example.com:8443/a?b=c",
            "[::1]/x",
            "",
            "/path",
            "user:pw@example.com",
            "@example.com",
            "example.com#f",
            "exa mple.com",
            "example.com\\x",
            "example.com:99999",
            "a%00b",
            "user:%07@example.com",
        ];
        for (setting, target) in [(Setting::BaseUrl, Target::Web), (Setting::MqttUrl, Target::Broker)] {
            for scheme in [
                "http://", "https://", "mqtt://", "wss://", "ftp://", "mqtt:", "http:", "",
            ] {
                for end in ends {
                    let url = format!("{scheme}{end}");
                    if url.is_empty() {
                        continue;
                    }
                    let (here, there) = (override_value(setting, &url), check(&url, target));
                    assert_eq!(here.is_ok(), there.is_ok(), "{setting} {url}: {here:?}, {there:?}");
                }
            }
        }
    }
}
