//! Quirks of settings that point at other containers.

use serde_json::json;

use super::case::{Case, container};

#[test]
fn a_borrowed_network_is_resolved_and_what_its_lender_decides_is_dropped() {
    let mut case = Case::new()
        .with("/HostConfig/NetworkMode", json!("container:gone"))
        .with("/HostConfig/PortBindings", json!({ "80/tcp": [] }))
        .with("/Config/ExposedPorts", json!({ "80/tcp": {} }))
        .with("/NetworkSettings/Networks", json!({}));
    let failure = case.result().expect_err("nobody took its place");
    assert!(
        failure
            .message
            .contains("NetworkMode points at container gone"),
        "{}",
        failure.message
    );

    case.containers = vec![
        container("other", "db.next.g7a1", &[("pinion.replaces", "gone")]),
        container("fresh", "db", &[("pinion.replaces", "gone")]),
    ];
    let spec = case.spec();
    assert_eq!(spec.body["HostConfig"]["NetworkMode"], "container:fresh");
    for field in ["Hostname", "ExposedPorts", "NetworkingConfig"] {
        assert_eq!(spec.body.get(field), None, "{field}");
    }
    assert_eq!(spec.body["HostConfig"].get("PortBindings"), None);
}

#[test]
fn references_follow_the_container_that_took_the_place() {
    let mut case = Case::new()
        .with("/HostConfig/VolumesFrom", json!(["kept:ro", "data"]))
        .with("/HostConfig/IpcMode", json!("container:kept"))
        .with("/HostConfig/Links", json!(["/db.prev.g3a1:/web/dbalias"]));
    case.containers = vec![
        container("kept", "db.prev.g3a1", &[]),
        container("fresh", "db", &[("pinion.replaces", "kept")]),
        container("d4ta", "data", &[]),
    ];
    let host = &case.spec().body["HostConfig"];
    assert_eq!(host["VolumesFrom"], json!(["fresh:ro", "d4ta"]));
    assert_eq!(host["IpcMode"], "container:fresh");
    assert_eq!(host["Links"], json!(["db:dbalias"]));
}
