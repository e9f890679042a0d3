//! What the engine says of what it holds.

use std::time::Duration;

use pinion_model::{Digest, Timestamp};
use pinion_workload::{Container, ContainerId, ContainerState, Health, HealthTiming, Image};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::machine::{Behaviour, Held, HeldImage, Machine, Need, missing};
use crate::driver::EngineError;

impl Machine {
    pub(super) fn containers(&self) -> Vec<Container> {
        self.containers
            .iter()
            .map(|held| self.answer(held))
            .collect()
    }

    fn answer(&self, held: &Held) -> Container {
        let image = self.images.get(&held.digest);
        let age = held
            .started
            .map_or(Duration::ZERO, |started| started.elapsed());
        let checked = image.is_some_and(|i| {
            matches!(
                i.behaviour,
                Behaviour::Healthy(_)
                    | Behaviour::NeverHealthy
                    | Behaviour::Sickens(_)
                    | Behaviour::Mute
            )
        });
        let health = match image.map(|i| i.behaviour) {
            Some(Behaviour::Healthy(after)) if age >= after => Health::Healthy,
            Some(Behaviour::Sickens(after)) if age >= after => Health::Unhealthy,
            Some(Behaviour::Sickens(_) | Behaviour::Mute) => Health::Healthy,
            Some(Behaviour::Healthy(_) | Behaviour::NeverHealthy) => Health::Starting,
            _ => Health::None,
        };
        let state = if held.paused {
            ContainerState::Paused
        } else {
            held.state
        };
        Container {
            id: held.id.clone(),
            name: held.name.clone(),
            image_id: image_id(&held.digest),
            image_reference: held.reference.clone(),
            repo_digests: image
                .map(|i| i.references.iter().cloned().collect())
                .unwrap_or_default(),
            labels: held.labels.clone(),
            state,
            health,
            health_timing: checked.then_some(HealthTiming {
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                start_period: Duration::ZERO,
                start_interval: Duration::from_secs(5),
                retries: 3,
            }),
            restart_count: held.restart_count,
            oom_killed: false,
            exit_code: held.exit_code,
            started_at: held.started.map(|at| self.timestamp(at)),
            restart_policy: held.policy.clone(),
            restart_retries: held.retries,
            auto_remove: held.auto_remove,
            stop_timeout: Duration::from_secs(10),
            depends_on: held.needs.iter().map(|need| self.shown(need)).collect(),
            claims: Vec::new(),
            podman: None,
        }
    }

    /// A need as inspect shows it.
    fn shown(&self, need: &Need) -> String {
        match need {
            Need::Network(on) | Need::Volumes(on) => on.clone(),
            Need::Link(id) => self
                .find(&id.0)
                .map_or_else(String::new, |c| c.name.clone()),
        }
    }

    /// The settings in which inspect shows what a container needs.
    fn host_config(&self, held: &Held) -> Value {
        let mut host = json!({
            "NetworkMode": "default",
            "AutoRemove": held.auto_remove,
            "RestartPolicy": { "Name": held.policy, "MaximumRetryCount": held.retries },
            "VolumesFrom": [],
            "Links": [],
        });
        for need in &held.needs {
            let on = self.shown(need);
            match need {
                Need::Network(_) => host["NetworkMode"] = json!(format!("container:{on}")),
                Need::Volumes(_) => push(&mut host["VolumesFrom"], on),
                Need::Link(_) => push(&mut host["Links"], format!("/{on}:/{}/{on}", held.name)),
            }
        }
        host
    }

    fn timestamp(&self, at: Instant) -> Timestamp {
        let since = at.checked_duration_since(self.epoch).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(0))
    }

    pub(super) fn inspect(&self, id: &ContainerId) -> Result<Value, EngineError> {
        let held = self
            .containers
            .iter()
            .find(|c| c.id == *id)
            .ok_or_else(|| missing(id))?;
        Ok(json!({
            "Id": held.id.0,
            "Name": format!("/{}", held.name),
            "Image": image_id(&held.digest),
            "State": { "Running": held.is_running() },
            "Config": { "Image": held.reference, "Hostname": &held.id.0[..12], "Labels": held.labels, "Env": held.env },
            "HostConfig": self.host_config(held),
            "NetworkSettings": { "Networks": {} },
            "Mounts": held.volumes.iter().map(|name| json!({
                "Type": "volume", "Name": name, "Destination": "/data", "Driver": "local", "RW": true,
            })).collect::<Vec<_>>(),
        }))
    }

    pub(super) fn written(&self, id: &ContainerId) -> Result<u64, EngineError> {
        let held = self.containers.iter().find(|c| c.id == *id);
        held.map(|held| held.written).ok_or_else(|| missing(id))
    }

    pub(super) fn image(&self, reference: &str) -> Result<Image, EngineError> {
        let digest = self
            .digest_of(reference)
            .ok_or_else(|| EngineError::NotFound(format!("image {reference}")))?;
        let image = &self.images[&digest];
        Ok(Image {
            id: image_id(&digest),
            repo_digests: image.references.iter().cloned().collect(),
            repo_tags: image.tags.iter().cloned().collect(),
            os: "linux".to_owned(),
            architecture: image.architecture.clone(),
            config: json!({}),
        })
    }

    pub(super) fn digest_of(&self, reference: &str) -> Option<Digest> {
        let named = |(digest, image): &(&Digest, &HeldImage)| {
            image_id(digest) == reference
                || image.tags.contains(reference)
                || image.references.iter().any(|r| r.to_string() == reference)
        };
        self.images
            .iter()
            .find(named)
            .map(|(digest, _)| digest.clone())
    }
}

fn push(list: &mut Value, text: String) {
    if let Some(list) = list.as_array_mut() {
        list.push(json!(text));
    }
}

/// The engine's id of an image: not its digest.
pub(super) fn image_id(digest: &Digest) -> String {
    let hex: String = digest.as_str()[7..].chars().rev().collect();
    format!("sha256:{hex}")
}
