use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{Digest, Failure, ImageRef, Timestamp, WorkloadName};

use crate::in_use::Seen;
use crate::names::RESTORES_LABEL;
use crate::next::short;
use crate::probe::Probes;
use crate::recreate::{OPERATION_LABEL, REPLACES_LABEL};
use crate::{Container, ContainerId, ContainerState, Image, Itself, Operation, Record};

pub(crate) const MIB: u64 = 1024 * 1024;

/// What is known about one workload on this machine. Unknown is not absent.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// Which workload.
    pub workload: &'a WorkloadName,
    /// Every container of the machine, or why the engine did not say.
    pub containers: Result<&'a [Container], &'a str>,
    /// What the journal holds.
    pub record: &'a Record,
    /// What the engine said about the images of [`images_of_interest`](crate::images_of_interest).
    pub images: &'a BTreeMap<String, Lookup>,
    /// Which images of the assignment that is carried out the machine's policy
    /// allows, in order; or the refusal.
    pub permitted: &'a Result<Vec<ImageRef>, Failure>,
    /// The engine's os and architecture, as OCI names them.
    pub platform: Option<(&'a str, &'a str)>,
    /// How much room there is for images; none if that cannot be seen from here.
    pub room: Option<Room>,
    /// Digests that other workloads of the machine need
    /// ([`needed_elsewhere`](crate::needed_elsewhere)).
    pub needed_elsewhere: &'a BTreeSet<Digest>,
    /// Fewer pulls are under way on the machine than may be at once.
    pub may_pull: bool,
    /// Another workload of which containers are being replaced or put back
    /// ([`busy_with`](crate::busy_with)).
    pub busy_with: Option<&'a WorkloadName>,
    /// What the agent knows of its own program.
    pub itself: &'a Itself,
    /// What is asked of its containers beyond their health checks, and heard.
    pub probes: Probes<'a>,
    /// What says whether the containers are in use.
    pub in_use: Seen<'a>,
    /// 0 to 1, another one each time: spreads what is tried again.
    pub jitter: f64,
}

/// The file system on which the engine keeps its images, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Free, for those who are not root.
    pub free: u64,
    /// This much stays free: with less, nothing is pulled.
    pub floor: u64,
}

impl Room {
    /// Why nothing may be pulled: too little would be left to the machine.
    #[must_use]
    pub fn too_little(self) -> Option<Failure> {
        (self.free < self.floor).then(|| {
            short(format!(
                "the engine's disk has {} MiB free, and with less than {} MiB nothing is pulled: {} MiB are lacking",
                self.free / MIB,
                self.floor / MIB,
                (self.floor - self.free).div_ceil(MIB)
            ))
        })
    }
}

/// What the engine said about an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// It has it.
    Present(Image),
    /// It said that it has not.
    Absent,
    /// It did not say.
    Unknown,
}

impl<'a> Observed<'a> {
    /// What the engine said about an image; what was not asked is unknown.
    #[must_use]
    pub fn image(&self, reference: &str) -> &'a Lookup {
        self.images.get(reference).unwrap_or(&Lookup::Unknown)
    }

    /// The image, if the engine has it.
    #[must_use]
    pub fn present(&self, reference: &str) -> Option<&'a Image> {
        match self.image(reference) {
            Lookup::Present(image) => Some(image),
            Lookup::Absent | Lookup::Unknown => None,
        }
    }
}

/// The containers of the machine, with the questions that the stages ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine<'a>(pub(crate) &'a [Container]);

impl<'a> Machine<'a> {
    /// By id; one that is being removed is gone.
    pub(crate) fn by_id(self, id: &ContainerId) -> Option<&'a Container> {
        self.0
            .iter()
            .find(|c| c.id == *id && c.state != ContainerState::Removing)
    }

    /// The container that an operation made to take the place of `old`.
    pub(crate) fn next_of(self, operation: &Operation, old: &ContainerId) -> Option<&'a Container> {
        self.0.iter().find(|c| {
            c.state != ContainerState::Removing
                && c.labels.get(OPERATION_LABEL).map(String::as_str) == Some(operation.id.as_str())
                && c.labels.get(REPLACES_LABEL) == Some(&old.0)
        })
    }

    /// The container that an operation made again of `old`, which is gone.
    pub(crate) fn remade_of(
        self,
        operation: &Operation,
        old: &ContainerId,
    ) -> Option<&'a Container> {
        self.0.iter().find(|c| {
            c.state != ContainerState::Removing
                && c.labels.get(OPERATION_LABEL).map(String::as_str) == Some(operation.id.as_str())
                && c.labels.get(RESTORES_LABEL) == Some(&old.0)
        })
    }
}

impl Container {
    /// It runs, or the engine is about to run it again.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(
            self.state,
            ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
        )
    }

    /// The instant of its start and itself: another start breaks a streak.
    #[must_use]
    pub fn start_mark(&self) -> (ContainerId, Option<Timestamp>) {
        (self.id.clone(), self.started_at)
    }
}
