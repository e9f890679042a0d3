//! What a hook's answer means.

use std::time::Duration;

use pinion_model::{Failure, FailureKind, Timestamp};

use crate::next::taken_back;
use crate::{Answer, Hook, HookPoint, Operation, Stage, Unit};

/// Before a hook that put a cut-over off is asked again.
const HOOK_PAUSE: Duration = Duration::from_secs(15);

pub(super) fn heard(
    operation: &Operation,
    hook: &Hook,
    answer: &Answer,
    now: Timestamp,
) -> Operation {
    match hook.point {
        HookPoint::PreCut => before(operation, hook, answer, now),
        HookPoint::PostStart => after(operation, hook, answer, now),
    }
}

/// It lets the container go, puts it off, or is against it. One that is forced
/// is not put off any more.
fn before(operation: &Operation, hook: &Hook, answer: &Answer, now: Timestamp) -> Operation {
    let mut heard = operation.clone();
    match answer {
        Answer::Deferred(holder) if !operation.gate.forced => {
            heard.gate.hook = Some((holder.clone(), now + HOOK_PAUSE));
        }
        Answer::Done
        | Answer::WasThere
        | Answer::Made { .. }
        | Answer::Words(_)
        | Answer::Deferred(_) => {
            heard.gate.hook = None;
            let of_hook = |unit: &&mut Unit| unit.old.id == hook.container;
            heard
                .units
                .iter_mut()
                .filter(of_hook)
                .for_each(|unit| unit.let_go = true);
        }
        Answer::Refused(failure) | Answer::Failed(failure) => {
            heard = heard.at(Stage::Abandon { withdrawn: false }, now);
            heard.failure = Some(failure.clone());
        }
    }
    heard
}

/// It is content, or all go back: there is no later for what was started.
fn after(operation: &Operation, hook: &Hook, answer: &Answer, now: Timestamp) -> Operation {
    let mut of_hook = operation.units.iter();
    let index = of_hook
        .position(|unit| unit.name == hook.name)
        .unwrap_or(operation.units.len());
    match answer {
        Answer::Done | Answer::WasThere | Answer::Made { .. } | Answer::Words(_) => {
            let mut heard = operation.clone();
            if let Some(unit) = heard.units.get_mut(index) {
                unit.welcomed = true;
            }
            heard
        }
        Answer::Deferred(holder) => {
            let message = format!(
                "the post-start hook of {:?} answered 75 (not now), which it cannot: {}",
                hook.name, holder.reason
            );
            taken_back(
                operation,
                index,
                Failure::new(FailureKind::Start, message),
                now,
            )
        }
        Answer::Refused(failure) | Answer::Failed(failure) => {
            taken_back(operation, index, failure.clone(), now)
        }
    }
}
