//! What comes next for one workload: one room per stage of an operation.
//!
//! ```text
//!   Preflight ─▶ Prepare ─▶ Create ─▶ Cut ─▶ Soak ─▶ Settle ─▶ Settled | Staged
//!      │            │          │       └──────┴─▶ RollBack ─▶ RolledBack | RollbackFailed
//!      ├─▶ Adopt ───┼──────────┼──────▶ Settle
//!      └────────────┴──────────┴─▶ Abandon ─▶ Refused | Withdrawn
//! ```

mod abandon;
mod adopt;
mod begin;
mod beside;
mod change_back;
pub(crate) mod collect;
mod create;
mod cut;
mod finish;
mod gate;
mod in_use;
mod itself;
mod left_behind;
mod prefetch;
mod preflight;
mod prepare;
mod remake;
mod roll_back;
mod room;
mod settle;
mod soak;
mod switch;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use pinion_model::{Failure, FailureKind, Timestamp};

use crate::observed::Machine;
use crate::{Call, Container, Desired, Observed, Operation, Record, Stage, Step, Unit, is_itself};

pub use collect::needed_elsewhere;
pub(crate) use room::short;

/// How long to wait before an engine that did not answer is asked again.
const ENGINE_PAUSE: Duration = Duration::from_secs(5);

/// What comes next for the workload that was observed.
#[must_use]
pub fn next(desired: &Desired, observed: &Observed<'_>, now: Timestamp) -> Step {
    let Some(operation) = &observed.record.operation else {
        return begin::next(desired, observed, now);
    };
    let containers = match observed.containers {
        Ok(containers) => containers,
        Err(_) if itself::needs_no_engine(observed, operation) => &[],
        Err(why) => return engine_is_silent(observed, operation, why, now),
    };
    View {
        desired,
        observed,
        operation,
        machine: Machine(containers),
        now,
    }
    .next()
}

/// Unknown is not absent: without an observation nothing is done.
fn engine_is_silent(
    observed: &Observed<'_>,
    operation: &Operation,
    why: &str,
    now: Timestamp,
) -> Step {
    let waiting_for = format!("the container engine to answer: {why}");
    if operation.stage.has_cut_over() || operation.waiting_for == waiting_for {
        return Step::Rest {
            wake_at: Some(now + ENGINE_PAUSE),
        };
    }
    let mut record = observed.record.clone();
    record.operation = Some(Operation {
        waiting_for,
        ..operation.clone()
    });
    Step::Write(Box::new(record))
}

/// All that the stages look at.
#[derive(Clone, Copy)]
struct View<'a> {
    desired: &'a Desired,
    observed: &'a Observed<'a>,
    operation: &'a Operation,
    machine: Machine<'a>,
    now: Timestamp,
}

impl View<'_> {
    fn next(self) -> Step {
        if let Some(step) = self.before_cut_over() {
            return step;
        }
        if let Some(retry_at) = self.operation.retry_at.filter(|at| *at > self.now) {
            return Step::Rest {
                wake_at: Some(retry_at),
            };
        }
        if itself::is_asking(self.observed) {
            return itself::next(self);
        }
        match self.operation.stage {
            Stage::Preflight => preflight::next(self),
            Stage::Prefetch => prefetch::next(self),
            Stage::Prepare => prepare::next(self),
            Stage::Create => create::next(self),
            Stage::Cut => cut::next(self),
            Stage::Adopt => adopt::next(self),
            Stage::Soak => soak::next(self),
            Stage::Settle => settle::next(self),
            Stage::RollBack => roll_back::next(self),
            Stage::Abandon { withdrawn } => abandon::next(self, withdrawn),
        }
    }

    /// What may end an operation that has not touched an old container.
    fn before_cut_over(self) -> Option<Step> {
        let operation = self.operation;
        if operation.stage.has_cut_over() || matches!(operation.stage, Stage::Abandon { .. }) {
            return None;
        }
        if let Some(step) = self.superseded() {
            return Some(step);
        }
        if self.is_late() {
            return Some(self.abandon(self.late()));
        }
        if let Some(step) = self.agent_goes_alone() {
            return Some(step);
        }
        let waited = operation.retry_at.is_none_or(|at| at <= self.now) && !self.waits_to_pull();
        (waited && !operation.is_at_the_gate() && !operation.waiting_for.is_empty()).then(|| {
            self.write(Operation {
                waiting_for: String::new(),
                retry_at: None,
                ..operation.clone()
            })
        })
    }

    /// While the agent itself is replaced, nothing else takes a step.
    fn agent_goes_alone(self) -> Option<Step> {
        self.observed.busy_with.filter(|busy| is_itself(busy))?;
        let why = "the agent of this machine, which is being replaced".to_owned();
        Some(gate::wait_until(self, why))
    }

    /// A newer assignment takes this one back, or goes on with it where it
    /// wants the same.
    fn superseded(self) -> Option<Step> {
        let mine = &self.operation.assignment;
        let current = self.desired.assignments.get(self.observed.workload);
        match current {
            Some(newer) if newer.generation == mine.generation => None,
            Some(newer)
                if newer.run == mine.run
                    && !newer.run.is_empty()
                    && newer.attempt == mine.attempt =>
            {
                let mut record = self.observed.record.clone();
                let accepted = crate::Accepted {
                    generation: newer.generation,
                    at: self.now,
                };
                record.accepted = Some(accepted);
                let assignment = newer.clone();
                record.operation = Some(Operation {
                    assignment,
                    accepted_at: self.now,
                    ..self.operation.clone()
                });
                Some(Step::Write(Box::new(record)))
            }
            _ => Some(
                self.write(
                    self.operation
                        .clone()
                        .at(Stage::Abandon { withdrawn: true }, self.now),
                ),
            ),
        }
    }

    fn is_late(self) -> bool {
        let can_cut = matches!(
            self.operation.stage,
            Stage::Preflight | Stage::Prepare | Stage::Create
        );
        if self.operation.units.iter().any(|unit| self.proves(unit)) {
            return false;
        }
        let assignment = &self.operation.assignment;
        // What the machine itself asked for again counts from then.
        let begins = match self.operation.quiet {
            true => self.operation.accepted_at,
            false => assignment.received_at,
        };
        // What is proven beside the old one has the time of its proof for that,
        // and begins anew where that was in doubt.
        let units = self.operation.units.iter();
        let proven = units.filter_map(|unit| unit.ready.max(unit.doubted)).max();
        let begins = begins.max(proven.unwrap_or(begins));
        // The time in which the machine was in use does not count.
        let deferred = self.operation.gate.deferred(self.now);
        can_cut && self.now > begins + assignment.start_within + deferred
    }

    /// Its proof beside the old one goes on, which has a deadline of its own.
    fn proves(self, unit: &Unit) -> bool {
        let old = self.machine.by_id(&unit.old.id);
        unit.is_unready() && unit.began.is_some() && old.is_some_and(Container::is_up)
    }

    fn late(self) -> Failure {
        let seconds = self.operation.assignment.start_within.as_secs();
        let waited = Some(&self.operation.waiting_for).filter(|why| !why.is_empty());
        let pulled = self.operation.pull_failures.last().map(|f| &f.message);
        let last = pulled
            .map(|why| format!("; the last thing in its way: {why}"))
            .or(waited.map(|why| format!("; it waited for {why}")));
        Failure::new(
            FailureKind::Timeout,
            format!(
                "the containers were not replaced within {seconds} s (start_within) of the assignment; nothing was touched{}",
                last.unwrap_or_default()
            ),
        )
    }

    /// The operation as it goes on, into the journal.
    fn write(self, operation: Operation) -> Step {
        self.write_record(Record {
            operation: Some(operation),
            ..self.observed.record.clone()
        })
    }

    fn write_record(self, record: Record) -> Step {
        Step::Write(Box::new(record))
    }

    /// Nothing was touched yet, and nothing will be.
    fn abandon(self, failure: Failure) -> Step {
        let operation = self
            .operation
            .clone()
            .at(Stage::Abandon { withdrawn: false }, self.now);
        self.write(Operation {
            failure: Some(failure),
            ..operation
        })
    }

    /// The unit failed, so all of them go back.
    fn take_back(self, unit: usize, failure: Failure) -> Step {
        self.write(taken_back(self.operation, unit, failure, self.now))
    }

    /// The engine said that it did this, and nothing was done since.
    fn was_done(self, call: &Call) -> bool {
        self.operation.last_done.as_ref() == Some(&call.key())
    }

    /// The call, unless it failed so often that it is left out.
    fn unless_skipped(self, call: Call) -> Option<Step> {
        (!self.operation.skipped.contains(&call.key())).then_some(Step::Call(call))
    }
}

/// The operation at the beginning of its way back.
pub(crate) fn taken_back(
    operation: &Operation,
    unit: usize,
    failure: Failure,
    now: Timestamp,
) -> Operation {
    let mut back = operation.clone().at(Stage::RollBack, now);
    back.failure = Some(failure);
    back.untouched = !operation.stage.has_cut_over();
    back.skipped.clear();
    if let Some(unit) = back.units.get_mut(unit) {
        unit.culprit = true;
    }
    back
}
