//! The address that a call comes from: one type for the audit, the log and the limits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The caller's address. Behind a trusted proxy it is the proxy's client, not the proxy.
///
/// An IPv4 address that arrives mapped into IPv6 (`::ffff:192.0.2.1`) is the IPv4 address, so one caller has one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    pub fn address(self) -> IpAddr {
        self.0
    }

    /// The key that limits count by: an IPv4 address, or the /64 network of an IPv6 address. One subscriber usually
    /// gets a whole /64 and can use a new address for every call.
    #[must_use]
    pub fn subscriber(self) -> Self {
        match self.0 {
            IpAddr::V4(_) => self,
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

/// No address: for calls that do not come over the network, as in tests of a single handler.
impl Default for Source {
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(text.parse().unwrap())
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_eq!(source("::ffff:192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(source("::1").to_string(), "::1");
    }

    #[test]
    fn limits_count_ipv6_addresses_by_their_64_network() {
        assert_eq!(source("2001:db8:1:2:3:4:5:6").subscriber(), source("2001:db8:1:2::"));
        assert_ne!(
            source("2001:db8:1:2::1").subscriber(),
            source("2001:db8:1:3::1").subscriber()
        );
        assert_eq!(source("192.0.2.1").subscriber(), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1").subscriber(), source("192.0.2.2").subscriber());
    }
}
