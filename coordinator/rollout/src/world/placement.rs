use std::sync::Arc;

use pinion_model::{AgentPhase, Attempt, Deferral, Digest, Failure, Generation, Timestamp};
use serde::{Deserialize, Serialize};

use super::Attribution;
use crate::{Assignment, Purpose};

/// One workload on one machine: desired and observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// What the agent must converge to. None: nothing was ever asked.
    pub assignment: Option<Assignment>,
    /// The last digest that was asked for and not withdrawn.
    pub asked: Option<Digest>,
    /// The generation that the present assignment withdraws: its outcome still counts.
    pub withdrawn: Option<Generation>,
    /// How the assignment fares. None until it was reported.
    pub phase: Option<AgentPhase>,
    /// Since when it is in that phase.
    pub since: Timestamp,
    /// Why it waits, in the agent's words.
    pub waiting_for: Arc<str>,
    /// While the machine is in use, and afterwards if it was cut over all the same.
    #[serde(default)]
    pub deferral: Option<Arc<Deferral>>,
    /// Of the assignment.
    pub failure: Option<Arc<Failure>>,
    /// The digest that is wanted after the agent's last outcome.
    pub running: Option<Digest>,
    /// The last digest that settled here, or that an agent restored and that
    /// was not known to be unwell.
    pub proven: Option<Digest>,
    /// What ran here was known to be sick when the last digest was asked for,
    /// or when it was restored: that it runs again proves nothing.
    #[serde(default)]
    pub unwell: bool,
    /// What failed here last: not tried again until an operator asks.
    pub tried: Option<Arc<Tried>>,
    /// What its containers were last seen to run.
    pub containers: Arc<[ObservedContainer]>,
    /// When the agent last said anything about it.
    pub reported_at: Option<Timestamp>,
    /// It settled, and a container no longer runs that digest.
    pub drifted: bool,
    /// An operator wants it at its stable digest, also where that failed
    /// before; it is asked for once no other workload is in flight there.
    pub refresh: Option<Box<Attribution>>,
    /// It settled, and this could not be tidied up, such as the local tag.
    pub untidy: Option<Arc<Failure>>,
    /// The agent is told this in place of the assignment, which stays as it was.
    pub ahead: Option<Box<Ahead>>,
}

/// Pulling ahead of a machine's turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// To pull, or to leave that be.
    pub assignment: Assignment,
    /// None until it was reported.
    pub phase: Option<AgentPhase>,
    /// Since when it is in that phase.
    pub since: Timestamp,
    /// Why it waits, in the agent's words.
    pub waiting_for: Arc<str>,
}

impl Ahead {
    /// Nothing follows.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let over = |phase: AgentPhase| phase == AgentPhase::Prefetched || phase.is_terminal();
        self.phase.is_some_and(over)
    }
}

impl Placement {
    /// The generation of its assignment; 0 without one.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.assignment
            .as_ref()
            .map(|assignment| assignment.generation)
            .unwrap_or_default()
    }

    /// Something was asked of it, or is to be.
    pub(crate) fn is_wanted(&self) -> bool {
        self.told().is_some() || self.refresh.is_some()
    }

    /// Why an assignment above this generation failed here; also when what the
    /// machine restored has been made its desired state since.
    #[must_use]
    pub fn failure_since(&self, generation: Generation) -> Option<&Failure> {
        let present = self
            .failure
            .as_ref()
            .filter(|_| self.generation() > generation);
        let tried = self
            .tried
            .as_ref()
            .filter(|tried| tried.generation > generation);
        let failure = present.or(tried.map(|tried| &tried.failure));
        failure.map(Arc::as_ref)
    }

    /// Why the last thing that was asked for failed here; none once something
    /// else than what the machine restored by itself was asked for.
    #[must_use]
    pub fn last_failure(&self) -> Option<&Failure> {
        let purpose = self
            .assignment
            .as_ref()
            .map(|assignment| &assignment.purpose);
        let restored = matches!(purpose, Some(Purpose::Adopt { .. }));
        let tried = self.tried.as_ref().filter(|_| restored);
        let failure = self.failure.as_ref().or(tried.map(|tried| &tried.failure));
        failure.map(Arc::as_ref)
    }

    /// Something was asked, and no outcome that ends it or proves it has come.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        let asked = self
            .assignment
            .as_ref()
            .is_some_and(|assignment| assignment.run.is_some());
        (asked || self.withdrawn.is_some())
            && self.failure.is_none()
            && !self
                .phase
                .is_some_and(|phase| phase.is_terminal() || phase.is_proven())
    }

    /// It pulls ahead of its turn, or has not said yet that it stopped.
    #[must_use]
    pub fn is_pulling_ahead(&self) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| !ahead.is_over())
    }

    /// What the agent is told.
    #[must_use]
    pub fn told(&self) -> Option<&Assignment> {
        let ahead = self.ahead.as_ref().map(|ahead| &ahead.assignment);
        ahead.or(self.assignment.as_ref())
    }

    /// A container of it is known not to run, or to be unhealthy.
    #[must_use]
    pub fn is_sick(&self) -> bool {
        self.containers.iter().any(ObservedContainer::is_sick)
    }

    /// The digest that all of its running containers run; none if there are
    /// none, if they differ, or if one is unknown.
    #[must_use]
    pub fn observed_digest(&self) -> Option<&Digest> {
        let mut running = self.containers.iter().filter(|container| container.running);
        let first = running.next()?.digest.as_ref()?;
        running
            .all(|container| container.digest.as_ref() == Some(first))
            .then_some(first)
    }
}

/// A digest that failed on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which.
    pub digest: Digest,
    /// The attempt that failed.
    pub attempt: Attempt,
    /// The generation of the assignment that asked for it.
    pub generation: Generation,
    /// Why it failed.
    pub failure: Arc<Failure>,
}

/// One container as an agent saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedContainer {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub id: Arc<str>,
    /// Digest of its image; none if the image was not pulled by digest.
    pub digest: Option<Digest>,
    /// Whether it runs.
    pub running: bool,
    /// What its health check says.
    pub health: Health,
}

/// What a container's own health check says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It is well.
    Healthy,
    /// It is not.
    Unhealthy,
    /// It cannot tell yet.
    Starting,
    /// The image has none.
    None,
    /// In a word that only a newer agent knows.
    #[default]
    Unknown,
}

impl Health {
    /// What a word of the protocol says.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let all = [Self::Healthy, Self::Unhealthy, Self::Starting, Self::None];
        let mut all = all.into_iter();
        all.find(|health| health.word() == word).unwrap_or_default()
    }

    /// The word of the protocol.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

impl ObservedContainer {
    /// It is known not to run, or to be unhealthy. One that has just started,
    /// or that has no check, is not.
    #[must_use]
    pub fn is_sick(&self) -> bool {
        !self.running || self.health == Health::Unhealthy
    }
}
