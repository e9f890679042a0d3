//! Quirks of published ports.

use serde_json::{Value, json};

use super::case::Case;

fn published(labels: Value) -> Case {
    let two = |port: &str| json!([{ "HostIp": "0.0.0.0", "HostPort": port }, { "HostIp": "::", "HostPort": port }]);
    Case::new()
        .with("/Config/Labels", labels)
        .with("/Config/ExposedPorts", json!({ "80/tcp": {}, "81/tcp": {}, "82/tcp": {}, "83/tcp": {}, "84/tcp": {} }))
        .with("/HostConfig/PublishAllPorts", json!(true))
        .with(
            "/HostConfig/PortBindings",
            json!({
                "80/tcp": [{ "HostIp": "", "HostPort": "" }],
                "81/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8000-8010" }],
                "82/tcp": [{ "HostIp": "", "HostPort": "9000" }, { "HostIp": "", "HostPort": "" }],
            }),
        )
        .with(
            "/NetworkSettings/Ports",
            json!({
                "80/tcp": two("49153"), "81/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8003" }],
                "82/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "9000" }, { "HostIp": "0.0.0.0", "HostPort": "49154" }],
                "83/tcp": two("49155"), "84/tcp": null,
            }),
        )
}

#[test]
fn ports_that_the_engine_chose_are_left_to_it_and_that_is_said() {
    let case = published(json!({}));
    let spec = case.spec();
    assert_eq!(
        spec.body["HostConfig"]["PortBindings"],
        case.inspect["HostConfig"]["PortBindings"]
    );
    assert!(
        spec.warnings
            .iter()
            .any(|w| w.contains("pinion.pin-ports=true")),
        "{:?}",
        spec.warnings
    );
}

#[test]
fn ports_that_the_engine_chose_are_pinned_where_a_label_asks_for_it() {
    let spec = published(json!({ "pinion.pin-ports": "true" })).spec();
    assert_eq!(
        spec.body["HostConfig"]["PortBindings"],
        json!({
            "80/tcp": [{ "HostIp": "", "HostPort": "49153" }],
            "81/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8003" }],
            "82/tcp": [{ "HostIp": "", "HostPort": "9000" }, { "HostIp": "", "HostPort": "49154" }],
            "83/tcp": [{ "HostIp": "", "HostPort": "49155" }],
        })
    );
    assert_eq!(spec.warnings, Vec::<String>::new());
}
