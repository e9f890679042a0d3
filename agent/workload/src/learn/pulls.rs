//! When a pull that failed is tried again, and where.
//!
//! ```text
//!   not found, network, credentials, registry ─▶ the next registry at once
//!   none is left, and it may pass ─┬─ a registry refused or faltered ─▶ a minute and more, 5 rounds
//!                                  └─ no way to it ─▶ 5 s, doubling to a minute
//!   no room ─▶ what nobody needs goes, then once more
//!   anything else, or the deadline ─▶ it ends
//! ```

use std::time::Duration;

use pinion_model::{Failure, FailureKind, ImageRef, Timestamp};

use super::backoff;
use crate::{Observed, Operation, Stage};

const NETWORK_PAUSE: Duration = Duration::from_secs(5);
/// A registry that limits or falters is not helped by being asked again soon:
/// at least this long, or a fifth of the deadline where that is short.
const REGISTRY_PAUSE: Duration = Duration::from_secs(60);
/// Rounds in which a registry may refuse or falter.
const REGISTRY_TRIES: u32 = 5;

/// The same digest may be in another registry; when none has it, what may
/// pass is tried again until the deadline.
pub(super) fn failed(
    observed: &Observed<'_>,
    operation: &Operation,
    image: &ImageRef,
    failure: &Failure,
    now: Timestamp,
) -> Operation {
    let mut pulling = operation.clone();
    if failure.kind == FailureKind::Disk && !pulling.shortage.again {
        pulling.shortage.failure = Some(failure.clone());
        return pulling;
    }
    if pulling.candidate == 0 {
        pulling.pull_failures.clear();
    }
    pulling.pull_failures.push(failure.clone());
    let elsewhere = matches!(
        failure.kind,
        FailureKind::NotFound
            | FailureKind::Network
            | FailureKind::Credentials
            | FailureKind::Registry
    );
    let sources = observed.permitted.as_ref().map_or(0, |all| {
        all.iter().filter(|i| i.digest == image.digest).count()
    });
    if elsewhere && pulling.candidate + 1 < sources {
        pulling.candidate += 1;
        return pulling;
    }
    let round = std::mem::take(&mut pulling.pull_failures);
    let failure = joined(&round, failure);
    pulling.candidate = 0;
    pulling.tries += 1;
    let retry_at = now + pause(&pulling, &round, observed.jitter);
    let may_pass =
        elsewhere && round.iter().any(|f| f.kind.is_transient()) || failure.kind.is_transient();
    let has_tries = !is_of_registry(&round) || pulling.tries < REGISTRY_TRIES;
    if may_pass && has_tries && retry_at < pulling.accepted_at + pulling.assignment.healthy_deadline
    {
        pulling.waiting_for = format!(
            "the pull to be tried again in {} s: {}",
            retry_at.since(now).as_secs(),
            failure.message
        );
        pulling.pull_failures = vec![failure];
        pulling.retry_at = Some(retry_at);
        return pulling;
    }
    Operation {
        failure: Some(failure),
        ..pulling.at(Stage::Abandon { withdrawn: false }, now)
    }
}

/// One failure of several: the kind that tells most, and all of the words.
fn joined(round: &[Failure], last: &Failure) -> Failure {
    let telling = round
        .iter()
        .find(|f| f.kind.is_transient())
        .or(round.iter().find(|f| f.kind != FailureKind::NotFound));
    let mut messages: Vec<&str> = Vec::new();
    for failure in round {
        if !messages.contains(&failure.message.as_str()) {
            messages.push(&failure.message);
        }
    }
    Failure::new(telling.unwrap_or(last).kind, messages.join("; "))
}

fn is_of_registry(round: &[Failure]) -> bool {
    round
        .iter()
        .any(|failure| failure.kind == FailureKind::Registry)
}

/// Spread, so that a fleet that was refused together does not come back together.
fn pause(operation: &Operation, round: &[Failure], jitter: f64) -> Duration {
    if !is_of_registry(round) {
        return backoff(NETWORK_PAUSE, operation.tries, jitter);
    }
    let least = REGISTRY_PAUSE.min(operation.assignment.healthy_deadline / REGISTRY_TRIES);
    least.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 2.0)
}
