//! To set a machine up, and to look at it.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{Digest, Failure, ImageRef};
use pinion_workload::{ContainerId, ContainerState};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::machine::{Behaviour, Held, HeldImage, Machine, Need};

impl Machine {
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
                was_here: true,
                behaviour,
                references: BTreeSet::new(),
                tags: BTreeSet::new(),
                architecture: "amd64".to_owned(),
            });
        held.references.insert(image.clone());
    }

    /// Somebody removes an image by force, though a container runs it.
    pub(crate) fn remove_image(&mut self, digest: &Digest) {
        self.images.remove(digest);
    }

    /// What made an image behave as it did is no more.
    pub(crate) fn mend(&mut self, digest: &Digest, behaviour: Behaviour) {
        if let Some(image) = self.images.get_mut(digest) {
            image.behaviour = behaviour;
        }
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
        self.places.insert(id.0.clone(), place);
        self.homes.insert(place, name.to_owned());
        if running {
            self.must_run(name);
        }
        self.containers.push(Held {
            id: id.clone(),
            name: name.to_owned(),
            place,
            digest: image.digest.clone(),
            reference: image.to_string(),
            labels: BTreeMap::new(),
            env: json!([format!("NAME={name}")]),
            volumes: BTreeSet::from([format!("data-of-{name}")]),
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
            needs: Vec::new(),
            written: 0,
        });
        id
    }

    /// What ran at first need not run all the time.
    pub(crate) fn may_be_down(&mut self) {
        self.watched = super::watch::Watch::default();
    }

    /// Puts a label on a container.
    pub(crate) fn label(&mut self, name: &str, key: &str, value: &str) {
        if let Some(held) = self.containers.iter_mut().find(|c| c.name == name) {
            held.labels.insert(key.to_owned(), value.to_owned());
        }
    }

    /// Gives a container an environment.
    pub(crate) fn give(&mut self, name: &str, env: &[&str]) {
        let held = self.containers.iter_mut().filter(|c| c.name == name);
        held.for_each(|c| c.env = json!(env));
    }

    /// Somebody removes an image by force.
    pub(crate) fn lose_image(&mut self, digest: &Digest) {
        self.images.remove(digest);
    }

    /// Makes a container one of `--rm`.
    pub(crate) fn auto_remove(&mut self, name: &str) {
        self.containers
            .iter_mut()
            .filter(|c| c.name == name)
            .for_each(|c| c.auto_remove = true);
    }

    /// Makes a container one that does not work without another. With another's
    /// volumes it has none of its own.
    pub(crate) fn need(&mut self, name: &str, need: Need) {
        if let Some(held) = self.containers.iter_mut().find(|c| c.name == name) {
            if let Need::Volumes(_) = need {
                held.volumes.clear();
            }
            held.needs.push(need.clone());
        }
    }

    /// Has a container write outside of its volumes.
    pub(crate) fn write(&mut self, name: &str, bytes: u64) {
        let held = self.containers.iter_mut().find(|c| c.name == name);
        held.into_iter().for_each(|c| c.written = bytes);
    }

    /// What a container needs, by the names that these have now.
    pub(crate) fn needs_of(&self, name: &str) -> Vec<String> {
        let held = self.containers.iter().find(|c| c.name == name);
        let needs = held.into_iter().flat_map(|held| &held.needs);
        let on = |need: &Need| match need {
            Need::Network(on) | Need::Volumes(on) => on.clone(),
            Need::Link(id) => id.0.clone(),
        };
        let named = |on: String| self.find(&on).map_or(on, |held| held.name.clone());
        needs.map(on).map(named).collect()
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

    /// The digest of the container with a name.
    pub(crate) fn digest_of_name(&self, name: &str) -> Option<Digest> {
        let held = self.containers.iter().find(|c| c.name == name);
        held.map(|held| held.digest.clone())
    }

    /// The id of the container with a name.
    pub(crate) fn id_of(&self, name: &str) -> Option<ContainerId> {
        let held = self.containers.iter().find(|c| c.name == name);
        held.map(|held| held.id.clone())
    }

    /// A container's restart policy and environment.
    pub(crate) fn settings(&self, name: &str) -> Option<(String, Value)> {
        self.containers
            .iter()
            .find(|c| c.name == name)
            .map(|c| (c.policy.clone(), c.env.clone()))
    }

    /// The volumes that a container mounts.
    pub(crate) fn volumes(&self, name: &str) -> BTreeSet<String> {
        let named = self.containers.iter().filter(|c| c.name == name);
        named
            .flat_map(|held| held.volumes.iter().cloned())
            .collect()
    }

    /// Which image has a tag.
    pub(crate) fn tagged(&self, tag: &str) -> Option<Digest> {
        self.images
            .iter()
            .find(|(_, image)| image.tags.contains(tag))
            .map(|(digest, _)| digest.clone())
    }

    /// Puts a tag on an image, as a person does.
    pub(crate) fn tag_by_hand(&mut self, digest: &Digest, tag: &str) {
        if let Some(image) = self.images.get_mut(digest) {
            image.tags.insert(tag.to_owned());
        }
    }

    /// Every image that is there.
    pub(crate) fn held_images(&self) -> BTreeSet<Digest> {
        self.images.keys().cloned().collect()
    }

    /// Every tag of the machine.
    pub(crate) fn tags(&self) -> BTreeSet<String> {
        self.images
            .values()
            .flat_map(|image| image.tags.iter().cloned())
            .collect()
    }
}
