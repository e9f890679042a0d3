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

#[test]
fn what_the_same_operation_replaces_is_referred_to_by_the_one_it_made() {
    let mut case = Case::new()
        .with("/HostConfig/PidMode", json!("container:0ld"))
        .with("/HostConfig/IpcMode", json!("container:db"))
        .with("/HostConfig/VolumesFrom", json!(["db:ro", "other"]))
        .with(
            "/HostConfig/Links",
            json!(["/db:/web/dbalias", "/other:/web/o"]),
        );
    case.labels
        .insert("pinion.op".to_owned(), "g7a1".to_owned());
    let labels = |op: &'static str| [("pinion.replaces", "0ld"), ("pinion.op", op)];
    case.containers = vec![
        container("0ld", "db", &[]),
        container("an0ther", "db.failed.g6a1", &labels("g6a1")),
        container("fresh", "db.next.g7a1", &labels("g7a1")),
        container("0ther", "other", &[]),
    ];
    let host = &case.spec().body["HostConfig"];
    assert_eq!(host["PidMode"], "container:fresh");
    assert_eq!(host["IpcMode"], "container:fresh");
    assert_eq!(host["VolumesFrom"], json!(["fresh:ro", "0ther"]));
    // The engine looks for the name again when it restarts, and that one goes.
    assert_eq!(host["Links"], json!(["fresh:dbalias", "other:o"]));
}
