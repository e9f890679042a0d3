//! The engine's JSON as our words.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{ImageRef, Timestamp};
use pinion_workload::{
    Container, ContainerId, ContainerState, Health, HealthTiming, Image, claims,
};
use serde_json::Value;

use crate::driver::{EngineError, EngineInfo};

/// The engine's grace where a container has none of its own.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Stands for "never killed" (-1), so that a stop ends some day.
const LONGEST_GRACE: Duration = Duration::from_secs(3600);

/// One container of an inspect answer; the digests of its image are not in it.
pub(super) fn container(inspect: &Value) -> Result<Container, EngineError> {
    let (state, config, host) = (
        &inspect["State"],
        &inspect["Config"],
        &inspect["HostConfig"],
    );
    Ok(Container {
        id: ContainerId(text(&inspect["Id"])),
        name: text(&inspect["Name"]).trim_start_matches('/').to_owned(),
        image_id: text(&inspect["Image"]),
        image_reference: text(&config["Image"]),
        repo_digests: Vec::new(),
        labels: labels(&config["Labels"]),
        state: container_state(&text(&state["Status"]))?,
        health: health(&text(&state["Health"]["Status"])),
        health_timing: health_timing(&config["Healthcheck"]),
        restart_count: number(&inspect["RestartCount"]),
        oom_killed: state["OOMKilled"] == true,
        exit_code: state["ExitCode"].as_i64().unwrap_or_default(),
        started_at: instant(&text(&state["StartedAt"])),
        restart_policy: restart_policy(&host["RestartPolicy"]["Name"]),
        restart_retries: host["RestartPolicy"]["MaximumRetryCount"]
            .as_i64()
            .unwrap_or_default(),
        auto_remove: host["AutoRemove"] == true,
        stop_timeout: grace(&config["StopTimeout"]),
        depends_on: depends_on(host),
        claims: claims(inspect),
        podman: None,
    })
}

/// When it ended last.
pub(super) fn ended_at(inspect: &Value) -> Option<Timestamp> {
    instant(&text(&inspect["State"]["FinishedAt"]))
}

/// What the list alone tells of a container that the engine cannot inspect. Its
/// restart policy is not among it: "" is no policy, and setting it changes none.
pub(super) fn listed(entry: &Value) -> Container {
    let names = texts(&entry["Names"]);
    // The name that a link gave it has a second slash.
    let own = |name: &&String| !name.trim_start_matches('/').contains('/');
    let name = names.iter().find(own).or(names.first());
    Container {
        id: ContainerId(text(&entry["Id"])),
        name: name
            .map_or("", |name| name.trim_start_matches('/'))
            .to_owned(),
        image_id: text(&entry["ImageID"]),
        image_reference: text(&entry["Image"]),
        repo_digests: Vec::new(),
        labels: labels(&entry["Labels"]),
        state: container_state(&text(&entry["State"])).unwrap_or(ContainerState::Dead),
        health: listed_health(&text(&entry["Status"])),
        health_timing: None,
        restart_count: 0,
        oom_killed: false,
        exit_code: 0,
        started_at: None,
        restart_policy: String::new(),
        restart_retries: 0,
        auto_remove: false,
        stop_timeout: DEFAULT_GRACE,
        depends_on: Vec::new(),
        claims: Vec::new(),
        podman: None,
    }
}

/// From words such as "Up 3 hours (healthy)".
fn listed_health(words: &str) -> Health {
    [
        ("(healthy)", Health::Healthy),
        ("(unhealthy)", Health::Unhealthy),
        ("(health: starting)", Health::Starting),
    ]
    .into_iter()
    .find_map(|(word, health)| words.ends_with(word).then_some(health))
    .unwrap_or(Health::None)
}

/// Namespaces are shared by `container:<id>`; volumes come from `<id>` or
/// `<id>:<mode>`; a link is `/child:/parent/alias`.
fn depends_on(host: &Value) -> Vec<String> {
    let shared = ["NetworkMode", "IpcMode", "PidMode"]
        .into_iter()
        .filter_map(|mode| host[mode].as_str()?.strip_prefix("container:"));
    let of_list = |field: &str| {
        let entries = host[field].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry.as_str()?.split(':').next())
    };
    let named = of_list("VolumesFrom").chain(of_list("Links"));
    shared
        .chain(named.map(|name| name.trim_start_matches('/')))
        .map(str::to_owned)
        .collect()
}

/// One image of an inspect answer.
pub(super) fn image(inspect: &Value) -> Image {
    Image {
        id: text(&inspect["Id"]),
        repo_digests: texts(&inspect["RepoDigests"])
            .iter()
            .filter_map(|text| digest(text))
            .collect(),
        repo_tags: texts(&inspect["RepoTags"])
            .iter()
            .map(|tag| with_host(tag))
            .collect(),
        os: text(&inspect["Os"]),
        architecture: text(&inspect["Architecture"]),
        config: inspect["Config"].clone(),
    }
}

/// Who the engine is; its "version" names the architecture as images do, its
/// "info" as the kernel does.
pub(super) fn info(version: &Value, info: &Value, api_version: String) -> EngineInfo {
    EngineInfo {
        version: text(&version["Version"]),
        api_version,
        os: text(&version["Os"]),
        architecture: text(&version["Arch"]),
        host_name: text(&info["Name"]),
        root_dir: text(&info["DockerRootDir"]).into(),
    }
}

fn container_state(word: &str) -> Result<ContainerState, EngineError> {
    Ok(match word {
        "created" | "initialized" => ContainerState::Created,
        "running" | "stopping" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "exited" | "stopped" => ContainerState::Exited,
        "removing" => ContainerState::Removing,
        "dead" => ContainerState::Dead,
        _ => {
            let message = format!("a container's state that is not known: {word:?}");
            return Err(EngineError::Unknown {
                call: "inspect",
                message,
            });
        }
    })
}

fn health(word: &str) -> Health {
    match word {
        "starting" => Health::Starting,
        "healthy" => Health::Healthy,
        "unhealthy" => Health::Unhealthy,
        _ => Health::None,
    }
}

fn health_timing(check: &Value) -> Option<HealthTiming> {
    let test = check["Test"].as_array().filter(|test| !test.is_empty())?;
    // "NONE" turns it off; of any other word the engine only warns, and checks nothing.
    if !matches!(test[0].as_str(), Some("CMD" | "CMD-SHELL")) {
        return None;
    }
    let or = |field: &str, default: Duration| match check[field].as_u64() {
        None | Some(0) => default,
        Some(nanos) => Duration::from_nanos(nanos),
    };
    let retries = number(&check["Retries"]);
    Some(HealthTiming {
        interval: or("Interval", Duration::from_secs(30)),
        timeout: or("Timeout", Duration::from_secs(30)),
        start_period: or("StartPeriod", Duration::ZERO),
        start_interval: or("StartInterval", Duration::from_secs(5)),
        retries: if retries == 0 { 3 } else { retries },
    })
}

fn grace(timeout: &Value) -> Duration {
    match timeout.as_i64() {
        None => DEFAULT_GRACE,
        Some(seconds) => u64::try_from(seconds).map_or(LONGEST_GRACE, Duration::from_secs),
    }
}

/// The engine shows the default policy as "no" or as nothing.
fn restart_policy(name: &Value) -> String {
    name.as_str()
        .filter(|name| !name.is_empty())
        .unwrap_or("no")
        .to_owned()
}

/// Year 1 is the engine's "never".
fn instant(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp)
}

fn digest(text: &str) -> Option<ImageRef> {
    with_host(text).parse().ok()
}

/// The engine leaves Docker Hub's host out; ours always name one.
fn with_host(reference: &str) -> String {
    match reference.split_once('/') {
        None => format!("docker.io/library/{reference}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => {
            reference.to_owned()
        }
        Some(_) => format!("docker.io/{reference}"),
    }
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    let labels = value.as_object().into_iter().flatten();
    labels
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn number(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inspect(state: Value, config: Value) -> Value {
        json!({
            "Id": "abc", "Name": "/web", "Image": "sha256:1", "RestartCount": 2,
            "State": state, "Config": config, "HostConfig": { "RestartPolicy": { "Name": "", "MaximumRetryCount": 0 } },
        })
    }

    #[test]
    fn a_container_is_read_with_the_engines_defaults_filled_in() {
        let state = json!({ "Status": "created", "StartedAt": "0001-01-01T00:00:00Z" });
        let config = json!({ "Image": "r.io/a", "Healthcheck": { "Test": ["CMD", "x"], "Interval": 1_000_000_000 } });
        let container = container(&inspect(state, config)).expect("a container");
        assert_eq!(
            (container.name.as_str(), container.restart_count),
            ("web", 2)
        );
        assert_eq!(
            (container.state, container.health),
            (ContainerState::Created, Health::None)
        );
        assert_eq!(
            (container.started_at, container.restart_policy.as_str()),
            (None, "no")
        );
        assert_eq!(container.stop_timeout, Duration::from_secs(10));
        let timing = container.health_timing.expect("has a check");
        assert_eq!(
            (timing.interval, timing.timeout),
            (Duration::from_secs(1), Duration::from_secs(30))
        );
        assert_eq!((timing.start_period, timing.retries), (Duration::ZERO, 3));
    }

    #[test]
    fn what_runs_says_since_when_and_how_it_fares() {
        let state = json!({
            "Status": "running", "StartedAt": "1970-01-01T00:00:01.5Z", "Health": { "Status": "unhealthy" },
        });
        let config = json!({ "StopTimeout": -1, "Healthcheck": { "Test": ["NONE"] } });
        let container = container(&inspect(state, config)).expect("a container");
        assert_eq!(container.started_at, Some(Timestamp(1500)));
        assert_eq!(
            (container.health, container.health_timing),
            (Health::Unhealthy, None)
        );
        assert_eq!(container.stop_timeout, LONGEST_GRACE);
    }

    #[test]
    fn a_state_that_is_not_known_is_not_taken_for_another() {
        let error =
            container(&inspect(json!({ "Status": "melting" }), json!({}))).expect_err("not known");
        assert!(matches!(error, EngineError::Unknown { .. }));
    }

    #[test]
    fn docker_hubs_digests_get_their_host_back() {
        let hex = "1".repeat(64);
        let read = |name: &str| {
            digest(&format!("{name}@sha256:{hex}")).map(|image| image.repository.to_string())
        };
        assert_eq!(read("alpine").as_deref(), Some("docker.io/library/alpine"));
        assert_eq!(read("a/b").as_deref(), Some("docker.io/a/b"));
        assert_eq!(read("10.0.0.1:5000/a").as_deref(), Some("10.0.0.1:5000/a"));
        assert_eq!(read("<none>"), None);
    }

    #[test]
    fn docker_hubs_tags_are_named_like_its_digests() {
        let hex = "1".repeat(64);
        for name in ["alpine", "acme/app", "ghcr.io/acme/app", "localhost/a"] {
            let image = image(&json!({
                "RepoTags": [format!("{name}:v1")], "RepoDigests": [format!("{name}@sha256:{hex}")],
            }));
            let repository = &image.repo_digests[0].repository;
            assert_eq!(image.repo_tags, [format!("{repository}:v1")]);
        }
    }
}
