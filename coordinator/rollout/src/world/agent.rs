use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_model::{Generation, Labels, SessionEpoch, Timestamp, WorkloadName};
use serde::{Deserialize, Serialize};

use super::{Attribution, Placement};
use crate::Map;

/// One machine, from its enrolment until it is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Given by operator or token: trusted.
    pub labels: Arc<Labels>,
    /// Reported by the agent: not trusted.
    pub facts: Arc<BTreeMap<String, String>>,
    /// Reported by the agent: not trusted.
    pub versions: Versions,
    /// Whether it has a session.
    pub presence: Presence,
    /// Since when.
    pub presence_since: Timestamp,
    /// Of its latest session.
    pub epoch: SessionEpoch,
    /// The process that holds its session, and those before it.
    pub processes: Arc<Processes>,
    /// When two machines were seen to use its identity. Nothing is assigned to it.
    pub identity_conflict: Option<Timestamp>,
    /// Rollouts go round it.
    pub hold: Option<Hold>,
    /// Its certificates are refused.
    pub revoked: Option<Attribution>,
    /// Of its desired state; only rises.
    pub generation: Generation,
    /// The highest generation that it said to have accepted.
    pub claimed: Generation,
    /// The first generation that was given out while it had no session, or that
    /// it had claimed when it was. If it claims that one when it comes, it has
    /// it from before a restored backup, where it meant something else.
    #[serde(default)]
    pub unsent: Option<Generation>,
    /// That it may use, newest last; at most [`Agent::CERTIFICATES`].
    pub certificates: Arc<Vec<Certificate>>,
    /// When it got its identity.
    pub enrolled_at: Timestamp,
    /// By workload: what it must run, and what it was seen to run.
    pub placements: Map<WorkloadName, Placement>,
}

impl Agent {
    /// How many certificates of an agent are remembered; older ones are refused.
    pub const CERTIFICATES: usize = 4;

    /// An agent that has just been enrolled and has not come yet.
    #[must_use]
    pub fn enrolled(labels: Labels, certificate: Certificate, at: Timestamp) -> Self {
        Self {
            labels: Arc::new(labels),
            facts: Arc::default(),
            versions: Versions::default(),
            presence: Presence::Offline,
            presence_since: at,
            epoch: SessionEpoch::default(),
            processes: Arc::default(),
            identity_conflict: None,
            hold: None,
            revoked: None,
            generation: Generation::default(),
            claimed: Generation::default(),
            unsent: None,
            certificates: Arc::new(vec![certificate]),
            enrolled_at: at,
            placements: Map::default(),
        }
    }

    /// Whether rollouts go round it by name: held by an operator, or for an identity conflict.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.hold.is_some() || self.identity_conflict.is_some()
    }

    /// It knows generations that are not from this world.
    pub(crate) fn is_ahead(&self) -> bool {
        let unsent = self.unsent.is_some_and(|unsent| unsent <= self.claimed);
        unsent || self.claimed > self.generation
    }

    /// Gives out a generation. One that it has claimed between the plan and
    /// this means something else to it.
    pub(crate) fn give_out(&mut self, generation: Generation) {
        self.generation = self.generation.max(generation);
        if self.presence != Presence::Online || generation <= self.claimed {
            self.unsent.get_or_insert(generation);
        }
    }

    /// Whether this certificate is one of its own.
    #[must_use]
    pub fn knows(&self, fingerprint: &str) -> bool {
        self.certificates
            .iter()
            .any(|known| known.fingerprint == fingerprint)
    }

    /// The end of its newest certificate.
    #[must_use]
    pub fn certificate_expires_at(&self) -> Option<Timestamp> {
        self.certificates
            .last()
            .map(|certificate| certificate.not_after)
    }
}

/// Whether an agent has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It has one.
    Online,
    /// It has none.
    Offline,
    /// The coordinator started less than 90 s ago and has not seen it yet.
    /// No gate counts it as offline.
    Unknown,
}

/// What runs on the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Of the agent, such as `0.1.0`.
    pub agent: Arc<str>,
    /// Of the container engine.
    pub engine: Arc<str>,
}

/// The processes that came with an agent's identity, by their random ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// Of the latest session.
    pub current: String,
    /// Those that a newer one took over from, newest last; at most 16.
    pub ended: Vec<String>,
}

/// Why rollouts go round a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who, when and why.
    pub by: Attribution,
    /// It ends by itself then. None: until released.
    pub expires_at: Option<Timestamp>,
}

/// What is kept of a certificate: enough to recognise and to refuse it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-256 of its DER, in hex.
    pub fingerprint: String,
    /// Its serial number, in hex.
    pub serial: String,
    /// Its end.
    pub not_after: Timestamp,
}
