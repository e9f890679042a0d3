//! A container engine: what it holds, what it does when it is called, and
//! what its containers do by themselves.

mod calls;
mod life;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{Digest, ImageRef, Timestamp};
use pinion_workload::{Container, ContainerId, ContainerState, Health, Image, Lookup};

use crate::scenario::{Behaviour, Build};

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
            claims: Vec::new(),
            podman: None,
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
}
