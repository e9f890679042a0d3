//! What the journal learns from the answer to a call.
//!
//! What a call did is read from the next observation; this is only about what
//! an observation cannot show: how often a call failed, and why.

mod hooks;

use std::time::Duration;

use pinion_model::{Failure, FailureKind, ImageRef, Timestamp};

use crate::names::RESTORES_LABEL;
use crate::next::taken_back;
use crate::{Answer, Call, ContainerId, CreateSpec, Observed, Operation, Record, Stage};

/// A port or an address may need a moment to become free.
const START_PAUSE: Duration = Duration::from_secs(2);
/// Failures in a row until a call before the end of a cut-over is given up.
const TRY_LIMIT: u32 = 3;
/// Failures in a row until a call that only tidies up or goes back is left out.
const SKIP_LIMIT: u32 = 5;
const PULL_PAUSE: Duration = Duration::from_secs(5);
const PAUSE_LIMIT: Duration = Duration::from_secs(60);

/// What to write to the journal after a call; none if there is nothing new.
#[must_use]
pub fn learn(
    observed: &Observed<'_>,
    call: &Call,
    answer: &Answer,
    now: Timestamp,
) -> Option<Record> {
    let mut record = observed.record.clone();
    if let Call::Untag(reference) = call {
        record.retired.retain(|retired| retired != reference);
        return Some(record);
    }
    let operation = record.operation.as_ref()?;
    let operation = match (call, answer) {
        (Call::LastWords(_), _) => heard(operation, answer),
        (Call::Start(id), _) if operation.stage == Stage::RollBack => {
            started_again(operation, &id.0, answer, now)
        }
        (_, Answer::Made { id, written, saved }) => {
            made(operation, call, id, *written, saved.as_deref())
        }
        (Call::Hook(hook), _) => hooks::heard(operation, hook, answer, now),
        (_, Answer::Done | Answer::Words(_) | Answer::Deferred(_)) => match idle(operation, call) {
            Some(failure) => fell_short(observed, operation, call, &failure, now),
            None => succeeded(operation, call),
        },
        (Call::Pull(_), Answer::Refused(failure) | Answer::Failed(failure)) => {
            fell_short(observed, operation, call, failure, now)
        }
        (_, Answer::Refused(failure)) => failed(operation, call, failure, true, now),
        (_, Answer::Failed(failure)) => failed(operation, call, failure, false, now),
    };
    record.operation = Some(operation);
    Some(record)
}

fn succeeded(operation: &Operation, call: &Call) -> Operation {
    Operation {
        tries: 0,
        retry_at: None,
        candidate: 0,
        last_done: Some(call.key()),
        ..operation.clone()
    }
}

/// The call was due again right after it was done: the engine says that it
/// does it, and nothing changes. Counted as a failure, it comes to an end.
fn idle(operation: &Operation, call: &Call) -> Option<Failure> {
    let key = call.key();
    let message = format!(
        "the container engine said that it did this, and nothing changed: {key}. Look at the engine's log"
    );
    (operation.last_done.as_ref() == Some(&key)).then(|| Failure::new(FailureKind::Engine, message))
}

fn fell_short(
    observed: &Observed<'_>,
    operation: &Operation,
    call: &Call,
    failure: &Failure,
    now: Timestamp,
) -> Operation {
    match call {
        Call::Pull(image) => pull_failed(observed, operation, image, failure, now),
        _ => failed(operation, call, failure, false, now),
    }
}

/// The next one is whole, or the one that was made again.
fn made(
    operation: &Operation,
    call: &Call,
    id: &ContainerId,
    written: Option<u64>,
    saved: Option<&CreateSpec>,
) -> Operation {
    let mut operation = Operation {
        tries: 0,
        retry_at: None,
        ..operation.clone()
    };
    let (old, again) = match call {
        Call::Create { old, labels, .. } => match labels.get(RESTORES_LABEL) {
            Some(restored) => (restored, true),
            None => (&old.0, false),
        },
        Call::Restore { old, .. } => (&old.0, true),
        _ => return operation,
    };
    let units = operation.units.iter_mut().filter(|u| u.old.id.0 == *old);
    units.for_each(|unit| match again {
        true => unit.remade = Some(id.clone()),
        false => {
            unit.made = true;
            unit.written = written;
            unit.saved = saved.cloned().map(Box::new);
        }
    });
    operation
}

/// Whatever came of it, going back does not wait for it.
fn heard(operation: &Operation, answer: &Answer) -> Operation {
    let mut heard = operation.clone();
    heard
        .units
        .iter_mut()
        .filter(|unit| unit.culprit)
        .for_each(|unit| unit.words = true);
    if let (Answer::Words(words), Some(failure)) = (answer, heard.failure.take()) {
        heard.failure = Some(failure.with_log(words.clone()));
    } else {
        heard.failure = operation.failure.clone();
    }
    heard
}

fn started_again(operation: &Operation, id: &str, answer: &Answer, now: Timestamp) -> Operation {
    let mut again = operation.clone();
    again
        .units
        .iter_mut()
        .filter(|unit| unit.remade.as_ref().unwrap_or(&unit.old.id).0 == id)
        .for_each(|unit| unit.restarts += 1);
    again.retry_at =
        matches!(answer, Answer::Refused(_) | Answer::Failed(_)).then(|| now + START_PAUSE);
    again
}

fn failed(
    operation: &Operation,
    call: &Call,
    failure: &Failure,
    is_final: bool,
    now: Timestamp,
) -> Operation {
    let mut failed = operation.clone();
    failed.tries += 1;
    let given_up = failed.tries >= TRY_LIMIT;
    let pause = match call {
        Call::Start(_) => START_PAUSE,
        _ => backoff(Duration::from_secs(1), failed.tries, 1.0),
    };
    failed.retry_at = Some(now + pause);
    match failed.stage {
        Stage::Preflight | Stage::Prefetch | Stage::Prepare | Stage::Create | Stage::Adopt
            if given_up || is_final =>
        {
            let refused = failed.at(Stage::Abandon { withdrawn: false }, now);
            Operation {
                failure: Some(failure.clone()),
                ..refused
            }
        }
        Stage::Cut if given_up => {
            let unit = failed
                .units
                .iter()
                .position(|unit| !unit.proven)
                .unwrap_or(0);
            taken_back(&failed, unit, failure.clone(), now)
        }
        Stage::Soak | Stage::Settle | Stage::RollBack | Stage::Abandon { .. }
            if failed.tries >= SKIP_LIMIT =>
        {
            left_out(failed, call, failure)
        }
        _ => failed,
    }
}

/// It goes on without the call. What settles says so; what goes back or is
/// given up has a failure of its own already.
fn left_out(mut operation: Operation, call: &Call, failure: &Failure) -> Operation {
    operation.skipped.insert(call.key());
    operation.tries = 0;
    operation.retry_at = None;
    if matches!(operation.stage, Stage::Soak | Stage::Settle) {
        let message = format!("could not {}: {}", call.key(), failure.message);
        let before = operation.failure.take();
        let both = before.map(|f| format!("{}; {message}", f.message));
        operation.failure = Some(Failure::new(failure.kind, both.unwrap_or(message)));
    }
    operation
}

/// The same digest may be in another registry; when none has it, what may
/// pass is tried again until the deadline.
fn pull_failed(
    observed: &Observed<'_>,
    operation: &Operation,
    image: &ImageRef,
    failure: &Failure,
    now: Timestamp,
) -> Operation {
    let mut pulling = operation.clone();
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
    let retry_at = now + backoff(PULL_PAUSE, pulling.tries, observed.jitter);
    let may_pass =
        elsewhere && round.iter().any(|f| f.kind.is_transient()) || failure.kind.is_transient();
    if may_pass && retry_at < pulling.accepted_at + pulling.assignment.healthy_deadline {
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

/// Doubles with each try; `spread` (0 to 1) takes away up to half.
fn backoff(first: Duration, tries: u32, spread: f64) -> Duration {
    let doubled = first
        .saturating_mul(1 << tries.saturating_sub(1).min(6))
        .min(PAUSE_LIMIT);
    doubled.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0)
}
