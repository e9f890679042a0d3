//! Nothing is being done: is there something to begin?

use pinion_model::{AgentPhase, Timestamp};

use crate::belongs::{containers_of, running_digest, runs};
use crate::{
    Accepted, Assignment, Container, Desired, Observed, Operation, Outcome, Record, Stage, Step,
};

use super::{ENGINE_PAUSE, collect, itself};

pub(super) fn next(desired: &Desired, observed: &Observed<'_>, now: Timestamp) -> Step {
    let record = observed.record;
    let Some(assignment) = desired.assignments.get(observed.workload) else {
        return idle(desired, observed, now);
    };
    let accepted = match &record.accepted {
        Some(accepted) if accepted.generation == assignment.generation => accepted,
        _ => return accept(record, assignment, now),
    };
    if record.outcome_of(assignment).is_some() {
        return idle(desired, observed, now);
    }
    if let Some(step) = without_a_step(desired, observed, assignment, now) {
        return step;
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
fn without_a_step(
    desired: &Desired,
    observed: &Observed<'_>,
    assignment: &Assignment,
    now: Timestamp,
) -> Option<Step> {
    if assignment.run.is_empty() && assignment.prefetch.is_empty() {
        return Some(withdrawn(desired, observed, assignment, now));
    }
    let failed = observed
        .record
        .failed_before(assignment)
        .filter(|_| !assignment.run.is_empty())?;
    let Ok(containers) = observed.containers else {
        // It may run by now, and what runs instead goes into the report.
        return Some(Step::Rest {
            wake_at: Some(now + ENGINE_PAUSE),
        });
    };
    if stands_as_assigned(desired, observed, containers, assignment)? {
        return None;
    }
    let outcome = Outcome {
        generation: assignment.generation,
        running: match itself::is_asking(observed) {
            true => itself::digest(observed),
            false => running_digest(observed.workload, containers, &desired.catalog),
        },
        at: now,
        ..failed.clone()
    };
    Some(close(observed.record, outcome))
}

/// None if nobody knows whose the containers are.
fn stands_as_assigned(
    desired: &Desired,
    observed: &Observed<'_>,
    containers: &[Container],
    assignment: &Assignment,
) -> Option<bool> {
    if itself::is_asking(observed) {
        return Some(itself::digest(observed).as_ref() == assignment.digest());
    }
    let mine = containers_of(observed.workload, containers, &desired.catalog).ok()?;
    let stands = |c: &&Container| runs_assigned(c, assignment);
    Some(mine.iter().all(stands) && mine.iter().any(|c| c.is_up()))
}

fn runs_assigned(container: &Container, assignment: &Assignment) -> bool {
    assignment
        .digest()
        .is_some_and(|digest| runs(container, digest))
}

fn withdrawn(
    desired: &Desired,
    observed: &Observed<'_>,
    assignment: &Assignment,
    now: Timestamp,
) -> Step {
    let outcome = Outcome {
        generation: assignment.generation,
        attempt: assignment.attempt,
        digest: None,
        phase: AgentPhase::Withdrawn,
        failure: None,
        running: itself::running(desired, observed),
        forced: None,
        at: now,
    };
    close(observed.record, outcome)
}

fn close(record: &Record, outcome: Outcome) -> Step {
    Step::Write(Box::new(Record {
        outcome: Some(outcome),
        ..record.clone()
    }))
}

/// What nobody needs is collected once something has settled: until then, what
/// was pulled for a turn that was taken back may be wanted again.
fn idle(desired: &Desired, observed: &Observed<'_>, now: Timestamp) -> Step {
    let wake_at = observed.record.collect_after.filter(|at| now < *at);
    let rest = Step::Rest { wake_at };
    match observed.record.has_settled() {
        true => collect::next(desired, observed, now).unwrap_or(rest),
        false => rest,
    }
}
