use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use pinion_model::ParseError;

use crate::identity::ServerName;

/// `host:port` by which agents reach the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

impl std::str::FromStr for Advertised {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| {
            let port = port.parse().ok().filter(|port| *port > 0)?;
            is_host(host).then(|| Self {
                host: host.to_owned(),
                port,
            })
        });
        let allowed =
            "HOST:PORT, such as pinion.example:7443, 192.0.2.7:7443 or [2001:db8::7]:7443";
        parts.ok_or_else(|| ParseError::new("an advertised address", allowed, text))
    }
}

impl std::fmt::Display for Advertised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// What enrolment tokens carry: what was advertised; else where the agents'
/// listener is, if that is one address; else this machine's name and loopback.
pub(super) fn addresses(advertise: &[Advertised], agents: SocketAddr) -> Vec<String> {
    if !advertise.is_empty() {
        return advertise.iter().map(ToString::to_string).collect();
    }
    if !agents.ip().is_unspecified() {
        return vec![agents.to_string()];
    }
    let port = agents.port();
    vec![
        format!("{}:{port}", hostname()),
        format!("127.0.0.1:{port}"),
    ]
}

/// What the server certificate is good for: every advertised host, loopback,
/// every listen address that is specific, and, if nothing else says how agents
/// reach it, this machine's name. The agents' address is the first of `listen`.
#[must_use]
pub fn server_names(advertise: &[Advertised], listen: &[SocketAddr]) -> BTreeSet<ServerName> {
    let mut names = BTreeSet::from([
        ServerName::Dns("localhost".to_owned()),
        ServerName::Ip(Ipv4Addr::LOCALHOST.into()),
    ]);
    let specific = listen
        .iter()
        .map(SocketAddr::ip)
        .filter(|ip| !ip.is_unspecified());
    names.extend(advertise.iter().map(|at| ServerName::from_host(&at.host)));
    names.extend(specific.map(ServerName::Ip));
    if advertise.is_empty()
        && listen
            .first()
            .is_some_and(|agents| agents.ip().is_unspecified())
    {
        names.insert(ServerName::from_host(&hostname()));
    }
    names
}

/// This machine's name; `localhost` if it has none that could be advertised.
#[must_use]
pub(super) fn hostname() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy().to_ascii_lowercase();
    if is_host(&name) {
        name
    } else {
        "localhost".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_has_a_host_and_a_port() {
        for good in [
            "pinion.example:7443",
            "10.0.0.1:1",
            "[2001:db8::7]:7443",
            "localhost:65535",
        ] {
            assert_eq!(good.parse::<Advertised>().expect(good).to_string(), good);
        }
        for bad in [
            "pinion.example",
            ":7443",
            "a:0",
            "a:70000",
            "https://a:1",
            "a b:1",
            "2001:db8::7:1",
            "-a:1",
            "a/b:1",
        ] {
            assert!(bad.parse::<Advertised>().is_err(), "{bad}");
        }
    }

    #[test]
    fn without_advice_a_specific_listener_advertises_itself() {
        let at = |text: &str| text.parse().expect("address");
        assert_eq!(addresses(&[], at("10.1.2.3:7443")), ["10.1.2.3:7443"]);
        let found = addresses(&[], at("0.0.0.0:7443"));
        assert_eq!(found.last().map(String::as_str), Some("127.0.0.1:7443"));
        assert_eq!(
            addresses(&["a:1".parse().expect("good")], at("10.1.2.3:7443")),
            ["a:1"]
        );
    }
}
