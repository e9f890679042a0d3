//! Quirks of settings that stand for themselves.

use pinion_model::FailureKind;
use serde_json::json;

use super::case::{Case, image};

#[test]
fn settings_that_we_do_not_know_pass_through_and_the_image_is_a_digest() {
    let spec = Case::new()
        .with("/HostConfig/Invented", json!({ "Deep": [1] }))
        .spec();
    assert_eq!(spec.body["HostConfig"]["KernelMemory"], 7);
    assert_eq!(spec.body["HostConfig"]["Invented"], json!({ "Deep": [1] }));
    assert_eq!(
        spec.body["Image"],
        format!("r.io/a@sha256:{}", "1".repeat(64))
    );
}

#[test]
fn without_the_old_image_nothing_is_guessed() {
    let mut case = Case::new();
    case.old_image = None;
    let failure = case.result().expect_err("the old image is gone");
    assert_eq!(failure.kind, FailureKind::Create);
    assert!(
        failure
            .message
            .contains("container web: its image sha256:old"),
        "{}",
        failure.message
    );
}

#[test]
fn an_answer_that_is_no_container_is_the_engines_failure() {
    let mut case = Case::new();
    case.inspect = json!({ "message": "oops" });
    assert_eq!(
        case.result().expect_err("no container").kind,
        FailureKind::Engine
    );
}

#[test]
fn a_host_name_that_the_engine_made_up_is_dropped_and_a_chosen_one_kept() {
    let hostname = |case: Case| case.spec().body.get("Hostname").cloned();
    assert_eq!(hostname(Case::new()), None);
    assert_eq!(
        hostname(Case::new().with("/Config/Hostname", json!("chosen"))),
        Some(json!("chosen"))
    );
    let on_host = |name: &str| {
        Case::new()
            .with("/HostConfig/NetworkMode", json!("host"))
            .with("/Config/Hostname", json!(name))
    };
    assert_eq!(hostname(on_host("machine")), None);
    assert_eq!(hostname(on_host("chosen")), Some(json!("chosen")));
    let uts = Case::new()
        .with("/HostConfig/UTSMode", json!("host"))
        .with("/Config/Hostname", json!("machine"));
    assert_eq!(hostname(uts), None);
}

#[test]
fn labels_keep_composes_hash_follow_the_image_and_forget_the_last_operation() {
    let mut case = Case::new().with(
        "/Config/Labels",
        json!({
            "com.docker.compose.config-hash": "h", "com.docker.compose.image": "sha256:old",
            "pinion.op": "1", "pinion.replaces": "gone", "pinion.old-state": "running", "pinion.old-policy": "always", "mine": "yes", "default": "old",
        }),
    );
    case.old_image = Some(image(
        "sha256:old",
        json!({ "Labels": { "default": "old" } }),
    ));
    case.labels.insert("pinion.op".to_owned(), "2".to_owned());
    assert_eq!(
        case.spec().body["Labels"],
        json!({
            "com.docker.compose.config-hash": "h", "com.docker.compose.image": "sha256:new",
            "pinion.op": "2", "mine": "yes", "pinion.reference": "r.io/a:1",
        })
    );
}

#[test]
fn a_published_port_stays_exposed_and_one_of_the_image_does_not() {
    let mut case = Case::new()
        .with(
            "/Config/ExposedPorts",
            json!({ "80/tcp": {}, "81/tcp": {}, "82/tcp": {} }),
        )
        .with(
            "/HostConfig/PortBindings",
            json!({ "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] }),
        );
    case.old_image = Some(image(
        "sha256:old",
        json!({ "ExposedPorts": { "80/tcp": {}, "81/tcp": {} } }),
    ));
    let body = case.spec().body;
    assert_eq!(body["ExposedPorts"], json!({ "80/tcp": {}, "82/tcp": {} }));
    assert_eq!(
        body["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"],
        "8080"
    );
}

#[test]
fn what_stays_behind_is_said() {
    let spec = Case::new()
        .with("/HostConfig/AutoRemove", json!(true))
        .spec();
    assert_eq!(spec.body["HostConfig"]["AutoRemove"], false);
    assert_eq!(spec.warnings.len(), 1);
}
