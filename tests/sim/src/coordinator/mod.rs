//! A coordinator's process: the World as it has followed it, its sessions,
//! and what it is about to do. All of it is lost when it is killed.

pub(crate) mod decide;
pub(crate) mod intake;
pub(crate) mod places;
mod probes;
pub(crate) mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use pinion_coordinator::store::Snapshot;
use pinion_model::{Generation, Revision, SessionEpoch, Timestamp};
use pinion_rollout::{Change, DueProbe, Observation};
use pinion_workload::Desired;

use crate::operators::Asked;

#[derive(Default)]
pub(crate) struct Coordinator {
    pub(crate) is_alive: bool,
    /// Its start is noted, so sessions may begin.
    pub(crate) is_open: bool,
    /// The World, as far as it has followed.
    pub(crate) view: Snapshot,
    /// Heard, and not committed yet.
    inbox: Vec<Observation>,
    /// To be said once what was heard is durable and applied: not before that revision.
    owed: Vec<(Revision, Owed)>,
    /// The same for what is in the inbox still.
    to_owe: Vec<Owed>,
    intake_is_due: bool,
    follow_is_due: bool,
    requests: VecDeque<Request>,
    decide_is_due: bool,
    deciding: Option<Deciding>,
    publish_is_due: bool,
    /// The decision revision that agents were told of.
    published: Option<Revision>,
    wake_at: Option<Timestamp>,
    /// Questions of checks that are not answered.
    asked: Vec<DueProbe>,
    places: BTreeMap<usize, Place>,
    /// Agents for which something may have changed.
    changed: BTreeSet<usize>,
}

/// What is answered when something is durable.
#[derive(Debug, Clone, Copy)]
enum Owed {
    Welcome { link: usize },
    Ack { link: usize, sequence: u64 },
}

/// What is to be decided.
#[derive(Debug)]
enum Request {
    Plan,
    Act(Asked),
}

/// A decision that is made and not committed.
struct Deciding {
    request: Request,
    changes: Vec<Change>,
    /// The decision revision that it was made from.
    expected: Revision,
    /// The revision that it was made from.
    seen: Revision,
    at: Timestamp,
}

/// An agent's place among the sessions.
struct Place {
    link: usize,
    epoch: SessionEpoch,
    /// The generation that it is to be told of.
    told: Generation,
    /// That, until it is sent.
    waiting: Option<Arc<Desired>>,
    /// Sent, and not on the agent's disk as far as is known.
    unacknowledged: Option<Generation>,
    /// A lower one is not sent: the agent would refuse it.
    floor: Generation,
}

impl Coordinator {
    /// The connections of its sessions.
    pub(crate) fn links(&self) -> impl Iterator<Item = usize> {
        self.places.values().map(|place| place.link)
    }

    /// It has made a decision that it has not committed.
    pub(crate) fn is_deciding(&self) -> bool {
        self.deciding.is_some()
    }
}
