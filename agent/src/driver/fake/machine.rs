use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{Digest, Failure, FailureKind, ImageRef};
use pinion_workload::names::RESTORES_LABEL;
use pinion_workload::probe::{Probe, ProbeAnswer};
use pinion_workload::recreate::REPLACES_LABEL;
use pinion_workload::{ContainerId, ContainerState};
use serde_json::Value;
use tokio::time::Instant;

use super::watch::Watch;
use super::{EngineError, Pulled};
use crate::words::LastWords;

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
    /// Has no health check, and serves after a while.
    Serves(Duration),
    /// Has no health check, serves at once, and not any more after a while.
    FallsSilent(Duration),
    /// Its health check passes at once, and it never serves.
    Mute,
    /// Exits with code 3 after a while.
    Exits(Duration),
    /// The engine cannot start it.
    DoesNotStart,
    /// The engine refuses to create it.
    CannotBeCreated,
}

/// The engine's state.
pub(crate) struct Machine {
    pub(super) epoch: Instant,
    pub(super) containers: Vec<Held>,
    pub(super) images: BTreeMap<Digest, HeldImage>,
    /// What a pull of an image answers.
    pub(super) registry: BTreeMap<ImageRef, Result<Behaviour, Failure>>,
    pub(super) count: usize,
    /// Of every container that ever was, by id.
    pub(super) places: BTreeMap<String, usize>,
    /// By which name the containers of a place are known.
    pub(super) homes: BTreeMap<usize, String>,
    /// What must never be, and was.
    pub(crate) violations: Vec<String>,
    pub(super) watched: Watch,
    /// Until then nothing that stood here at first may be stopped.
    pub(super) in_use_until: Option<Instant>,
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: ContainerId,
    pub(super) name: String,
    /// All that stood or will stand in one place have one.
    pub(super) place: usize,
    pub(super) digest: Digest,
    pub(super) reference: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) env: Value,
    /// Names of the volumes that it mounts.
    pub(super) volumes: BTreeSet<String>,
    pub(super) policy: String,
    pub(super) retries: i64,
    pub(super) state: ContainerState,
    pub(super) has_started: bool,
    pub(super) stopped_by_hand: bool,
    pub(super) started: Option<Instant>,
    pub(super) restart_count: u32,
    pub(super) exit_code: i64,
    pub(super) paused: bool,
    pub(super) auto_remove: bool,
    pub(super) needs: Vec<Need>,
    /// Bytes outside of its volumes.
    pub(super) written: u64,
}

/// Another container that one does not work without, by its id or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// Its network namespace: as it was given, it stays.
    Network(String),
    /// Its volumes: as it was given, it stays.
    Volumes(String),
    /// A link: follows the container whatever it is called.
    Link(ContainerId),
}

#[derive(Debug, Clone)]
pub(super) struct HeldImage {
    /// It was not pulled by the agent.
    pub(super) was_here: bool,
    pub(super) behaviour: Behaviour,
    pub(super) references: BTreeSet<ImageRef>,
    pub(super) tags: BTreeSet<String>,
    pub(super) architecture: String,
}

impl HeldImage {
    /// The same after one reference was removed.
    fn without(&self, reference: &str) -> Self {
        let mut left = self.clone();
        if left.tags.remove(reference) {
            let repository = reference
                .rsplit_once(':')
                .map_or(reference, |(name, _)| name);
            let beginning = format!("{repository}:");
            if !left.tags.iter().any(|tag| tag.starts_with(&beginning)) {
                left.references
                    .retain(|image| image.repository.as_str() != repository);
            }
        } else {
            left.references
                .retain(|image| image.to_string() != reference);
        }
        left
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            containers: Vec::new(),
            images: BTreeMap::new(),
            registry: BTreeMap::new(),
            count: 0,
            places: BTreeMap::new(),
            homes: BTreeMap::new(),
            violations: Vec::new(),
            in_use_until: None,
            watched: Watch::default(),
        }
    }

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

    /// The engine ends as if its power were cut, and is back. What it does not
    /// start again is then in the state `ended`.
    pub(super) fn restart(&mut self, ended: ContainerState) {
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
                held.state = ended;
                held.exit_code = 137;
            }
        }
        self.watch();
        self.watch_names();
    }

    pub(super) fn pull(&mut self, image: &ImageRef) -> Result<Pulled, Failure> {
        let was_there = self.image(&image.to_string()).is_ok();
        let answer = self.registry.get(image).cloned();
        let missing = || {
            Failure::new(
                FailureKind::NotFound,
                format!("{image} is not in its registry"),
            )
        };
        let behaviour = answer.unwrap_or_else(|| Err(missing()))?;
        let is_new = !self.images.contains_key(&image.digest);
        self.load(image, behaviour);
        if let Some(held) = self.images.get_mut(&image.digest) {
            held.was_here &= !is_new;
        }
        let image = self
            .image(&image.to_string())
            .map_err(|error| Failure::new(FailureKind::Engine, error.to_string()))?;
        Ok(Pulled { image, was_there })
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

    /// The last tag of a repository takes its digests with it, and the last
    /// reference the image; refused while a container needs that.
    pub(super) fn untag(&mut self, reference: &str) -> Result<(), EngineError> {
        let Some(digest) = self.digest_of(reference) else {
            return Ok(());
        };
        let used = self.containers.iter().any(|c| c.digest == digest);
        let Some(image) = self.images.get_mut(&digest) else {
            return Ok(());
        };
        let left = image.without(reference);
        if left.references.is_empty() && left.tags.is_empty() {
            if used {
                let message = format!("unable to remove {reference}: a container is using it");
                return Err(EngineError::Conflict {
                    call: "untag",
                    message,
                });
            }
            if left.was_here {
                self.violations.push(format!(
                    "an image that was here before is removed: {reference}"
                ));
            }
            self.images.remove(&digest);
        } else {
            *image = left;
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
        let replaced = labels.get(REPLACES_LABEL).or(labels.get(RESTORES_LABEL));
        let place = replaced.and_then(|id| self.places.get(id).copied());
        let needs = self.needs(&body["HostConfig"])?;
        let id = self.new_id();
        let place = place.unwrap_or(self.count);
        self.places.insert(id.0.clone(), place);
        self.containers.push(Held {
            id: id.clone(),
            name: name.to_owned(),
            place,
            digest,
            reference: reference.to_owned(),
            labels,
            env: body["Env"].clone(),
            volumes: volumes(&body["HostConfig"]),
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
            needs,
            written: 0,
        });
        self.watch();
        Ok(id)
    }

    /// What is needed must be there when it is asked for.
    fn needs(&self, host: &Value) -> Result<Vec<Need>, EngineError> {
        let texts = |field: &str| {
            let list = host[field].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).collect::<Vec<_>>()
        };
        let network = host["NetworkMode"].as_str().unwrap_or_default();
        let network = network.strip_prefix("container:").into_iter();
        let mut needs: Vec<Need> = network.map(|on| Need::Network(on.to_owned())).collect();
        let volumes = texts("VolumesFrom").into_iter();
        needs.extend(volumes.map(|on| Need::Volumes(on.to_owned())));
        for link in texts("Links") {
            let child = link.split(':').next().unwrap_or_default();
            let child = self.find(child).ok_or_else(|| absent(child))?;
            needs.push(Need::Link(child.id.clone()));
        }
        for need in &needs {
            if let Need::Network(on) | Need::Volumes(on) = need {
                self.find(on).ok_or_else(|| absent(on))?;
            }
        }
        Ok(needs)
    }

    pub(super) fn find(&self, on: &str) -> Option<&Held> {
        let is_it = |c: &&Held| c.id.0 == on || c.name == on.trim_start_matches('/');
        self.containers.iter().find(is_it)
    }

    /// What lends its network or is linked to must run.
    fn lenders_run(&self, id: &ContainerId) -> Result<(), EngineError> {
        let held = self.containers.iter().find(|c| c.id == *id);
        for need in held.into_iter().flat_map(|held| &held.needs) {
            let on = match need {
                Need::Network(on) => on,
                Need::Link(on) => &on.0,
                Need::Volumes(_) => continue,
            };
            let runs = |lender: &Held| lender.state == ContainerState::Running;
            if !self.find(on).is_some_and(runs) {
                return Err(EngineError::Conflict {
                    call: "start",
                    message: format!("cannot join or link to a non running container: {on}"),
                });
            }
        }
        Ok(())
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
        self.leaves_none(id);
        self.leaves_alone(id);
        let held = self.held(id)?;
        if held.state == ContainerState::Running {
            held.stopped_by_hand = true;
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
        self.lenders_run(id)?;
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
        self.watch();
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

    pub(super) fn last_words(&mut self, id: &ContainerId) -> Result<LastWords, EngineError> {
        let held = self.held(id)?;
        let env = held.env.as_array().into_iter().flatten();
        let env: Vec<String> = env.filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(LastWords {
            state: format!("last words of {}", held.digest.short()),
            log: env.join("\n"),
            env,
            ..LastWords::default()
        })
    }

    /// Whatever it is asked, it answers alike.
    pub(super) fn probe(
        &mut self,
        id: &ContainerId,
        _: &Probe,
    ) -> Result<ProbeAnswer, EngineError> {
        let held = self.held(id)?;
        let (digest, started) = (held.digest.clone(), held.started);
        let age = started.map_or(Duration::ZERO, |started| started.elapsed());
        let serves = match self.images.get(&digest).map(|image| image.behaviour) {
            Some(Behaviour::Serves(after)) => age >= after,
            Some(Behaviour::FallsSilent(after)) => age < after,
            Some(Behaviour::Mute) => false,
            _ => true,
        };
        Ok(match serves {
            true => ProbeAnswer::Passed,
            false => ProbeAnswer::Failed("it answers 503".to_owned()),
        })
    }

    pub(super) fn new_id(&mut self) -> ContainerId {
        self.count += 1;
        ContainerId(format!("{:064x}", self.count))
    }
}

fn absent(on: &str) -> EngineError {
    EngineError::NotFound(format!("container {on}"))
}

fn volumes(host: &Value) -> BTreeSet<String> {
    let mounts = host["Mounts"].as_array().into_iter().flatten();
    mounts
        .filter_map(|mount| mount["Source"].as_str())
        .map(str::to_owned)
        .collect()
}

pub(super) fn missing(id: &ContainerId) -> EngineError {
    EngineError::NotFound(format!("container {id}"))
}
