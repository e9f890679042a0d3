//! How an operation is closed.

use pinion_model::{AgentPhase, Digest, FailureKind, Generation};

use crate::{Outcome, Record, Step};

use super::View;

/// Closes the operation with its outcome. A recovery without a journal has no
/// assignment, so it has no outcome either.
pub(super) fn close(
    view: View<'_>,
    phase: AgentPhase,
    running: Option<Digest>,
    mut record: Record,
) -> Step {
    let operation = view.operation;
    record.operation = None;
    if operation.assignment.generation == Generation(0) {
        return view.write_record(record);
    }
    let has_failure = phase.is_failure() || phase == AgentPhase::Settled;
    let failure = operation.failure.clone().filter(|_| has_failure);
    let outcome = Outcome {
        generation: operation.assignment.generation,
        attempt: operation.assignment.attempt,
        digest: operation.assignment.digest().cloned(),
        phase,
        failure,
        forced: operation.deferral().filter(|deferral| deferral.forced),
        running,
        at: view.now,
    };
    if let (AgentPhase::Settled, Some(digest)) = (phase, &outcome.digest) {
        record.clear_failures(digest);
    }
    if is_final(&outcome) {
        record.failed.push(outcome.clone());
        let surplus = record.failed.len().saturating_sub(Record::FAILED_LIMIT);
        record.failed.drain(..surplus);
    }
    record.outcome = Some(outcome);
    view.write_record(record)
}

/// It speaks against the digest, not against the moment: not tried again
/// until an operator raises the attempt. What was only to be pulled speaks
/// against nothing: its turn is another attempt.
fn is_final(outcome: &Outcome) -> bool {
    let momentary = |kind| {
        matches!(
            kind,
            FailureKind::Timeout | FailureKind::InUse | FailureKind::Indeterminate
        )
    };
    outcome.phase.is_failure()
        && outcome.digest.is_some()
        && !outcome
            .failure
            .as_ref()
            .is_some_and(|failure| momentary(failure.kind))
}
