//! The address of a server.

use std::fmt;

use url::{Host, Url};

/// The URL that a server's calls begin with: http or https, and perhaps a path prefix, without a slash at its end. Two
/// spellings of one URL are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(Url);

impl Address {
    /// # Errors
    /// The rule that the text breaks, without the text: it may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const RULE: &str = "must be an http or https URL, such as https://fleetmint.example.com";
        if text.chars().any(|char| char.is_whitespace() || char.is_control()) {
            return Err("must be a URL without spaces and control characters".to_owned());
        }
        // A host alone, or http:host, which the parser would take.
        if !text.contains("://") {
            return Err(RULE.to_owned());
        }
        let mut url = Url::parse(text).map_err(|error| format!("{RULE}: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(RULE.to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err("must be a URL without user name, password, query and fragment".to_owned());
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// As it is shown and stored.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// The URL of a resource below it.
    pub(super) fn resource(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.0.clone();
        // Only a URL that cannot be a base has no segments.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Whether the server is on this computer.
    pub(super) fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            // RFC 6761 §6.3.
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }

    /// Whether others on the network can read what is sent.
    pub(super) fn is_plain_on_the_network(&self) -> bool {
        !self.is_encrypted() && !self.is_loopback()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_url_are_equal() {
        for (text, shown) in [
            ("HTTP://Example.COM:80/", "http://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("https://example.com:8443/fleet//", "https://example.com:8443/fleet"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.as_str(), shown);
            assert_eq!(Address::parse(shown).unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_quoting_it() {
        for text in [
            "",
            "example.com",
            "ftp://example.com",
            "http:example.com",
            "http://",
            "https://hunter2@example.com",
            "https://a:hunter2@example.com",
            "https://example.com/?token=hunter2",
            "https://example.com/#hunter2",
            "https://example.com hunter2",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(
                error.starts_with("must be ") && !error.contains("hunter2"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn resources_are_below_the_prefix_and_encoded() {
        let address = Address::parse("https://example.com/fleet").unwrap();
        assert_eq!(
            address
                .resource(&["api", "boards", "aa:bb/../c?"], &[("q", "a&b c")])
                .as_str(),
            "https://example.com/fleet/api/boards/aa:bb%2F..%2Fc%3F?q=a%26b+c"
        );
        let address = Address::parse("http://example.com").unwrap();
        assert_eq!(
            address.resource(&["api", "devices"], &[]).as_str(),
            "http://example.com/api/devices"
        );
    }

    #[test]
    fn plain_http_stays_on_this_computer() {
        for (text, is_plain) in [
            ("http://127.0.0.1:8080", false),
            ("http://[::1]", false),
            ("http://localhost", false),
            ("http://fleet.localhost", false),
            ("http://192.0.2.1", true),
            ("http://localhost.example.com", true),
            ("https://192.0.2.1", false),
        ] {
            assert_eq!(
                Address::parse(text).unwrap().is_plain_on_the_network(),
                is_plain,
                "{text}"
            );
        }
    }
}
