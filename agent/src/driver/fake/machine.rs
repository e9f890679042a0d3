use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{Digest, Failure, FailureKind, ImageRef, Timestamp};
use pinion_workload::recreate::REPLACES_LABEL;
use pinion_workload::{Container, ContainerId, ContainerState, Health, HealthTiming, Image};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::EngineError;

/// What a container does that runs an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Runs, and has no health check.
    Runs,
    /// Its health check passes after a while.
    Healthy(Duration),
    /// Its health check never decides.
    NeverHealthy,
    /// Its health check passes at once, and fails after a while.
    Sickens(Duration),
    /// Exits with code 3 after a while.
    Exits(Duration),
    /// The engine cannot start it.
    DoesNotStart,
    /// The engine refuses to create it.
    CannotBeCreated,
}

/// The engine's state.
pub(crate) struct Machine {
    epoch: Instant,
    containers: Vec<Held>,
    images: BTreeMap<Digest, HeldImage>,
    /// What a pull of an image answers.
    registry: BTreeMap<ImageRef, Result<Behaviour, Failure>>,
    count: usize,
    /// What must never be, and was.
    pub(crate) violations: Vec<String>,
}

#[derive(Debug, Clone)]
struct Held {
    id: ContainerId,
    name: String,
    /// All that stood or will stand in one place have one.
    place: usize,
    digest: Digest,
    reference: String,
    labels: BTreeMap<String, String>,
    env: Value,
    policy: String,
    retries: i64,
    state: ContainerState,
    has_started: bool,
    stopped_by_hand: bool,
    started: Option<Instant>,
    restart_count: u32,
    exit_code: i64,
    paused: bool,
    auto_remove: bool,
    depends_on: Vec<String>,
}

#[derive(Debug, Clone)]
struct HeldImage {
    behaviour: Behaviour,
    references: BTreeSet<ImageRef>,
    tags: BTreeSet<String>,
    architecture: String,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            containers: Vec::new(),
            images: BTreeMap::new(),
            registry: BTreeMap::new(),
            count: 0,
            violations: Vec::new(),
        }
    }

    // -- to set up

    /// Puts an image into its registry; a pull gets it, or fails so.
    pub(crate) fn publish(&mut self, image: &ImageRef, pull: Result<Behaviour, Failure>) {
        self.registry.insert(image.clone(), pull);
    }

    /// Puts an image onto the machine.
    pub(crate) fn load(&mut self, image: &ImageRef, behaviour: Behaviour) {
        let held = self
            .images
            .entry(image.digest.clone())
            .or_insert_with(|| HeldImage {
                behaviour,
                references: BTreeSet::new(),
                tags: BTreeSet::new(),
                architecture: "amd64".to_owned(),
            });
        held.references.insert(image.clone());
    }

    /// Makes an image one of another architecture.
    pub(crate) fn rebuild_for(&mut self, digest: &Digest, architecture: &str) {
        if let Some(image) = self.images.get_mut(digest) {
            architecture.clone_into(&mut image.architecture);
        }
    }

    /// Puts a container there, as its user would have made it.
    pub(crate) fn seed(
        &mut self,
        name: &str,
        image: &ImageRef,
        policy: &str,
        running: bool,
    ) -> ContainerId {
        let id = self.new_id();
        let place = self.count;
        self.containers.push(Held {
            id: id.clone(),
            name: name.to_owned(),
            place,
            digest: image.digest.clone(),
            reference: image.to_string(),
            labels: BTreeMap::new(),
            env: json!([format!("NAME={name}")]),
            policy: policy.to_owned(),
            retries: 0,
            state: if running {
                ContainerState::Running
            } else {
                ContainerState::Exited
            },
            has_started: true,
            stopped_by_hand: !running,
            started: running.then(Instant::now),
            restart_count: 0,
            exit_code: 0,
            paused: false,
            auto_remove: false,
            depends_on: Vec::new(),
        });
        id
    }

    /// Puts a label on a container.
    pub(crate) fn label(&mut self, name: &str, key: &str, value: &str) {
        if let Some(held) = self.containers.iter_mut().find(|c| c.name == name) {
            held.labels.insert(key.to_owned(), value.to_owned());
        }
    }

    /// Makes a container one of `--rm`.
    pub(crate) fn auto_remove(&mut self, name: &str) {
        self.containers
            .iter_mut()
            .filter(|c| c.name == name)
            .for_each(|c| c.auto_remove = true);
    }

    /// Makes a container one that does not start without another.
    pub(crate) fn depend(&mut self, name: &str, on: &str) {
        let held = self.containers.iter_mut().find(|c| c.name == name);
        held.into_iter()
            .for_each(|c| c.depends_on.push(on.to_owned()));
    }

    /// Freezes a container.
    pub(crate) fn pause(&mut self, name: &str) {
        self.containers
            .iter_mut()
            .filter(|c| c.name == name)
            .for_each(|c| c.paused = true);
    }

    /// Somebody removes a container by hand, running or not.
    pub(crate) fn remove_by_hand(&mut self, name: &str) {
        self.containers.retain(|c| c.name != name);
    }

    // -- to look at

    /// By name: the digest and whether it runs.
    pub(crate) fn standing(&self) -> BTreeMap<String, (Digest, bool)> {
        let standing = |c: &Held| {
            (
                c.name.clone(),
                (c.digest.clone(), c.state == ContainerState::Running),
            )
        };
        self.containers.iter().map(standing).collect()
    }

    /// A container's restart policy and environment.
    pub(crate) fn settings(&self, name: &str) -> Option<(String, Value)> {
        self.containers
            .iter()
            .find(|c| c.name == name)
            .map(|c| (c.policy.clone(), c.env.clone()))
    }

    /// Which image has a tag.
    pub(crate) fn tagged(&self, tag: &str) -> Option<Digest> {
        self.images
            .iter()
            .find(|(_, image)| image.tags.contains(tag))
            .map(|(digest, _)| digest.clone())
    }

    /// Every tag of the machine.
    pub(crate) fn tags(&self) -> BTreeSet<String> {
        self.images
            .values()
            .flat_map(|image| image.tags.iter().cloned())
            .collect()
    }

    // -- what time does

    /// Exits what would have exited by now, and restarts what its policy says.
    pub(super) fn pass_time(&mut self) {
        for index in 0..self.containers.len() {
            while let Some(exit) = self.exit_of(index) {
                let held = &mut self.containers[index];
                held.exit_code = 3;
                if matches!(
                    held.policy.as_str(),
                    "always" | "unless-stopped" | "on-failure"
                ) {
                    held.restart_count += 1;
                    held.started = Some(exit + Duration::from_millis(100));
                } else {
                    held.state = ContainerState::Exited;
                }
            }
        }
    }

    fn exit_of(&self, index: usize) -> Option<Instant> {
        let held = &self.containers[index];
        match (self.images.get(&held.digest)?.behaviour, held.started) {
            (Behaviour::Exits(after), Some(started)) if held.state == ContainerState::Running => {
                (started + after <= Instant::now()).then_some(started + after)
            }
            _ => None,
        }
    }

    pub(super) fn restart(&mut self) {
        for held in &mut self.containers {
            let was_up = held.state == ContainerState::Running;
            let comes_back = match held.policy.as_str() {
                "always" => held.has_started,
                "unless-stopped" => held.has_started && !held.stopped_by_hand,
                "on-failure" => was_up,
                _ => false,
            };
            if comes_back {
                held.state = ContainerState::Running;
                held.started = Some(Instant::now());
                held.stopped_by_hand = false;
            } else if was_up {
                held.state = ContainerState::Exited;
                held.exit_code = 137;
            }
        }
        self.watch();
    }

    /// Notes what must never be.
    fn watch(&mut self) {
        let places: BTreeSet<_> = self.containers.iter().map(|c| c.place).collect();
        for place in places {
            let mine: Vec<_> = self
                .containers
                .iter()
                .filter(|c| c.place == place)
                .collect();
            let running: Vec<_> = mine
                .iter()
                .filter(|c| c.state == ContainerState::Running)
                .map(|c| c.name.clone())
                .collect();
            let starting = |c: &&&Held| {
                c.has_started
                    && (c.policy == "always"
                        || (c.policy == "unless-stopped" && !c.stopped_by_hand))
            };
            let starting: Vec<_> = mine
                .iter()
                .filter(starting)
                .map(|c| c.name.clone())
                .collect();
            if running.len() > 1 {
                self.violations
                    .push(format!("two of one place run: {running:?}"));
            }
            if starting.len() > 1 {
                self.violations.push(format!(
                    "an engine's restart would start two of one place: {starting:?}"
                ));
            }
        }
    }

    // -- what the engine answers

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
                Behaviour::Healthy(_) | Behaviour::NeverHealthy | Behaviour::Sickens(_)
            )
        });
        let health = match image.map(|i| i.behaviour) {
            Some(Behaviour::Healthy(after)) if age >= after => Health::Healthy,
            Some(Behaviour::Sickens(after)) if age >= after => Health::Unhealthy,
            Some(Behaviour::Sickens(_)) => Health::Healthy,
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
            depends_on: held.depends_on.clone(),
        }
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
            "Config": { "Image": held.reference, "Hostname": &held.id.0[..12], "Labels": held.labels, "Env": held.env },
            "HostConfig": {
                "NetworkMode": "default",
                "AutoRemove": held.auto_remove,
                "RestartPolicy": { "Name": held.policy, "MaximumRetryCount": held.retries },
            },
            "NetworkSettings": { "Networks": {} },
            "Mounts": [],
        }))
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

    fn digest_of(&self, reference: &str) -> Option<Digest> {
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

    pub(super) fn pull(&mut self, image: &ImageRef) -> Result<Image, Failure> {
        let answer = self.registry.get(image).cloned();
        let missing = || {
            Failure::new(
                FailureKind::NotFound,
                format!("{image} is not in its registry"),
            )
        };
        let behaviour = answer.unwrap_or_else(|| Err(missing()))?;
        self.load(image, behaviour);
        self.image(&image.to_string())
            .map_err(|error| Failure::new(FailureKind::Engine, error.to_string()))
    }

    pub(super) fn tag(&mut self, image: &str, name: &str) -> Result<(), EngineError> {
        let digest = self
            .digest_of(image)
            .ok_or_else(|| EngineError::NotFound(format!("image {image}")))?;
        for (held, image) in &mut self.images {
            if *held == digest {
                image.tags.insert(name.to_owned());
            } else {
                image.tags.remove(name);
            }
        }
        Ok(())
    }

    /// The last tag takes the image with it, unless a container needs it.
    pub(super) fn untag(&mut self, reference: &str) -> Result<(), EngineError> {
        let digest = self
            .digest_of(reference)
            .ok_or_else(|| EngineError::NotFound(reference.to_owned()))?;
        let used = self.containers.iter().any(|c| c.digest == digest);
        let image = self
            .images
            .get_mut(&digest)
            .ok_or_else(|| EngineError::NotFound(reference.to_owned()))?;
        image.tags.remove(reference);
        if image.tags.is_empty() && !used {
            self.images.remove(&digest);
        }
        Ok(())
    }

    pub(super) fn create(&mut self, name: &str, body: &Value) -> Result<ContainerId, EngineError> {
        self.name_is_free(name, "create")?;
        let reference = body["Image"].as_str().unwrap_or_default();
        let digest = self
            .digest_of(reference)
            .ok_or_else(|| EngineError::NotFound(format!("image {reference}")))?;
        if self.images[&digest].behaviour == Behaviour::CannotBeCreated {
            return Err(EngineError::Refused {
                call: "create",
                message: "invalid mount".to_owned(),
            });
        }
        let labels: BTreeMap<String, String> =
            serde_json::from_value(body["Labels"].clone()).unwrap_or_default();
        let replaced = labels.get(REPLACES_LABEL);
        let place = self
            .containers
            .iter()
            .find(|c| Some(&c.id.0) == replaced)
            .map(|c| c.place);
        let id = self.new_id();
        self.containers.push(Held {
            id: id.clone(),
            name: name.to_owned(),
            place: place.unwrap_or(self.count),
            digest,
            reference: reference.to_owned(),
            labels,
            env: body["Env"].clone(),
            policy: body["HostConfig"]["RestartPolicy"]["Name"]
                .as_str()
                .unwrap_or("no")
                .to_owned(),
            retries: 0,
            state: ContainerState::Created,
            has_started: false,
            stopped_by_hand: false,
            started: None,
            restart_count: 0,
            exit_code: 0,
            paused: false,
            auto_remove: false,
            depends_on: Vec::new(),
        });
        self.watch();
        Ok(id)
    }

    fn name_is_free(&self, name: &str, call: &'static str) -> Result<(), EngineError> {
        if self.containers.iter().any(|c| c.name == name) {
            return Err(EngineError::Conflict {
                call,
                message: format!("the name {name} is in use"),
            });
        }
        Ok(())
    }

    fn held(&mut self, id: &ContainerId) -> Result<&mut Held, EngineError> {
        self.containers
            .iter_mut()
            .find(|c| c.id == *id)
            .ok_or_else(|| missing(id))
    }

    pub(super) fn set_policy(
        &mut self,
        id: &ContainerId,
        policy: &str,
        retries: i64,
    ) -> Result<(), EngineError> {
        let held = self.held(id)?;
        policy.clone_into(&mut held.policy);
        held.retries = retries;
        self.watch();
        Ok(())
    }

    pub(super) fn stop(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let held = self.held(id)?;
        held.stopped_by_hand = true;
        if held.state == ContainerState::Running {
            held.state = ContainerState::Exited;
            held.exit_code = 0;
        }
        let auto_remove = held.auto_remove;
        self.containers.retain(|c| c.id != *id || !auto_remove);
        self.watch();
        Ok(())
    }

    pub(super) fn start(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let digest = self.held(id)?.digest.clone();
        let behaviour = self.images.get(&digest).map(|image| image.behaviour);
        if behaviour.is_none_or(|behaviour| behaviour == Behaviour::DoesNotStart) {
            return Err(EngineError::Refused {
                call: "start",
                message: "exec: no such file".to_owned(),
            });
        }
        let held = self.held(id)?;
        if held.state != ContainerState::Running {
            held.state = ContainerState::Running;
            held.has_started = true;
            held.stopped_by_hand = false;
            held.restart_count = 0;
            held.started = Some(Instant::now());
        }
        self.watch();
        Ok(())
    }

    pub(super) fn rename(&mut self, id: &ContainerId, name: &str) -> Result<(), EngineError> {
        if self.held(id)?.name == name {
            return Ok(());
        }
        self.name_is_free(name, "rename")?;
        name.clone_into(&mut self.held(id)?.name);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        if self
            .containers
            .iter()
            .any(|c| c.id == *id && c.state == ContainerState::Running)
        {
            return Err(EngineError::Conflict {
                call: "remove",
                message: "the container runs".to_owned(),
            });
        }
        self.containers.retain(|c| c.id != *id);
        Ok(())
    }

    pub(super) fn last_words(&mut self, id: &ContainerId) -> Result<String, EngineError> {
        self.held(id)
            .map(|held| format!("last words of {}", held.digest.short()))
    }

    fn new_id(&mut self) -> ContainerId {
        self.count += 1;
        ContainerId(format!("{:064x}", self.count))
    }
}

fn missing(id: &ContainerId) -> EngineError {
    EngineError::NotFound(format!("container {id}"))
}

/// The engine's id of an image: not its digest.
fn image_id(digest: &Digest) -> String {
    let hex: String = digest.as_str()[7..].chars().rev().collect();
    format!("sha256:{hex}")
}
