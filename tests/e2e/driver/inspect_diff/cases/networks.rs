//! Networks, ports and namespaces.

use serde_json::{Value, json};

use super::{Case, case, host};

pub(super) fn networks(front: &str) -> Vec<Case> {
    let endpoint = |network: &str, endpoint: Value| json!({ "HostConfig": { "NetworkMode": network }, "NetworkingConfig": { "EndpointsConfig": { network: endpoint } } });
    let mut with_mac = endpoint(
        "front",
        json!({ "IPAMConfig": { "IPv4Address": "10.77.0.12" } }),
    );
    with_mac["MacAddress"] = json!("02:42:0a:4d:00:99");
    let mut named = endpoint("front", json!({ "Aliases": ["chosen", "www"] }));
    named["Hostname"] = json!("chosen");
    vec![
        host("net-host", json!({ "NetworkMode": "host" })),
        host("net-none", json!({ "NetworkMode": "none" })),
        host("net-bridge", json!({ "NetworkMode": "bridge" })),
        host("net-user", json!({ "NetworkMode": "front" })),
        host("net-by-id", json!({ "NetworkMode": front })),
        case(
            "net-host-named",
            json!({ "Hostname": "chosen", "HostConfig": { "NetworkMode": "host" } }),
        ),
        case(
            "net-static",
            endpoint(
                "front",
                json!({ "IPAMConfig": { "IPv4Address": "10.77.0.10" } }),
            ),
        ),
        case(
            "net-aliases",
            endpoint("front", json!({ "Aliases": ["www", "web.internal"] })),
        ),
        case("net-aliases-as-hostname", named),
        case(
            "net-links",
            endpoint("front", json!({ "Links": ["lender:db"] })),
        ),
        case(
            "net-driver-opts",
            endpoint(
                "front",
                json!({ "DriverOpts": { "com.example.mine": "1" } }),
            ),
        ),
        case("net-mac", json!({ "MacAddress": "02:42:ac:11:00:99" })),
        case("net-mac-static", with_mac),
        Case {
            connect: vec![
                (
                    "back",
                    json!({ "Aliases": ["db"], "IPAMConfig": { "IPv4Address": "10.78.0.9" } }),
                ),
                ("side", json!({ "Aliases": ["s"] })),
            ],
            ..case(
                "net-three",
                endpoint(
                    "front",
                    json!({ "Aliases": ["www"], "IPAMConfig": { "IPv4Address": "10.77.0.11" } }),
                ),
            )
        },
        Case {
            connect: vec![("back", json!({}))],
            ..case("net-bridge-and-back", json!({}))
        },
        host("net-lent", json!({ "NetworkMode": "container:lender" })),
        host("ipc-lent", json!({ "IpcMode": "container:lender" })),
        host("pid-lent", json!({ "PidMode": "container:lender" })),
        host("ipc-host", json!({ "IpcMode": "host" })),
        host("ipc-shareable", json!({ "IpcMode": "shareable" })),
        host("pid-host", json!({ "PidMode": "host" })),
        host("uts-host", json!({ "UTSMode": "host" })),
        host("linked", json!({ "Links": ["lender:db", "lender:other"] })),
        host(
            "dns",
            json!({ "Dns": ["10.77.0.53"], "DnsSearch": ["tenants.example"], "DnsOptions": ["ndots:2"] }),
        ),
        host(
            "extra-hosts",
            json!({ "ExtraHosts": ["other:10.1.2.3", "gw:host-gateway"] }),
        ),
    ]
}

pub(super) fn ports() -> Vec<Case> {
    let any = json!({ "8080/tcp": [{ "HostPort": "" }] });
    let pinned = json!({ "pinion.pin-ports": "true" });
    vec![
        host(
            "port-fixed",
            json!({ "PortBindings": { "8080/tcp": [{ "HostPort": "8500" }] } }),
        ),
        host(
            "port-on-address",
            json!({ "PortBindings": { "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8501" }] } }),
        ),
        case(
            "port-of-its-own",
            json!({
                "ExposedPorts": { "9/udp": {} }, "HostConfig": { "PortBindings": { "9/udp": [{ "HostPort": "8502" }, { "HostPort": "8503" }] } },
            }),
        ),
        host("port-any", json!({ "PortBindings": any })),
        host(
            "port-range",
            json!({ "PortBindings": { "8080/tcp": [{ "HostPort": "8600-8609" }] } }),
        ),
        host("port-all", json!({ "PublishAllPorts": true })),
        case(
            "port-any-pinned",
            json!({ "Labels": pinned, "HostConfig": { "PortBindings": any } }),
        ),
        case(
            "port-all-pinned",
            json!({ "Labels": pinned, "HostConfig": { "PublishAllPorts": true } }),
        ),
    ]
}
