//! What two containers cannot have at once, from the engine's answer about one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SHARED_WRITES_LABEL;
use crate::recreate::ports;

/// Something that two containers cannot have at once, or should not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A fixed port of the machine for one of its own, such as "8080/tcp".
    HostPort(String),
    /// A port of the machine that the engine chooses anew at every start.
    OpenPort(String),
    /// A fixed address, with its network.
    Address(String),
    /// A namespace of the machine or of another container, such as "NetworkMode host".
    Namespace(String),
    /// A volume or directory that it may write to: where it is mounted.
    WritableMount(String),
}

impl Claim {
    pub(super) fn words(&self) -> String {
        match self {
            Self::HostPort(port) => format!(
                "it publishes {port} on a port of the machine (put a proxy before it, and remove the port)"
            ),
            Self::OpenPort(port) => format!(
                "the engine chooses anew on which port of the machine it publishes {port}, and nobody is told \
                 (point a proxy at the next one by a switch hook, or remove the port)"
            ),
            Self::Address(address) => {
                format!("it has the fixed address {address} (let it be reached by name)")
            }
            Self::Namespace(mode) => format!("it shares a namespace ({mode})"),
            Self::WritableMount(target) => format!(
                "it may write to what is mounted at {target} (mount it read-only, or say with the label \
                 {SHARED_WRITES_LABEL}=true that two may write there at once)"
            ),
        }
    }
}

/// What a container claims for itself alone, from the engine's answer about
/// it. Anonymous volumes are among it: the next one has the very same.
#[must_use]
pub fn claims(inspect: &Value) -> Vec<Claim> {
    let mut claims = ports(inspect);
    claims.extend(addresses(inspect));
    claims.extend(namespaces(inspect));
    claims.extend(mounts(inspect));
    claims.sort();
    claims.dedup();
    claims
}

fn ports(inspect: &Value) -> Vec<Claim> {
    let host = &inspect["HostConfig"];
    let keeps = inspect["Config"]["Labels"][ports::PIN_PORTS_LABEL] == "true";
    let claim = |is_open: bool, port: &str| match is_open && !keeps {
        true => Claim::OpenPort(port.to_owned()),
        false => Claim::HostPort(port.to_owned()),
    };
    let bound = host["PortBindings"].as_object().into_iter().flatten();
    let bound = bound.filter_map(|(port, on)| Some((port, on.as_array()?)));
    let mut found: Vec<_> = bound
        .filter(|(_, on)| !on.is_empty())
        .map(|(port, on)| claim(on.iter().all(ports::is_open), port))
        .collect();
    if host["PublishAllPorts"] == true {
        found.push(claim(true, "all its ports"));
    }
    found
}

fn addresses(inspect: &Value) -> Vec<Claim> {
    let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let mut found = Vec::new();
    let networks = inspect.pointer("/NetworkSettings/Networks");
    for (network, endpoint) in networks.and_then(Value::as_object).into_iter().flatten() {
        let asked = &endpoint["IPAMConfig"];
        for key in ["IPv4Address", "IPv6Address"] {
            found.extend(text(&asked[key]).map(|address| format!("{address} on {network}")));
        }
    }
    found.extend(text(&inspect["Config"]["MacAddress"]));
    found.into_iter().map(Claim::Address).collect()
}

fn namespaces(inspect: &Value) -> Vec<Claim> {
    let shared = |key: &&str| {
        let mode = inspect["HostConfig"][key].as_str().unwrap_or_default();
        (mode == "host" || mode.starts_with("container:"))
            .then(|| Claim::Namespace(format!("{key} {mode}")))
    };
    let keys = ["NetworkMode", "IpcMode", "PidMode", "UTSMode"];
    keys.iter().filter_map(shared).collect()
}

/// From `Mounts`, which has them all: those of `-v`, `--mount`, volumes-from
/// and the image.
fn mounts(inspect: &Value) -> Vec<Claim> {
    let writable = |mount: &&Value| mount["RW"] == true && mount["Type"] != "tmpfs";
    let mounts = inspect["Mounts"].as_array().into_iter().flatten();
    mounts
        .filter(writable)
        .map(|mount| {
            let target = mount["Destination"].as_str().unwrap_or_default();
            Claim::WritableMount(target.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mount(kind: &str, target: &str, writable: bool) -> Value {
        json!({ "Type": kind, "Destination": target, "RW": writable, "Name": "v", "Source": "/s" })
    }

    #[test]
    fn what_two_cannot_have_at_once_is_read_from_the_engines_answer() {
        let port = |on: Value| json!({ "HostConfig": { "PortBindings": { "80/tcp": on } } });
        let host = |key: &str, mode: &str| json!({ "HostConfig": { key: mode } });
        let address = |key: &str, value: &str| json!({ "NetworkSettings": { "Networks": { "n": { "IPAMConfig": { key: value }, "IPAddress": "172.18.0.2" } } } });
        let none = Vec::new;
        let claim = |claim: Claim| vec![claim];
        let cases = [
            (json!({}), none()),
            (port(json!(null)), none()),
            (port(json!([])), none()),
            (
                port(json!([{ "HostIp": "", "HostPort": "8080" }])),
                claim(Claim::HostPort("80/tcp".into())),
            ),
            (
                port(json!([{ "HostIp": "127.0.0.1", "HostPort": "" }])),
                claim(Claim::OpenPort("80/tcp".into())),
            ),
            (
                port(json!([{ "HostPort": "" }, { "HostPort": "8080" }])),
                claim(Claim::HostPort("80/tcp".into())),
            ),
            (
                json!({
                    "Config": { "Labels": { "pinion.pin-ports": "true" } },
                    "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "" }] } }
                }),
                claim(Claim::HostPort("80/tcp".into())),
            ),
            (
                json!({ "HostConfig": { "PublishAllPorts": true } }),
                claim(Claim::OpenPort("all its ports".into())),
            ),
            (
                json!({ "Config": { "ExposedPorts": { "80/tcp": {} } } }),
                none(),
            ),
            (address("IPv4Address", ""), none()),
            (
                address("IPv4Address", "172.18.0.9"),
                claim(Claim::Address("172.18.0.9 on n".into())),
            ),
            (
                address("IPv6Address", "fd00::9"),
                claim(Claim::Address("fd00::9 on n".into())),
            ),
            (
                json!({ "NetworkSettings": { "Networks": { "n": { "IPAMConfig": null, "MacAddress": "02:42:ac:12:00:02" } } } }),
                none(),
            ),
            (
                json!({ "Config": { "MacAddress": "02:00:00:00:00:01" } }),
                claim(Claim::Address("02:00:00:00:00:01".into())),
            ),
            (host("NetworkMode", "default"), none()),
            (host("NetworkMode", "hosting"), none()),
            (
                host("NetworkMode", "host"),
                claim(Claim::Namespace("NetworkMode host".into())),
            ),
            (
                host("NetworkMode", "container:abc"),
                claim(Claim::Namespace("NetworkMode container:abc".into())),
            ),
            (host("IpcMode", "private"), none()),
            (
                host("IpcMode", "host"),
                claim(Claim::Namespace("IpcMode host".into())),
            ),
            (
                host("IpcMode", "container:abc"),
                claim(Claim::Namespace("IpcMode container:abc".into())),
            ),
            (host("PidMode", ""), none()),
            (
                host("PidMode", "host"),
                claim(Claim::Namespace("PidMode host".into())),
            ),
            (
                host("PidMode", "container:abc"),
                claim(Claim::Namespace("PidMode container:abc".into())),
            ),
            (
                host("UTSMode", "host"),
                claim(Claim::Namespace("UTSMode host".into())),
            ),
            (
                json!({ "Mounts": [mount("bind", "/a", false), mount("volume", "/b", false), mount("tmpfs", "/c", true)] }),
                none(),
            ),
            (
                json!({ "Mounts": [mount("bind", "/a", true)] }),
                claim(Claim::WritableMount("/a".into())),
            ),
            (
                json!({ "Mounts": [mount("volume", "/b", true), mount("volume", "/b", true)] }),
                claim(Claim::WritableMount("/b".into())),
            ),
        ];
        for (inspect, expected) in cases {
            assert_eq!(claims(&inspect), expected, "{inspect}");
        }
    }
}
