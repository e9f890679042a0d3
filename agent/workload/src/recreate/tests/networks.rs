//! Quirks of endpoints.

use serde_json::json;

use super::case::{Case, OLD_ID};

#[test]
fn a_chosen_mac_is_kept_and_a_generated_one_is_not_copied() {
    let spec = Case::new()
        .with("/Config/MacAddress", json!("02:00:00:00:00:01"))
        .spec();
    assert_eq!(spec.body["MacAddress"], "02:00:00:00:00:01");
    assert_eq!(
        spec.body["NetworkingConfig"]["EndpointsConfig"],
        json!({ "bridge": {} })
    );
}

fn on_two_networks() -> Case {
    Case::new().with("/HostConfig/NetworkMode", json!("front")).with(
        "/NetworkSettings/Networks",
        json!({
            "back": { "Aliases": ["db", &OLD_ID[..12]], "NetworkID": "b", "GwPriority": 5 },
            "front": {
                "Aliases": ["www", &OLD_ID[..12], "www"], "IPAddress": "10.0.0.5", "Gateway": "10.0.0.1",
                "IPAMConfig": { "IPv4Address": "10.0.0.5" }, "Links": null, "MacAddress": "02:42:0a:00:00:05",
            },
        }),
    )
}

#[test]
fn old_engines_get_the_primary_network_at_creation_and_the_others_after_it() {
    let spec = on_two_networks().spec();
    assert_eq!(
        spec.body["NetworkingConfig"]["EndpointsConfig"],
        json!({ "front": { "Aliases": ["www"], "IPAMConfig": { "IPv4Address": "10.0.0.5" } } })
    );
    assert_eq!(
        spec.connect,
        [(
            "back".to_owned(),
            json!({ "Aliases": ["db"], "GwPriority": 5 })
        )]
    );
}

#[test]
fn new_engines_get_all_networks_at_creation_and_aliases_as_the_user_gave_them() {
    let mut case = on_two_networks();
    case.api_version = "1.51";
    let spec = case.spec();
    assert!(spec.connect.is_empty());
    let endpoints = &spec.body["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!(endpoints["back"]["Aliases"], json!(["db", &OLD_ID[..12]]));
    assert_eq!(endpoints["front"]["IPAMConfig"]["IPv4Address"], "10.0.0.5");
}

#[test]
fn the_engines_own_networks_take_no_alias() {
    let networks = json!({ "bridge": { "Aliases": [&OLD_ID[..12], "x"] } });
    let spec = Case::new()
        .with("/NetworkSettings/Networks", networks)
        .spec();
    assert_eq!(
        spec.body["NetworkingConfig"]["EndpointsConfig"],
        json!({ "bridge": {} })
    );
}

#[test]
fn a_network_given_by_id_is_named_so_that_its_static_address_survives() {
    let id = "f".repeat(64);
    let networks =
        json!({ "front": { "NetworkID": id, "IPAMConfig": { "IPv4Address": "10.0.0.5" } } });
    let case = Case::new()
        .with("/HostConfig/NetworkMode", json!(id))
        .with("/NetworkSettings/Networks", networks);
    let body = case.spec().body;
    assert_eq!(body["HostConfig"]["NetworkMode"], "front");
    assert_eq!(
        body["NetworkingConfig"]["EndpointsConfig"]["front"]["IPAMConfig"]["IPv4Address"],
        "10.0.0.5"
    );
}

#[test]
fn a_container_that_left_its_first_network_does_not_come_back_to_it() {
    let spec = Case::new()
        .with("/NetworkSettings/Networks", json!({ "front": {} }))
        .spec();
    assert_eq!(spec.body["HostConfig"]["NetworkMode"], "front");
    let spec = Case::new()
        .with("/NetworkSettings/Networks", json!({}))
        .spec();
    assert_eq!(spec.body["HostConfig"]["NetworkMode"], "none");
    assert_eq!(spec.warnings.len(), 1);
}

#[test]
fn one_that_is_replaced_start_first_answers_to_its_name_before_it_has_it() {
    let networks =
        json!({ "bridge": {}, "front": { "Aliases": ["www"] }, "web": { "Aliases": ["web"] } });
    let asked = |order: &str| {
        let mut case = Case::new()
            .with("/Name", json!("/web"))
            .with("/Config/Labels", json!({ "pinion.order": order }))
            .with("/NetworkSettings/Networks", networks.clone());
        case.api_version = "1.51";
        case.spec().body["NetworkingConfig"]["EndpointsConfig"].clone()
    };
    let front = json!({ "Aliases": ["www"] });
    let web = json!({ "Aliases": ["web"] });
    assert_eq!(
        asked("stop-first"),
        json!({ "bridge": {}, "front": front, "web": web })
    );
    assert_eq!(
        asked("start-first"),
        json!({ "bridge": {}, "front": { "Aliases": ["www", "web"] }, "web": web })
    );
}
