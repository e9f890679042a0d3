//! Nothing is being done: is there something to begin?

use pinion_model::{AgentPhase, Timestamp};

use crate::belongs::{containers_of, digest_of};
use crate::{
    Accepted, Assignment, Call, Desired, Observed, Operation, Outcome, Record, Stage, Step,
};

pub(super) fn next(desired: &Desired, observed: &Observed<'_>, now: Timestamp) -> Step {
    let record = observed.record;
    let Some(assignment) = desired.assignments.get(observed.workload) else {
        return idle(record);
    };
    let accepted = match &record.accepted {
        Some(accepted) if accepted.generation == assignment.generation => accepted,
        _ => return accept(record, assignment, now),
    };
    if record.outcome_of(assignment).is_some() {
        return idle(record);
    }
    if let Some(outcome) = outcome_without_a_step(desired, observed, assignment, now) {
        return Step::Write(Box::new(Record {
            outcome: Some(outcome),
            ..record.clone()
        }));
    }
    let mut operation = Operation::new(assignment, accepted.at, record.runs, now);
    if assignment.run.is_empty() {
        operation.stage = Stage::Prefetch;
    }
    Step::Write(Box::new(Record {
        operation: Some(operation),
        ..record.clone()
    }))
}

fn accept(record: &Record, assignment: &Assignment, now: Timestamp) -> Step {
    let accepted = Some(Accepted {
        generation: assignment.generation,
        at: now,
    });
    Step::Write(Box::new(Record {
        accepted,
        runs: 0,
        ..record.clone()
    }))
}

/// Nothing is wanted, or what is wanted failed before.
fn outcome_without_a_step(
    desired: &Desired,
    observed: &Observed<'_>,
    assignment: &Assignment,
    now: Timestamp,
) -> Option<Outcome> {
    let (generation, attempt) = (assignment.generation, assignment.attempt);
    if assignment.run.is_empty() && assignment.prefetch.is_empty() {
        return Some(Outcome {
            generation,
            attempt,
            digest: None,
            phase: AgentPhase::Withdrawn,
            failure: None,
            running: running(desired, observed),
            at: now,
        });
    }
    let failed = observed
        .record
        .failed_before(assignment)
        .filter(|_| !assignment.run.is_empty())?;
    Some(Outcome {
        generation,
        at: now,
        ..failed.clone()
    })
}

/// The digest of the first container that runs.
fn running(desired: &Desired, observed: &Observed<'_>) -> Option<pinion_model::Digest> {
    let containers = containers_of(
        observed.workload,
        observed.containers.ok()?,
        &desired.catalog,
    )
    .ok()?;
    let entry = desired.catalog.get(observed.workload);
    containers
        .into_iter()
        .find(|c| c.is_up())
        .and_then(|c| digest_of(c, entry))
}

/// Tidies up, one tag at a time.
fn idle(record: &Record) -> Step {
    match record.retired.first() {
        Some(reference) => Step::Call(Call::Untag(reference.clone())),
        None => Step::Rest { wake_at: None },
    }
}
