//! An old container and the machine around it, as Engine 20.10 shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::Failure;
use serde_json::{Value, json};

use crate::recreate::Recreate;
use crate::{Container, ContainerId, ContainerState, CreateSpec, Health, Image};

pub(super) const OLD_ID: &str = "aaaaaaaaaaaabbbbbbbbbbbbccccccccccccddddddddddddeeeeeeeeeeeeffff";

/// An old container and the machine around it; a test changes what it is about.
pub(super) struct Case {
    pub(super) inspect: Value,
    pub(super) old_image: Option<Image>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) containers: Vec<Container>,
    pub(super) api_version: &'static str,
}

impl Case {
    pub(super) fn new() -> Self {
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

    pub(super) fn with(mut self, pointer: &str, value: Value) -> Self {
        let (place, key) = pointer.rsplit_once('/').expect("a pointer");
        self.inspect.pointer_mut(place).expect("a known place")[key] = value;
        self
    }

    pub(super) fn result(&self) -> Result<CreateSpec, Failure> {
        let new_image = image("sha256:new", json!({}));
        let reference = format!("r.io/a@sha256:{}", "1".repeat(64));
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

    pub(super) fn spec(&self) -> CreateSpec {
        self.result().expect("can be recreated")
    }
}

pub(super) fn image(id: &str, config: Value) -> Image {
    Image {
        id: id.to_owned(),
        repo_digests: Vec::new(),
        repo_tags: Vec::new(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        config,
    }
}

pub(crate) fn container(id: &str, name: &str, labels: &[(&str, &str)]) -> Container {
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
        depends_on: Vec::new(),
        claims: Vec::new(),
        podman: None,
    }
}
