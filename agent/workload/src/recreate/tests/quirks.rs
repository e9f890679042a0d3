//! One test for each of the engine's quirks (Engine 20.10 unless said otherwise).

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{Failure, FailureKind, ImageRef};
use serde_json::{Value, json};

use crate::recreate::Recreate;
use crate::{Container, ContainerId, ContainerState, CreateSpec, Health, Image};

const OLD_ID: &str = "aaaaaaaaaaaabbbbbbbbbbbbccccccccccccddddddddddddeeeeeeeeeeeeffff";

/// An old container and the machine around it; a test changes what it is about.
struct Case {
    inspect: Value,
    old_image: Option<Image>,
    labels: BTreeMap<String, String>,
    containers: Vec<Container>,
    api_version: &'static str,
}

impl Case {
    fn new() -> Self {
        Self {
            inspect: json!({
                "Id": OLD_ID, "Name": "/web", "Image": "sha256:old",
                "Config": { "Hostname": &OLD_ID[..12], "Image": "r.io/a:1", "Cmd": ["run"], "Labels": {} },
                "HostConfig": { "NetworkMode": "default", "Memory": 4096, "KernelMemory": 7 },
                "Mounts": [],
                "NetworkSettings": { "Networks": { "bridge": { "IPAddress": "172.17.0.2", "MacAddress": "02:42:ac:11:00:02" } } },
            }),
            old_image: Some(image("sha256:old", json!({ "Cmd": ["run"] }))),
            labels: BTreeMap::new(),
            containers: Vec::new(),
            api_version: "1.41",
        }
    }

    fn with(mut self, pointer: &str, value: Value) -> Self {
        let (place, key) = pointer.rsplit_once('/').expect("a pointer");
        self.inspect.pointer_mut(place).expect("a known place")[key] = value;
        self
    }

    fn result(&self) -> Result<CreateSpec, Failure> {
        let new_image = image("sha256:new", json!({}));
        let reference: ImageRef = format!("r.io/a@sha256:{}", "1".repeat(64))
            .parse()
            .expect("an image");
        let recreate = Recreate {
            inspect: &self.inspect,
            old_image: self.old_image.as_ref(),
            new_image: &new_image,
            reference: &reference,
            labels: &self.labels,
            containers: &self.containers,
            host_name: "machine",
            api_version: self.api_version,
        };
        recreate.spec()
    }

    fn spec(&self) -> CreateSpec {
        self.result().expect("can be recreated")
    }
}

fn image(id: &str, config: Value) -> Image {
    Image {
        id: id.to_owned(),
        repo_digests: Vec::new(),
        repo_tags: Vec::new(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        config,
    }
}

fn container(id: &str, name: &str, labels: &[(&str, &str)]) -> Container {
    Container {
        id: ContainerId(id.to_owned()),
        name: name.to_owned(),
        image_id: String::new(),
        image_reference: String::new(),
        repo_digests: Vec::new(),
        labels: labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        state: ContainerState::Running,
        health: Health::None,
        health_timing: None,
        restart_count: 0,
        oom_killed: false,
        exit_code: 0,
        started_at: None,
        restart_policy: "always".to_owned(),
        restart_retries: 0,
        auto_remove: false,
        stop_timeout: Duration::from_secs(10),
    }
}

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
            "pinion.op": "1", "pinion.replaces": "gone", "mine": "yes", "default": "old",
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
            "pinion.op": "2", "mine": "yes",
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
        container("other", "db.next.7", &[("pinion.replaces", "gone")]),
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
        .with("/HostConfig/Links", json!(["/db.prev.3:/web/dbalias"]));
    case.containers = vec![
        container("kept", "db.prev.3", &[]),
        container("fresh", "db", &[("pinion.replaces", "kept")]),
        container("d4ta", "data", &[]),
    ];
    let host = &case.spec().body["HostConfig"];
    assert_eq!(host["VolumesFrom"], json!(["fresh:ro", "d4ta"]));
    assert_eq!(host["IpcMode"], "container:fresh");
    assert_eq!(host["Links"], json!(["db:dbalias"]));
}

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
            { "Type": "volume", "Source": "v1", "Target": "/one", "ReadOnly": false },
            { "Type": "volume", "Source": "v4", "Target": "/four", "ReadOnly": true },
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

#[test]
fn what_stays_behind_is_said() {
    let spec = Case::new()
        .with("/SizeRw", json!(12))
        .with("/HostConfig/AutoRemove", json!(true))
        .spec();
    assert_eq!(spec.body["HostConfig"]["AutoRemove"], false);
    assert_eq!(spec.warnings.len(), 2);
}
