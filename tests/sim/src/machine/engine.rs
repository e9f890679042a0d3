//! A container engine: what it holds, what it does when it is called, and
//! what its containers do by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{Digest, Failure, FailureKind, ImageRef, Timestamp};
use pinion_workload::names::{OLD_POLICY_LABEL, OLD_STATE_LABEL, TERMS_LABEL};
use pinion_workload::recreate::{OPERATION_LABEL, REPLACES_LABEL};
use pinion_workload::{
    Answer, Call, Container, ContainerId, ContainerState, Health, HealthTiming, Image, Lookup,
};

use crate::scenario::{Behaviour, Build};

/// Restarts until an engine's pauses are so long that nothing happens any more.
const RESTART_LIMIT: u32 = 6;

#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) containers: Vec<Container>,
    /// Beside each container, by place in the vector.
    held: Vec<Held>,
    images: BTreeMap<Digest, HeldImage>,
    /// What ever ran here.
    pub(crate) ran: BTreeSet<Digest>,
    count: u32,
}

/// What an engine's answer does not show.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// All that stood or will stand in one place have one.
    pub(crate) place: u32,
    pub(crate) digest: Digest,
    behaviour: Behaviour,
    has_started: bool,
    by_hand: bool,
    /// When it changes by itself.
    changes_at: Option<Timestamp>,
    /// Since when it is good without a break.
    good_since: Option<Timestamp>,
    /// The longest time for which it was.
    longest: Duration,
}

#[derive(Debug)]
struct HeldImage {
    id: String,
    references: Vec<ImageRef>,
    tags: BTreeSet<String>,
    behaviour: Behaviour,
}

impl Held {
    /// It runs a build that something is wrong with.
    pub(crate) fn is_bad(&self) -> bool {
        !matches!(self.behaviour, Behaviour::Runs | Behaviour::Healthy(_))
    }

    /// The engine's restart starts it.
    pub(crate) fn comes_back(&self, container: &Container) -> bool {
        match container.restart_policy.as_str() {
            "always" => self.has_started,
            "unless-stopped" => self.has_started && !self.by_hand,
            _ => false,
        }
    }

    /// For how long it was good without a break, at best.
    pub(crate) fn was_good_for(&self, now: Timestamp) -> Duration {
        let running = self.good_since.map(|since| now.since(since));
        self.longest.max(running.unwrap_or_default())
    }
}

impl Engine {
    /// What stands beside a container.
    pub(crate) fn held(&self, id: &ContainerId) -> Option<(&Container, &Held)> {
        let place = self.place(id)?;
        Some((&self.containers[place], &self.held[place]))
    }

    /// All that stands in one place.
    pub(crate) fn in_place(&self, place: u32) -> impl Iterator<Item = (&Container, &Held)> {
        let all = self.containers.iter().zip(&self.held);
        all.filter(move |(_, held)| held.place == place)
    }

    /// Every place that has a container.
    pub(crate) fn places(&self) -> BTreeSet<u32> {
        self.held.iter().map(|held| held.place).collect()
    }

    fn place(&self, id: &ContainerId) -> Option<usize> {
        self.containers.iter().position(|c| c.id == *id)
    }

    fn new_id(&mut self, machine: usize) -> ContainerId {
        self.count += 1;
        ContainerId(format!("m{machine}c{}", self.count))
    }

    /// A container that its user made.
    pub(crate) fn seed(
        &mut self,
        machine: usize,
        name: String,
        build: &Build,
        behaviour: Behaviour,
        running: bool,
        now: Timestamp,
    ) {
        let id = self.new_id(machine);
        self.load(build, behaviour);
        let container = Container {
            id: id.clone(),
            name,
            image_id: build.id.clone(),
            image_reference: build.image.to_string(),
            repo_digests: vec![build.image.clone()],
            labels: BTreeMap::new(),
            state: ContainerState::Created,
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
        };
        let place = self.count;
        self.put(container, place, build.digest.clone(), behaviour);
        if running {
            self.start(&id, now);
        } else {
            let index = self.containers.len() - 1;
            self.containers[index].state = ContainerState::Exited;
            self.held[index].by_hand = true;
        }
    }

    fn put(&mut self, container: Container, place: u32, digest: Digest, behaviour: Behaviour) {
        self.containers.push(container);
        self.held.push(Held {
            place,
            digest,
            behaviour,
            has_started: false,
            by_hand: false,
            changes_at: None,
            good_since: None,
            longest: Duration::ZERO,
        });
    }

    /// Puts an image there.
    pub(crate) fn load(&mut self, build: &Build, behaviour: Behaviour) {
        let held = self
            .images
            .entry(build.digest.clone())
            .or_insert_with(|| HeldImage {
                id: build.id.clone(),
                references: Vec::new(),
                tags: BTreeSet::new(),
                behaviour,
            });
        if !held.references.contains(&build.image) {
            held.references.push(build.image.clone());
        }
    }

    fn digest_of(&self, reference: &str) -> Option<&Digest> {
        if let Some((_, digest)) = reference.split_once('@') {
            let (digest, held) = self.images.get_key_value(&digest.parse().ok()?)?;
            return (!held.references.is_empty()).then_some(digest);
        }
        let mut images = self.images.iter();
        let named = |held: &HeldImage| held.id == reference || held.tags.contains(reference);
        images
            .find(|(_, held)| named(held))
            .map(|(digest, _)| digest)
    }

    /// What it says of an image.
    pub(crate) fn look_up(&self, reference: &str) -> Lookup {
        let Some(digest) = self.digest_of(reference) else {
            return Lookup::Absent;
        };
        let held = &self.images[digest];
        Lookup::Present(Image {
            id: held.id.clone(),
            repo_digests: held.references.clone(),
            repo_tags: held.tags.iter().cloned().collect(),
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            config: serde_json::Value::Null,
        })
    }

    /// The earliest instant at which something changes by itself.
    pub(crate) fn next_change(&self) -> Option<Timestamp> {
        self.held.iter().filter_map(|held| held.changes_at).min()
    }

    /// Whether something changed that was due by now.
    pub(crate) fn pass_time(&mut self, now: Timestamp) -> bool {
        let due = |held: &Held| held.changes_at.is_some_and(|at| at <= now);
        let mut changed = false;
        for index in 0..self.held.len() {
            while due(&self.held[index]) {
                self.change(index);
                changed = true;
            }
        }
        changed
    }

    fn change(&mut self, index: usize) {
        let Some(at) = self.held[index].changes_at.take() else {
            return;
        };
        match self.containers[index].state {
            ContainerState::Restarting => self.run(index, at),
            ContainerState::Running => self.age(index, at),
            _ => {}
        }
    }

    /// Its health check decides, or it exits.
    fn age(&mut self, index: usize, at: Timestamp) {
        match (self.held[index].behaviour, self.containers[index].health) {
            (Behaviour::Exits(_), _) => self.exit(index, at),
            (Behaviour::Sickens(after), Health::Starting) => {
                let started = self.containers[index].started_at.unwrap_or(at);
                self.set_health(index, Health::Healthy, at);
                self.held[index].changes_at = Some((started + after).max(at));
            }
            (Behaviour::Sickens(_), Health::Healthy) => {
                self.set_health(index, Health::Unhealthy, at)
            }
            _ => self.set_health(index, Health::Healthy, at),
        }
    }

    fn set_health(&mut self, index: usize, health: Health, at: Timestamp) {
        self.containers[index].health = health;
        self.judge(index, at);
    }

    /// Keeps the time for which a container is good.
    fn judge(&mut self, index: usize, now: Timestamp) {
        let container = &self.containers[index];
        let good = container.state == ContainerState::Running
            && matches!(container.health, Health::None | Health::Healthy);
        let held = &mut self.held[index];
        if good {
            held.good_since.get_or_insert(now);
        } else if let Some(since) = held.good_since.take() {
            held.longest = held.longest.max(now.since(since));
        }
    }

    fn exit(&mut self, index: usize, at: Timestamp) {
        let container = &mut self.containers[index];
        container.exit_code = 3;
        let again =
            container.restart_policy == "always" || container.restart_policy == "unless-stopped";
        if again && container.restart_count < RESTART_LIMIT {
            container.state = ContainerState::Restarting;
            let pause = Duration::from_millis(100) * 2_u32.pow(container.restart_count);
            container.restart_count += 1;
            self.held[index].changes_at = Some(at + pause);
        } else {
            container.state = ContainerState::Exited;
        }
        self.judge(index, at);
    }

    fn run(&mut self, index: usize, at: Timestamp) {
        let behaviour = self.held[index].behaviour;
        let container = &mut self.containers[index];
        container.state = ContainerState::Running;
        container.started_at = Some(at);
        let checked = !matches!(behaviour, Behaviour::Runs | Behaviour::Exits(_));
        container.health = if checked {
            Health::Starting
        } else {
            Health::None
        };
        container.health_timing = checked.then_some(HealthTiming {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            start_period: Duration::ZERO,
            retries: 3,
        });
        let held = &mut self.held[index];
        if !self.ran.contains(&held.digest) {
            self.ran.insert(held.digest.clone());
        }
        held.has_started = true;
        held.changes_at = match behaviour {
            Behaviour::Healthy(after) | Behaviour::Exits(after) => Some(at + after),
            Behaviour::Sickens(_) => Some(at + Duration::from_secs(1)),
            _ => None,
        };
        // Another start is a break, however short.
        if let Some(since) = held.good_since.take() {
            held.longest = held.longest.max(at.since(since));
        }
        self.judge(index, at);
    }

    fn halt(&mut self, index: usize, code: i64, now: Timestamp) {
        let container = &mut self.containers[index];
        if container.is_up() {
            container.state = ContainerState::Exited;
            container.exit_code = code;
        }
        self.held[index].changes_at = None;
        self.judge(index, now);
    }

    /// The machine loses its power.
    pub(crate) fn lose_power(&mut self, now: Timestamp) {
        for index in 0..self.containers.len() {
            self.halt(index, 137, now);
        }
    }

    /// It has power again: the engine starts what it should.
    pub(crate) fn boot(&mut self, now: Timestamp) {
        for index in 0..self.containers.len() {
            if self.held[index].comes_back(&self.containers[index]) {
                self.containers[index].restart_count = 0;
                self.run(index, now);
            }
        }
    }

    /// A container that is well is not, for no reason that its build has, and
    /// comes back by itself.
    pub(crate) fn sicken(&mut self, draw: usize, lasts: Duration, now: Timestamp) -> bool {
        let well = |index: &usize| {
            self.containers[*index].state == ContainerState::Running
                && self.containers[*index].health == Health::Healthy
                && matches!(self.held[*index].behaviour, Behaviour::Healthy(_))
        };
        let able: Vec<_> = (0..self.containers.len()).filter(well).collect();
        let Some(index) = able.get(draw % able.len().max(1)).copied() else {
            return false;
        };
        self.set_health(index, Health::Unhealthy, now);
        self.held[index].changes_at = Some(now + lasts);
        true
    }

    /// Makes a call, and says what came of it.
    pub(crate) fn perform(&mut self, machine: usize, call: &Call, now: Timestamp) -> Answer {
        match call {
            Call::Pull(_) => Answer::Done,
            Call::Tag {
                image,
                repository,
                tag,
            } => self.tag(image, format!("{repository}:{tag}")),
            Call::Untag(reference) => self.untag(reference),
            Call::Create {
                old,
                name,
                image,
                labels,
            } => self.create(machine, old, name, image, labels),
            Call::SetRestartPolicy {
                id,
                policy,
                retries,
            } => self.on(id, |engine, index| {
                policy.clone_into(&mut engine.containers[index].restart_policy);
                engine.containers[index].restart_retries = *retries;
            }),
            Call::Stop { id, .. } => self.on(id, |engine, index| {
                engine.held[index].by_hand = true;
                engine.halt(index, 0, now);
            }),
            Call::Rename { id, name } => self.rename(id, name),
            Call::Start(id) => self.start(id, now),
            Call::Remove(id) => self.remove(id),
            Call::LastWords(id) => match self.held(id) {
                Some((container, _)) => Answer::Words(format!("last words of {}", container.name)),
                None => missing(id),
            },
        }
    }

    fn on(&mut self, id: &ContainerId, change: impl FnOnce(&mut Self, usize)) -> Answer {
        match self.place(id) {
            Some(index) => {
                change(self, index);
                Answer::Done
            }
            None => missing(id),
        }
    }

    /// A tag is on one image alone.
    fn tag(&mut self, image: &str, name: String) -> Answer {
        let Some(digest) = self.digest_of(image).cloned() else {
            return failed(format!("there is no image {image}"));
        };
        for (held, image) in &mut self.images {
            if *held != digest {
                image.tags.remove(&name);
            }
        }
        if let Some(held) = self.images.get_mut(&digest) {
            held.tags.insert(name);
        }
        Answer::Done
    }

    /// The last tag takes the image with it, unless a container needs it.
    fn untag(&mut self, reference: &str) -> Answer {
        let Some(digest) = self.digest_of(reference).cloned() else {
            return failed(format!("there is no image {reference}"));
        };
        let is_used = self.held.iter().any(|held| held.digest == digest);
        if let Some(held) = self.images.get_mut(&digest) {
            held.tags.remove(reference);
            if held.tags.is_empty() && !is_used {
                self.images.remove(&digest);
            }
        }
        Answer::Done
    }

    fn create(
        &mut self,
        machine: usize,
        old: &ContainerId,
        name: &str,
        image: &ImageRef,
        labels: &BTreeMap<String, String>,
    ) -> Answer {
        if self.containers.iter().any(|c| c.name == name) {
            return failed(format!("the name {name} is in use"));
        }
        let Some((replaced, beside)) = self.held(old) else {
            return missing(old);
        };
        let Some(held) = self.images.get(&image.digest) else {
            return failed(format!("there is no image {image}"));
        };
        if held.behaviour == Behaviour::CannotBeCreated {
            let message = "invalid mount".to_owned();
            return Answer::Refused(Failure::new(FailureKind::Create, message));
        }
        let mut container = replaced.clone();
        let (place, behaviour) = (beside.place, held.behaviour);
        container.image_id.clone_from(&held.id);
        container.repo_digests.clone_from(&held.references);
        for label in [
            OPERATION_LABEL,
            REPLACES_LABEL,
            OLD_STATE_LABEL,
            OLD_POLICY_LABEL,
            TERMS_LABEL,
        ] {
            container.labels.remove(label);
        }
        container.labels.extend(
            labels
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        container.id = self.new_id(machine);
        name.clone_into(&mut container.name);
        container.image_reference = image.to_string();
        container.state = ContainerState::Created;
        container.health = Health::None;
        container.started_at = None;
        container.restart_count = 0;
        container.exit_code = 0;
        self.put(container, place, image.digest.clone(), behaviour);
        Answer::Done
    }

    fn rename(&mut self, id: &ContainerId, name: &str) -> Answer {
        let taken = self
            .containers
            .iter()
            .any(|c| c.name == name && c.id != *id);
        if taken {
            return failed(format!("the name {name} is in use"));
        }
        self.on(id, |engine, index| {
            name.clone_into(&mut engine.containers[index].name)
        })
    }

    fn start(&mut self, id: &ContainerId, now: Timestamp) -> Answer {
        let Some(index) = self.place(id) else {
            return missing(id);
        };
        if self.held[index].behaviour == Behaviour::DoesNotStart {
            let message = "exec: no such file".to_owned();
            return Answer::Refused(Failure::new(FailureKind::Start, message));
        }
        if !self.containers[index].is_up() {
            self.held[index].by_hand = false;
            self.containers[index].restart_count = 0;
            self.run(index, now);
        }
        Answer::Done
    }

    fn remove(&mut self, id: &ContainerId) -> Answer {
        match self.place(id) {
            Some(index) if self.containers[index].is_up() => {
                failed("the container runs".to_owned())
            }
            Some(index) => {
                self.containers.remove(index);
                self.held.remove(index);
                Answer::Done
            }
            None => Answer::Done,
        }
    }
}

fn failed(message: String) -> Answer {
    Answer::Failed(Failure::new(FailureKind::Engine, message))
}

fn missing(id: &ContainerId) -> Answer {
    failed(format!("there is no container {id}"))
}
