//! `[server]`: where the service listens, and the address at which it is reached.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use super::values::Values;
use super::{Error, Origin, Warning, url};

/// The default address that `serve` listens on.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// The default limit of the memory of all large images and patches together, in bytes.
const LARGE_BODIES_DEFAULT: usize = 256 << 20;

#[derive(Clone, Debug)]
pub struct Server {
    /// `host:port` to listen on. Port 0 lets the system choose one.
    pub listen: String,
    /// The URL at which devices and people reach the service, without a slash at the end; also the issuer of the
    /// built-in identity provider's tokens. Before [`super::Settings::listening`] it is set only if a setting gave it.
    pub public_url: Option<String>,
    /// The proxies in front of the service. The caller's address in their header is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header in which these proxies send it.
    pub forwarded: ForwardedBy,
    /// The limit of connections; without it, as many as the descriptors allow, up to a fixed limit.
    pub max_connections: Option<usize>,
    /// The limit of connections from one address; without it, a quarter of all.
    pub max_connections_per_address: Option<usize>,
    /// The limit of the memory of all large images and patches in progress together, in bytes.
    pub large_bodies_max: usize,
}

/// The header in which a proxy sends the address of its caller. The other header comes from the caller and is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedBy {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl Server {
    pub(super) fn take(values: &mut Values) -> Result<Self, Error> {
        Ok(Self {
            listen: values
                .text("server.listen", listen)?
                .unwrap_or_else(|| DEFAULT_LISTEN.to_owned()),
            public_url: values.text("server.public_url", url::check_http_base)?,
            trusted_proxies: trusted_proxies(values)?,
            forwarded: values
                .text("server.forwarded", forwarded)?
                .unwrap_or(ForwardedBy::XForwardedFor),
            max_connections: values.number("server.max_connections", connections)?,
            max_connections_per_address: values.number("server.max_connections_per_address", connections)?,
            large_bodies_max: values
                .number("server.large_bodies_max", large_bodies)?
                .unwrap_or(LARGE_BODIES_DEFAULT),
        })
    }

    /// `http://<listen>` is the default, unless that would not contain a host.
    pub(super) fn listening(&mut self, address: SocketAddr) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |key, code, message: String| {
            let origin = Origin::Unset;
            warnings.push(Warning {
                origin,
                key,
                code,
                message,
            });
        };
        let address_is_loopback = is_loopback(address.ip());
        if self.public_url.is_none() && address.ip().is_unspecified() {
            warn(
                "server.public_url",
                Some("public-url-missing"),
                "not set, and a wildcard listener has no address to stand in for it: a device that takes its base_url \
                 or token_url from it cannot be provisioned, and the built-in identity provider issues no tokens, until \
                 it is set"
                    .to_owned(),
            );
        } else if self.public_url.is_none() && address_is_loopback {
            warn(
                "server.public_url",
                None,
                "not set, and the listener is on loopback: devices cannot reach the address they are given".to_owned(),
            );
        }
        // If the settings name a proxy, or a URL that only a proxy can serve, then TLS ends in front of the service.
        let is_behind_tls = self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
        if !address_is_loopback && !is_behind_tls && self.trusted_proxies.is_empty() {
            warn(
                "server.listen",
                Some("no-tls"),
                format!(
                    "{address} can be reached from the network, and no TLS is in front: neither server.public_url is \
                     https nor is server.trusted_proxies set; tokens and devices' secrets cross the network in plain \
                     text. docs/deployment.md says how to put a proxy with TLS in front"
                ),
            );
        }
        if self.public_url.is_none() && !address.ip().is_unspecified() {
            self.public_url = Some(format!("http://{address}"));
        }
        warnings
    }
}

/// The networks. Networks that contain every address are allowed, because only proxies may be able to connect.
fn trusted_proxies(values: &mut Values) -> Result<Vec<IpNet>, Error> {
    const KEY: &str = "server.trusted_proxies";
    let origin = values.origin(KEY);
    let networks = values.list(KEY, network)?.unwrap_or_default();
    for all in IpNet::aggregate(&networks) {
        if all.prefix_len() == 0 {
            let message = format!(
                "names every address ({all}): whoever can connect is believed about the caller's address, and can choose \
                 the one in the audit, the log and the limits; name the proxies alone"
            );
            values.warnings.push(Warning {
                origin: origin.clone(),
                key: KEY,
                code: Some("every-proxy-trusted"),
                message,
            });
        }
    }
    Ok(networks)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// A network such as `10.0.0.0/8`, or one address. IPv4 mapped into IPv6 counts as IPv4, as in a caller's address.
fn network(text: &str) -> Result<IpNet, String> {
    const MAPPED: u8 = 96;
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text
            .parse::<IpNet>()
            .map_err(|_| format!("must be networks such as 10.0.0.0/8 or addresses; {text:?} is neither"))?,
    };
    let mapped = |network: &IpNet| {
        let (IpAddr::V4(address), prefix) = (network.addr().to_canonical(), network.prefix_len()) else {
            return None;
        };
        Ipv4Net::new(address, prefix.checked_sub(MAPPED)?).ok()
    };
    Ok(match network {
        IpNet::V4(_) => network,
        IpNet::V6(_) => mapped(&network).map_or(network, IpNet::V4),
    }
    .trunc())
}

/// A number of connections.
fn connections(number: f64) -> Result<usize, String> {
    const MOST: u32 = 1_000_000;
    if number.fract() == 0.0 && (1.0..=f64::from(MOST)).contains(&number) {
        Ok(number as usize)
    } else {
        Err(format!("must be a whole number from 1 to {MOST}"))
    }
}

/// A number of bytes that is enough for the largest call, the patch of a partition of 16 MiB.
fn large_bodies(number: f64) -> Result<usize, String> {
    const LEAST: u32 = 64 << 20;
    const MOST: f64 = (1u64 << 40) as f64;
    if number.fract() == 0.0 && (f64::from(LEAST)..=MOST).contains(&number) {
        Ok(number as usize)
    } else {
        Err(format!(
            "must be a whole number of bytes from {LEAST} (64 MiB) to {MOST} (1 TiB)"
        ))
    }
}

fn forwarded(text: &str) -> Result<ForwardedBy, String> {
    match text {
        "x-forwarded-for" => Ok(ForwardedBy::XForwardedFor),
        "forwarded" => Ok(ForwardedBy::Forwarded),
        _ => Err("must be x-forwarded-for or forwarded".to_owned()),
    }
}

/// An address or a host name, and a port.
fn listen(text: &str) -> Result<String, String> {
    if text.parse::<SocketAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("must be an address and a port, such as 127.0.0.1:8080 or [::]:8080")?;
    if port.is_empty() || port.parse::<u16>().is_err() || port.starts_with('+') {
        return Err(format!("must end in a port from 0 to 65535; {port:?} is not one"));
    }
    let named = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    // Otherwise a text that only looks like an IPv4 address (127.0.0.256) would be looked up as a name.
    if named && host.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        Ok(text.to_owned())
    } else {
        Err("must begin with an IPv4 address, an IPv6 address in brackets, or a host name".to_owned())
    }
}
