use std::sync::Arc;

use pinion_model::{AgentPhase, Attempt, Digest, Failure, Generation, Timestamp};
use serde::{Deserialize, Serialize};

use super::quarantine::is_of_the_image;

/// One agent in a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// 0-based stage.
    pub stage: u32,
    /// Its place in the stage's order.
    pub place: u32,
    /// It had containers of the workload when the rollout began.
    pub has_containers: bool,
    /// One of them was not running or not healthy then: what becomes of the
    /// machine is not blamed on the rollout.
    pub sick: bool,
    /// It came to the rollout after the stages were frozen.
    pub late: bool,
    /// Of its assignment; 0 until it was assigned.
    pub generation: Generation,
    /// Of its assignment, or of the one to come.
    pub attempt: Attempt,
    /// None until its assignment was reported.
    pub phase: Option<AgentPhase>,
    /// Its assignment was withdrawn; the agent has not said yet what became of it.
    pub withdrawing: bool,
    /// Another assignment took its place before there was an outcome.
    pub taken_over: bool,
    /// An attempt before this one may have left something of the rollout on
    /// the machine: a retry asks anew, but does not make that undone.
    #[serde(default)]
    pub changed: bool,
    /// Why it failed.
    pub failure: Option<Arc<Failure>>,
    /// An operator resumed in knowledge of this failure.
    pub acknowledged: bool,
    /// It puts off its cut-over because it is in use.
    #[serde(default)]
    pub deferred: bool,
    /// It was in use for too long, and its strategy goes round such machines.
    #[serde(default)]
    pub in_use: bool,
    /// Why it waits, in the agent's words.
    pub waiting_for: Arc<str>,
    /// Since when it is where it is.
    pub since: Timestamp,
    /// What it was seen to run when it was assigned.
    pub baseline: Option<Digest>,
    /// The last digest that was proven healthy on it before it was assigned.
    pub proven: Option<Digest>,
    /// What it was last said to run.
    pub running: Option<Digest>,
    /// Pulling ahead of its turn; none until it was asked to.
    pub prefetch: Option<Prefetched>,
    /// Going back, when the rollout is taken back.
    pub restore: Option<Box<Restore>>,
}

/// One agent's pull ahead of its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefetched {
    /// Of the assignment that asked for it.
    pub generation: Generation,
    /// None until it was reported.
    pub phase: Option<AgentPhase>,
    /// Why it could not.
    pub failure: Option<Arc<Failure>>,
    /// An operator resumed in knowledge of this failure.
    pub acknowledged: bool,
    /// It was taken back; the agent has not said yet that it stopped.
    pub withdrawing: bool,
}

impl Prefetched {
    /// Whether the image is there, or could not be had.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.failure.is_some() || self.phase == Some(AgentPhase::Prefetched)
    }
}

/// One agent's way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Of the assignment that takes it back.
    pub generation: Generation,
    /// To which digest; none: there was nothing to go back to.
    pub digest: Option<Digest>,
    /// None until it was reported.
    pub phase: Option<AgentPhase>,
    /// Why it did not get back.
    pub failure: Option<Arc<Failure>>,
    /// An operator resumed in knowledge of this failure.
    pub acknowledged: bool,
}

impl Restore {
    /// Whether the machine is back, or did not get there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.failure.is_some() || self.phase.is_some_and(AgentPhase::is_terminal)
    }

    /// It did not get back, nobody knows it, and the others may fare likewise:
    /// what it was to run again does not, or its container is lost. Where it
    /// was sick before the rollout, only that.
    pub(crate) fn is_stuck(&self, sick: bool) -> bool {
        let lost = self.phase == Some(AgentPhase::RollbackFailed);
        let failure = self.failure.as_ref().filter(|_| !self.acknowledged);
        failure.is_some_and(|failure| lost || !sick && is_of_the_image(failure.kind))
    }
}

/// Where a member stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not assigned, or withdrawn or taken back before there was an outcome.
    Pending,
    /// Assigned, and neither proven nor terminal.
    InFlight,
    /// Proven; the old container is kept until the soak ends.
    Soaking,
    /// Proven and soaked.
    Settled,
    /// Pulled and tagged; no container ran it.
    Staged,
    /// Not as asked.
    Failed,
}

impl Member {
    /// A member that was not assigned yet.
    #[must_use]
    pub fn pending(
        stage: u32,
        place: u32,
        has_containers: bool,
        attempt: Attempt,
        at: Timestamp,
    ) -> Self {
        Self {
            stage,
            place,
            has_containers,
            sick: false,
            late: false,
            generation: Generation::default(),
            attempt,
            phase: None,
            withdrawing: false,
            taken_over: false,
            changed: false,
            failure: None,
            acknowledged: false,
            deferred: false,
            in_use: false,
            waiting_for: Arc::default(),
            since: at,
            baseline: None,
            proven: None,
            running: None,
            prefetch: None,
            restore: None,
        }
    }

    /// What fails here is not blamed on the rollout.
    #[must_use]
    pub fn is_excused(&self) -> bool {
        self.sick || self.in_use
    }

    /// Where it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.failure.is_some() {
            return Standing::Failed;
        }
        match self.phase {
            Some(AgentPhase::Settled) => Standing::Settled,
            Some(AgentPhase::Staged) => Standing::Staged,
            Some(phase) if phase.is_failure() => Standing::Failed,
            Some(AgentPhase::Withdrawn) => Standing::Pending,
            _ if self.taken_over || self.generation == Generation::default() => Standing::Pending,
            Some(AgentPhase::Soaking) => Standing::Soaking,
            _ => Standing::InFlight,
        }
    }

    /// Its old container may have been stopped: a withdrawal comes too late.
    #[must_use]
    pub fn has_cut_over(&self) -> bool {
        self.phase.is_some_and(AgentPhase::has_cut_over)
    }

    /// Something of what containers said before they failed is kept.
    pub(crate) fn has_logs(&self) -> bool {
        let restore = self.restore.as_ref();
        let of_restore = restore.and_then(|restore| restore.failure.as_ref());
        let pull = self.prefetch.as_ref();
        let of_pull = pull.and_then(|pull| pull.failure.as_ref());
        let mut failures = self.failure.iter().chain(of_restore).chain(of_pull);
        failures.any(|failure| !failure.log_tail.is_empty())
    }

    /// An operator went on in knowledge of what failed here.
    pub(crate) fn acknowledge(&mut self) {
        self.acknowledged |= self.standing() == Standing::Failed;
        if let Some(restore) = &mut self.restore {
            restore.acknowledged |= restore.failure.is_some();
        }
        if let Some(pull) = &mut self.prefetch {
            pull.acknowledged |= pull.failure.is_some();
        }
    }

    /// Drops what containers said before they failed; the messages stay.
    pub(crate) fn forget_logs(&mut self) {
        let restore = self.restore.as_mut();
        let of_restore = restore.and_then(|restore| restore.failure.as_mut());
        let pull = self.prefetch.as_mut();
        let of_pull = pull.and_then(|pull| pull.failure.as_mut());
        for failure in self.failure.iter_mut().chain(of_restore).chain(of_pull) {
            if !failure.log_tail.is_empty() {
                Arc::make_mut(failure).log_tail = String::new();
            }
        }
    }

    /// The agent is taking it back by itself.
    pub(crate) fn rolls_back(&self) -> bool {
        self.standing() == Standing::InFlight && self.phase == Some(AgentPhase::RollingBack)
    }

    /// Something of the rollout is, or may be, on the machine: a roll-back of
    /// the rollout must take it back.
    #[must_use]
    pub fn was_changed(&self) -> bool {
        use AgentPhase::{Refused, RolledBack, Withdrawn};
        let asked = self.generation != Generation::default();
        let undone = matches!(self.phase, Some(RolledBack | Refused | Withdrawn));
        !self.taken_over && (self.changed || asked && !undone)
    }
}
