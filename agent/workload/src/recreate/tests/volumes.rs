//! Quirks of volumes.

use serde_json::json;

use super::case::{Case, container};

#[test]
fn anonymous_volumes_are_attached_by_name_wherever_they_were_asked_for() {
    let volume = |name: &str, target: &str| json!({ "Type": "volume", "Name": name, "Destination": target, "RW": true });
    let mut read_only = volume("v4", "/four");
    read_only["RW"] = json!(false);
    let spec = Case::new()
        .with("/Config/Volumes", json!({ "/one": {}, "/four": {} }))
        .with("/HostConfig/Binds", json!(["/two/", "/three:ro", "named:/five", "/host:/six:ro"]))
        .with("/HostConfig/Mounts", json!([{ "Type": "volume", "Target": "/seven" }]))
        .with(
            "/Mounts",
            json!([
                volume("v1", "/one"), volume("v2", "/two"), volume("v3", "/three"), read_only,
                volume("named", "/five"), { "Type": "bind", "Destination": "/six" }, volume("v7", "/seven"),
            ]),
        )
        .spec();
    let host = &spec.body["HostConfig"];
    assert_eq!(
        host["Binds"],
        json!(["v2:/two/", "v3:/three:ro", "named:/five", "/host:/six:ro"])
    );
    assert_eq!(
        host["Mounts"],
        json!([
            { "Type": "volume", "Target": "/seven", "Source": "v7" },
            { "Type": "volume", "Source": "v4", "Target": "/four", "ReadOnly": true },
            { "Type": "volume", "Source": "v1", "Target": "/one", "ReadOnly": false },
        ])
    );
    assert_eq!(spec.warnings.len(), 2);
}

#[test]
fn a_volume_of_another_container_is_left_to_volumes_from() {
    let mut case = Case::new()
        .with("/HostConfig/VolumesFrom", json!(["data"]))
        .with(
            "/Mounts",
            json!([{ "Type": "volume", "Name": "theirs", "Destination": "/shared", "RW": true }]),
        );
    case.containers = vec![container("d4ta", "data", &[])];
    assert_eq!(case.spec().body["HostConfig"].get("Mounts"), None);
}
