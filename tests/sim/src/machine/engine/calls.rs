//! What the engine does when it is called, and what it answers.

use std::collections::BTreeMap;

use pinion_model::{Failure, FailureKind, ImageRef, Timestamp};
use pinion_workload::names::{
    FOR_LABEL, OLD_IMAGE_LABEL, OLD_POLICY_LABEL, OLD_STATE_LABEL, RESTORES_LABEL, TERMS_LABEL,
};
use pinion_workload::recreate::{OPERATION_LABEL, REPLACES_LABEL};
use pinion_workload::{Answer, Call, ContainerId, ContainerState, Health};

use super::Engine;
use crate::scenario::Behaviour;

impl Engine {
    /// Makes a call, and says what came of it.
    pub(crate) fn perform(&mut self, machine: usize, call: &Call, now: Timestamp) -> Answer {
        match call {
            Call::Pull(_) | Call::Hook(_) => Answer::Done,
            Call::Tag {
                image,
                repository,
                tag,
            } => self.tag(image, format!("{repository}:{tag}")),
            Call::Untag(reference) => self.untag(reference),
            Call::Create {
                old,
                name,
                image: Some(image),
                labels,
            } => self.create(machine, old, name, image, labels),
            Call::Create { name, .. } => {
                failed(format!("{name}: no container here depends on another"))
            }
            // Nobody removes a container there, and nobody has Compose.
            Call::Restore { name, .. } => failed(format!("nothing was saved of {name}")),
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
            // The agents here are what runs the simulation: nobody replaces them.
            Call::Own(_) => failed("a simulated agent has no program of its own".to_owned()),
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

    /// The last tag takes the image with it; refused while a container needs that.
    fn untag(&mut self, reference: &str) -> Answer {
        let Some(digest) = self.digest_of(reference).cloned() else {
            return Answer::Done;
        };
        let is_used = self.held.iter().any(|held| held.digest == digest);
        let Some(held) = self.images.get_mut(&digest) else {
            return Answer::Done;
        };
        let is_last = held.tags.iter().all(|tag| tag == reference);
        if is_last && is_used {
            return failed(format!("a container uses {reference}"));
        }
        if is_last {
            self.images.remove(&digest);
        } else {
            held.tags.remove(reference);
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
            FOR_LABEL,
            OLD_STATE_LABEL,
            OLD_POLICY_LABEL,
            OLD_IMAGE_LABEL,
            RESTORES_LABEL,
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
        let id = container.id.clone();
        self.put(container, place, image.digest.clone(), behaviour);
        Answer::Made {
            id,
            written: None,
            saved: None,
        }
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

    pub(super) fn start(&mut self, id: &ContainerId, now: Timestamp) -> Answer {
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
            if self.held[index].behaviour == Behaviour::Spoils {
                self.spoil(index);
            }
        }
        Answer::Done
    }

    /// The others of its place do not start again.
    fn spoil(&mut self, index: usize) {
        let place = self.held[index].place;
        let others = self.held.iter_mut().enumerate();
        for (_, held) in others.filter(|(other, held)| *other != index && held.place == place) {
            held.behaviour = Behaviour::DoesNotStart;
        }
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
