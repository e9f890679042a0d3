use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{
    AgentPhase, Attempt, Deferral, Digest, Failure, Generation, ImageRef, Timestamp, WorkloadName,
};
use serde::{Deserialize, Serialize};

use crate::{Assignment, Operation, Report, Stage, is_itself};

/// All that the journal holds about one workload. Written before the call
/// that it announces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The assignment that was accepted last, and when.
    pub accepted: Option<Accepted>,
    /// What is being done.
    pub operation: Option<Operation>,
    /// How the last one ended.
    pub outcome: Option<Outcome>,
    /// Outcomes that are never tried again by themselves, of digests that were
    /// not seen healthy since; newest last.
    #[serde(default)]
    pub failed: Vec<Outcome>,
    /// Images that were proven here; newest first.
    #[serde(default)]
    pub proven: Vec<ImageRef>,
    /// Images that an anchor tag keeps from being pruned.
    #[serde(default)]
    pub anchors: BTreeSet<ImageRef>,
    /// The image that has the local tag: what the machine's next container
    /// starts from.
    #[serde(default)]
    pub tagged: Option<ImageRef>,
    /// References that were not on the machine, and that the engine then said
    /// it had pulled for this workload: no other image is ever removed.
    #[serde(default)]
    pub pulled: BTreeSet<ImageRef>,
    /// The reference that was removed last: still there, the engine did not do it.
    #[serde(default)]
    pub collected: Option<String>,
    /// Nothing is removed before this instant, since the engine refused to.
    #[serde(default)]
    pub collect_after: Option<Timestamp>,
    /// How often this machine was asked to do the accepted assignment over.
    #[serde(default)]
    pub runs: u32,
}

/// Another workload of a machine of which containers are being replaced or put
/// back: until that is over, no further cut-over begins there. The agent itself
/// is last and alone: it waits for whatever is under way.
#[must_use]
pub fn busy_with<'a>(
    records: &'a BTreeMap<WorkloadName, Record>,
    workload: &WorkloadName,
) -> Option<&'a WorkloadName> {
    let is_replacing = |record: &Record| {
        let stage = record.operation.as_ref().map(|operation| &operation.stage);
        matches!(stage, Some(Stage::Cut | Stage::RollBack))
    };
    let is_last = is_itself(workload);
    let mut records = records.iter();
    let busy = records.find(|(name, record)| {
        *name != workload && (is_replacing(record) || is_last && record.operation.is_some())
    });
    busy.map(|(name, _)| name)
}

impl Record {
    /// Images that are kept: the current and two before it.
    pub const PROVEN_LIMIT: usize = 3;
    /// Failed outcomes that are remembered.
    pub const FAILED_LIMIT: usize = 32;

    /// What goes to the coordinator; none if there is nothing to say.
    #[must_use]
    pub fn report(&self, workload: &WorkloadName, now: Timestamp) -> Option<Report> {
        match (&self.operation, &self.outcome) {
            (Some(operation), _) if operation.is_reported() => {
                Some(operation.report(workload, now))
            }
            (_, Some(outcome)) => Some(outcome.report(workload)),
            _ => None,
        }
    }

    /// The outcome of exactly this assignment.
    #[must_use]
    pub fn outcome_of(&self, assignment: &Assignment) -> Option<&Outcome> {
        self.outcome
            .as_ref()
            .filter(|o| o.generation == assignment.generation && o.attempt == assignment.attempt)
    }

    /// An earlier failure of the same digest and attempt.
    #[must_use]
    pub fn failed_before(&self, assignment: &Assignment) -> Option<&Outcome> {
        self.failed
            .iter()
            .rev()
            .find(|o| o.digest.as_ref() == assignment.digest() && o.attempt == assignment.attempt)
    }

    /// A digest was observed healthy: what it failed at before is no reason
    /// any more.
    pub(crate) fn clear_failures(&mut self, digest: &Digest) {
        self.failed
            .retain(|outcome| outcome.digest.as_ref() != Some(digest));
    }

    /// Nothing is being done, and what was done last ended well.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        let settled = |outcome: &Outcome| outcome.phase == AgentPhase::Settled;
        self.operation.is_none() && self.outcome.as_ref().is_some_and(settled)
    }

    /// Whether this digest was observed healthy here.
    #[must_use]
    pub fn is_proven(&self, digest: &Digest) -> bool {
        self.proven.iter().any(|image| image.digest == *digest)
    }
}

/// When an assignment was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its generation.
    pub generation: Generation,
    /// By the agent's clock.
    pub at: Timestamp,
}

/// How an assignment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Of the assignment.
    pub generation: Generation,
    /// Of the assignment.
    pub attempt: Attempt,
    /// What was to run; none if the containers were to be left.
    pub digest: Option<Digest>,
    /// How it ended.
    pub phase: AgentPhase,
    /// Why, if it failed; of one that settled, what could not be tidied up.
    pub failure: Option<Failure>,
    /// That they were replaced although in use.
    #[serde(default)]
    pub forced: Option<Deferral>,
    /// What the containers run after it.
    pub running: Option<Digest>,
    /// When, by the agent's clock.
    pub at: Timestamp,
}

impl Outcome {
    fn report(&self, workload: &WorkloadName) -> Report {
        Report {
            workload: workload.clone(),
            generation: self.generation,
            attempt: self.attempt,
            phase: self.phase,
            waiting_for: String::new(),
            failure: self.failure.clone(),
            deferral: self.forced.clone(),
            running: self.running.clone(),
            at: self.at,
        }
    }
}
