//! Where a container is reached from its machine.

use std::net::{IpAddr, Ipv4Addr};

use pinion_workload::ContainerId;
use serde_json::Value;

use super::{Driver, EngineError};

/// Whose network a container may share, which may share another's.
const DEPTH: usize = 3;

/// Its address on the network that it was made for, or on the first by name;
/// the machine's own where it shares the machine's network, and that of the
/// container whose network it shares. None where it has none: its network is
/// "none".
///
/// # Errors
///
/// If the engine does not tell.
pub(crate) async fn address<D: Driver>(
    driver: &D,
    id: &ContainerId,
) -> Result<Option<IpAddr>, EngineError> {
    let mut id = id.clone();
    for _ in 0..DEPTH {
        match place(&driver.inspect(&id).await?) {
            Place::At(address) => return Ok(address),
            Place::Beside(other) => id = other,
        }
    }
    Ok(None)
}

/// What one container's inspect says of it.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    At(Option<IpAddr>),
    /// In the network of another one.
    Beside(ContainerId),
}

fn place(inspect: &Value) -> Place {
    let mode = inspect["HostConfig"]["NetworkMode"].as_str();
    let mode = mode.unwrap_or_default();
    if mode == "host" {
        return Place::At(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
    match mode.strip_prefix("container:") {
        Some(other) => Place::Beside(ContainerId(other.to_owned())),
        None => Place::At(first_address(&inspect["NetworkSettings"]["Networks"], mode)),
    }
}

fn first_address(networks: &Value, mode: &str) -> Option<IpAddr> {
    let mode = if mode == "default" { "bridge" } else { mode };
    let of = |endpoint: &Value| {
        let texts = ["IPAddress", "GlobalIPv6Address"].map(|key| endpoint[key].as_str());
        texts
            .into_iter()
            .flatten()
            .find_map(|text| text.parse().ok())
    };
    let all = networks.as_object()?;
    let made_for = all.get(mode).and_then(of);
    made_for.or_else(|| all.values().find_map(of))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_shares_a_network_is_reached_where_its_owner_is() {
        let of = |mode: &str| {
            let networks = json!({ "bridge": { "IPAddress": "172.17.0.2" } });
            place(
                &json!({ "HostConfig": { "NetworkMode": mode }, "NetworkSettings": { "Networks": networks } }),
            )
        };
        let at = |text: &str| Place::At(Some(text.parse().expect("an address")));
        assert_eq!(of("host"), at("127.0.0.1"));
        assert_eq!(of("default"), at("172.17.0.2"));
        let other = ContainerId("c0ffee".to_owned());
        assert_eq!(of("container:c0ffee"), Place::Beside(other));
    }

    #[test]
    fn the_address_is_that_of_the_network_that_it_was_made_for() {
        let networks = json!({
            "a": { "IPAddress": "10.0.0.2" }, "b": { "IPAddress": "10.1.0.2" },
            "bridge": { "IPAddress": "172.17.0.2" }, "none": { "IPAddress": "" },
            "six": { "IPAddress": "", "GlobalIPv6Address": "fd00::2" },
        });
        let of = |mode| first_address(&networks, mode).map(|address| address.to_string());
        assert_eq!(of("b").as_deref(), Some("10.1.0.2"));
        assert_eq!(of("default").as_deref(), Some("172.17.0.2"));
        assert_eq!(of("six").as_deref(), Some("fd00::2"));
        assert_eq!(of("gone").as_deref(), Some("10.0.0.2"));
        assert_eq!(
            first_address(&json!({ "none": { "IPAddress": "" } }), "none"),
            None
        );
        assert_eq!(first_address(&Value::Null, "none"), None);
    }
}
