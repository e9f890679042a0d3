//! What the journal learns from the answer to a call.
//!
//! What a call did is read from the next observation; this is only about what
//! an observation cannot show: how often a call failed, and why.

mod hooks;
mod pulls;

use std::time::Duration;

use pinion_model::{Failure, FailureKind, Timestamp};

use crate::names::RESTORES_LABEL;
use crate::next::taken_back;
use crate::{Answer, Call, ContainerId, CreateSpec, Observed, Operation, Record, Stage, Unit};

/// A port or an address may need a moment to become free.
const START_PAUSE: Duration = Duration::from_secs(2);
/// Failures in a row until a call before the end of a cut-over is given up.
const TRY_LIMIT: u32 = 3;
/// Failures in a row until a call that only tidies up or goes back is left out.
const SKIP_LIMIT: u32 = 5;
/// Before what the engine did not remove is tried again.
const COLLECT_PAUSE: Duration = Duration::from_secs(10 * 60);
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
        removed(&mut record, reference, answer, now);
        return Some(record);
    }
    if let (Call::Pull(image), Answer::Done) = (call, answer) {
        record.pulled.insert(image.clone());
    }
    let Some(operation) = record.operation.as_ref() else {
        return (record != *observed.record).then_some(record);
    };
    let operation = match (call, answer) {
        (Call::LastWords(_), _) => heard(operation, answer),
        (Call::Start(id), _) if operation.stage == Stage::RollBack => {
            started_again(operation, &id.0, answer, now)
        }
        (_, Answer::Made { id, written, saved }) => {
            made(operation, call, id, *written, saved.as_deref())
        }
        (Call::Hook(hook), _) => hooks::heard(operation, hook, answer, now),
        (_, Answer::Done | Answer::WasThere | Answer::Words(_) | Answer::Deferred(_)) => {
            match idle(operation, call) {
                Some(failure) => fell_short(observed, operation, call, &failure, now),
                None => succeeded(operation, call),
            }
        }
        (Call::Pull(_), Answer::Refused(failure) | Answer::Failed(failure)) => {
            fell_short(observed, operation, call, failure, now)
        }
        (_, Answer::Refused(failure)) => failed(operation, call, failure, true, now),
        (_, Answer::Failed(failure)) => failed(operation, call, failure, false, now),
    };
    record.operation = Some(operation);
    Some(record)
}

/// What the engine does not remove is left for a while: somebody uses it whom
/// the observation did not show, or the engine says so and does nothing.
fn removed(record: &mut Record, reference: &str, answer: &Answer, now: Timestamp) {
    let repeated = record.collected.as_deref() == Some(reference);
    if matches!(answer, Answer::Refused(_) | Answer::Failed(_)) || repeated {
        record.collected = None;
        record.collect_after = Some(now + COLLECT_PAUSE);
        return;
    }
    record.collected = Some(reference.to_owned());
    record.collect_after = None;
    if let Some(operation) = &mut record.operation {
        operation.shortage.freed = true;
    }
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
        Call::Pull(image) => pulls::failed(observed, operation, image, failure, now),
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
        // What does not start beside the old one goes back as it would in its place.
        Stage::Create if failed.is_proving_beside() => match given_up {
            true => proof_failed(&failed, failure, now),
            false => failed,
        },
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

/// The first that could not be begun: those before it have begun, and may be good.
fn proof_failed(operation: &Operation, failure: &Failure, now: Timestamp) -> Operation {
    let is_at_fault = |unit: &Unit| unit.is_unready() && unit.began.is_none();
    let unit = operation.units.iter().position(is_at_fault);
    let unit = unit.unwrap_or(operation.units.len());
    taken_back(operation, unit, failure.clone(), now)
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

/// Doubles with each try; `spread` (0 to 1) takes away up to half.
fn backoff(first: Duration, tries: u32, spread: f64) -> Duration {
    let doubled = first
        .saturating_mul(1 << tries.saturating_sub(1).min(6))
        .min(PAUSE_LIMIT);
    doubled.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0)
}
