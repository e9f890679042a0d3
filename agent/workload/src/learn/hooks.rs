//! What a hook's answer means.

use std::time::Duration;

use pinion_model::{Failure, FailureKind, Holder, Timestamp};

use crate::next::taken_back;
use crate::{Answer, Call, Hook, HookPoint, Operation, Stage, Switch, Unit};

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
        HookPoint::Switch => switched(operation, hook, answer, now),
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

/// The proxy points there now. Where it cannot be pointed at the next one all
/// go back; at the old one, it is tried again.
fn switched(operation: &Operation, hook: &Hook, answer: &Answer, now: Timestamp) -> Operation {
    let is_back = operation.stage == Stage::RollBack;
    let failure = match answer {
        Answer::Done | Answer::WasThere | Answer::Made { .. } | Answer::Words(_) => {
            let mut heard = operation.clone();
            (heard.tries, heard.retry_at) = (0, None);
            let to = if is_back {
                Switch::Old(now)
            } else {
                Switch::Next(now)
            };
            let units = heard.units.iter_mut().filter(|unit| unit.name == hook.name);
            units.for_each(|unit| unit.switch = Some(to));
            return heard;
        }
        Answer::Deferred(holder) => not_now(hook, holder),
        Answer::Refused(failure) | Answer::Failed(failure) => failure.clone(),
    };
    match is_back {
        true => super::failed(operation, &Call::Hook(hook.clone()), &failure, false, now),
        false => taken_back(operation, place(operation, hook), failure, now),
    }
}

/// It is content, or all go back: there is no later for what was started.
fn after(operation: &Operation, hook: &Hook, answer: &Answer, now: Timestamp) -> Operation {
    let index = place(operation, hook);
    match answer {
        Answer::Done | Answer::WasThere | Answer::Made { .. } | Answer::Words(_) => {
            let mut heard = operation.clone();
            if let Some(unit) = heard.units.get_mut(index) {
                unit.welcomed = true;
            }
            heard
        }
        Answer::Deferred(holder) => taken_back(operation, index, not_now(hook, holder), now),
        Answer::Refused(failure) | Answer::Failed(failure) => {
            taken_back(operation, index, failure.clone(), now)
        }
    }
}

fn place(operation: &Operation, hook: &Hook) -> usize {
    let mut units = operation.units.iter();
    units
        .position(|unit| unit.name == hook.name)
        .unwrap_or(operation.units.len())
}

fn not_now(hook: &Hook, holder: &Holder) -> Failure {
    let message = format!(
        "the {} hook of {:?} answered 75 (not now), which it cannot: {}",
        hook.point.word(),
        hook.name,
        holder.reason
    );
    Failure::new(FailureKind::Start, message)
}
