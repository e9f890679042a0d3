//! The container that replaces the agent's own.

use std::collections::BTreeMap;
use std::path::Path;

use pinion_model::{Failure, FailureKind};
use pinion_workload::names::{IGNORE_LABEL, REPLACER_LABEL};
use pinion_workload::{Answer, ContainerId, CreateSpec, ITSELF, Operation};
use serde_json::{Map, Value, json};

use super::PROGRAM;
use crate::driver::{Driver, EngineError};
use crate::recreate::Facts;

/// What of an endpoint is of that one container alone.
const OF_ONE: [&str; 4] = ["IPAMConfig", "Aliases", "Links", "MacAddress"];

/// Creates it, with the agent's own volumes and networks; it is started next.
pub(super) async fn start<D: Driver>(
    driver: &D,
    own: &ContainerId,
    operation: &Operation,
    state_dir: &Path,
    engine_host: &str,
) -> Result<(), Answer> {
    let Some(image) = &operation.image else {
        return Err(failed("no image was chosen".to_owned()));
    };
    let facts = Facts::of(driver, own, Some(image)).await?;
    let copy = facts
        .recreate(&BTreeMap::new())
        .spec()
        .map_err(Answer::Refused)?;
    let command = json!([
        "replace-agent",
        "--state-dir",
        state_dir,
        "--docker-host",
        engine_host
    ]);
    let labels = json!({ REPLACER_LABEL: operation.id.as_str(), IGNORE_LABEL: "true" });
    let spec = as_replacer(copy, command, labels);
    let name = format!("{ITSELF}-replacer-{}", operation.id);
    match driver.create(&name, &spec).await {
        Ok(_) => Ok(()),
        Err(error @ EngineError::Refused { .. }) => Err(Answer::Refused(Failure::new(
            FailureKind::Create,
            error.to_string(),
        ))),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn failed(why: String) -> Answer {
    Answer::Failed(Failure::new(FailureKind::Engine, why))
}

/// The agent's container with another command, and nothing that only one can
/// have: it runs beside it. It comes back after a restart of the engine, since
/// between the stop of one agent and the start of the next nobody else does.
fn as_replacer(mut spec: CreateSpec, command: Value, labels: Value) -> CreateSpec {
    if let Some(config) = spec.body.as_object_mut() {
        for key in [
            "Hostname",
            "Domainname",
            "ExposedPorts",
            "MacAddress",
            "Volumes",
        ] {
            config.remove(key);
        }
        config.insert("Entrypoint".to_owned(), json!([PROGRAM]));
        config.insert("Cmd".to_owned(), command);
        config.insert("Labels".to_owned(), labels);
        config.insert("Healthcheck".to_owned(), json!({ "Test": ["NONE"] }));
    }
    if let Some(host) = spec.body["HostConfig"].as_object_mut() {
        for key in ["PortBindings", "Links"] {
            host.remove(key);
        }
        host.insert("PublishAllPorts".to_owned(), json!(false));
        host.insert("AutoRemove".to_owned(), json!(false));
        let always = json!({ "Name": "always", "MaximumRetryCount": 0 });
        host.insert("RestartPolicy".to_owned(), always);
    }
    let endpoints = spec.body.pointer_mut("/NetworkingConfig/EndpointsConfig");
    let endpoints = endpoints.and_then(Value::as_object_mut).into_iter();
    let at_creation = endpoints.flat_map(Map::values_mut);
    let afterwards = spec.connect.iter_mut().map(|(_, endpoint)| endpoint);
    for endpoint in at_creation.chain(afterwards) {
        if let Some(endpoint) = endpoint.as_object_mut() {
            OF_ONE.iter().for_each(|key| drop(endpoint.remove(*key)));
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacer_has_the_agents_volumes_and_networks_and_nothing_that_only_one_can_have() {
        let spec = CreateSpec {
            body: json!({
                "Image": "r/agent@sha256:1", "Hostname": "agent", "Env": ["A=b"], "Cmd": ["run"],
                "Labels": { "pinion.workload": "pinion-agent", "com.docker.compose.project": "p" },
                "ExposedPorts": { "1/tcp": {} },
                "HostConfig": {
                    "Binds": ["/state:/var/lib/pinion-agent"], "NetworkMode": "front",
                    "PortBindings": { "1/tcp": [{ "HostPort": "1" }] },
                    "RestartPolicy": { "Name": "unless-stopped" },
                },
                "NetworkingConfig": { "EndpointsConfig": { "front": {
                    "IPAMConfig": { "IPv4Address": "10.0.0.9" }, "Aliases": ["agent"], "DriverOpts": { "a": "b" },
                } } },
            }),
            connect: vec![(
                "back".to_owned(),
                json!({ "MacAddress": "02:00:00:00:00:01" }),
            )],
            warnings: Vec::new(),
        };
        let replacer = as_replacer(spec, json!(["replace-agent"]), json!({ "l": "m" }));
        let expected = json!({
            "Image": "r/agent@sha256:1", "Env": ["A=b"], "Entrypoint": ["/pinion-agent"],
            "Cmd": ["replace-agent"], "Labels": { "l": "m" }, "Healthcheck": { "Test": ["NONE"] },
            "HostConfig": {
                "Binds": ["/state:/var/lib/pinion-agent"], "NetworkMode": "front",
                "PublishAllPorts": false, "AutoRemove": false,
                "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 },
            },
            "NetworkingConfig": { "EndpointsConfig": { "front": { "DriverOpts": { "a": "b" } } } },
        });
        assert_eq!(replacer.body, expected);
        assert_eq!(replacer.connect, [("back".to_owned(), json!({}))]);
    }
}
