//! Puts the old containers back, the last group first; within a group all that
//! failed is taken away, who depends first, before the old ones start, who
//! depends last. Never needs the registry, and never goes forward again.
//!
//! ```text
//!   last words ─▶ fence next ─▶ stop next ─▶ next is .failed ─▶ old has the name
//!     ─▶ its policy ─▶ start ─▶ healthy again ─▶ remove next
//! ```
//!
//! An old one that is gone is made again, on its image that is still here, and
//! goes on from there as if it had been kept.

use std::collections::BTreeSet;

use pinion_model::{AgentPhase, Failure, FailureKind, ImageRef};

use crate::health::{Terms, Verdict, Watched, judge};
use crate::names::{Part, part_name};
use crate::probe::Beat;
use crate::{Call, Container, ContainerState, Operation, Record, Step, Unit};

use super::{View, abandon, beside, change_back, finish, remake};

/// How often an old container is started until it is given up.
pub(super) const RESTART_LIMIT: u32 = 4;

pub(super) fn next(view: View<'_>) -> Step {
    if view.operation.untouched {
        return abandon::back(view);
    }
    let units = || view.operation.units.iter().enumerate().rev();
    let groups: BTreeSet<_> = units().map(|(_, unit)| unit.group).collect();
    let mut groups = groups.into_iter().rev();
    let step = groups.find_map(|group| put_back(view, &view.operation.members(group)));
    let step = step.or_else(|| units().find_map(|(index, unit)| verify(view, index, unit)));
    let step = step.or_else(|| {
        view.operation
            .units
            .iter()
            .find_map(|unit| remove_next(view, unit))
    });
    step.unwrap_or_else(|| close(view))
}

fn put_back(view: View<'_>, members: &[(usize, &Unit)]) -> Option<Step> {
    let due = || members.iter().filter(|(_, unit)| !unit.back && !unit.lost);
    // Without one to go back to, a bad one in its place is better than none.
    let hopeless = |(index, unit): &(usize, &Unit)| {
        let gone = the_old(view, unit).is_none();
        gone.then(|| Some((*index, remake::hopeless(view, unit)?)))?
    };
    if let Some((index, why)) = due().find_map(hopeless) {
        return Some(lose(view, index, why));
    }
    if let Some(step) = due().find_map(|(index, _)| change_back::next(view, *index)) {
        return Some(step);
    }
    let taken_away = due().rev().find_map(|(index, unit)| {
        let next = view.machine.next_of(view.operation, &unit.old.id)?;
        take_away(view, *index, unit, next)
    });
    taken_away.or_else(|| due().find_map(|(index, unit)| restore_old(view, *index, unit)))
}

fn restore_old(view: View<'_>, index: usize, unit: &Unit) -> Option<Step> {
    match the_old(view, unit) {
        Some(old) => restore(view, index, unit, old),
        None => Some(remake::next(view, index, unit)),
    }
}

/// The old one, or the one that was made again of it.
pub(super) fn the_old<'a>(view: View<'a>, unit: &Unit) -> Option<&'a Container> {
    let id = unit.remade.as_ref().unwrap_or(&unit.old.id);
    view.machine.by_id(id)
}

fn take_away(view: View<'_>, index: usize, unit: &Unit, next: &Container) -> Option<Step> {
    let id = next.id.clone();
    if unit.culprit && !unit.words {
        return Some(Step::Call(Call::LastWords(id)));
    }
    let has_run = next.state != ContainerState::Created;
    let fence = beside::fence(next).filter(|_| has_run);
    // Shown as stopped by one wrong answer, it would run beside the old one.
    let stop = Call::Stop {
        id: id.clone(),
        grace: next.stop_timeout,
    };
    let may_run = has_run && next.name == unit.name && !view.was_done(&stop);
    let stop = (next.is_up() || may_run).then_some(stop);
    let name = part_name(&unit.name, Part::Failed, &view.operation.id);
    let rename = (next.name == unit.name).then_some(Call::Rename { id, name });
    let calls = match the_old(view, unit) {
        Some(_) => [fence, stop, rename],
        // Without a journal, only its name tells that it is taken back.
        None => [rename, fence, stop],
    };
    let call = calls.into_iter().flatten().next()?;
    let step = view.unless_skipped(call.clone());
    // Both would run at once, or both have one name.
    Some(step.unwrap_or_else(|| {
        let why = format!(
            "the failed container of {:?} is in the way: could not {}",
            unit.name,
            call.key()
        );
        lose(view, index, why)
    }))
}

fn restore(view: View<'_>, index: usize, unit: &Unit, old: &Container) -> Option<Step> {
    let id = old.id.clone();
    let rename = (old.name != unit.name).then(|| Call::Rename {
        id: id.clone(),
        name: unit.name.clone(),
    });
    let policy = (!has_its_policy(unit, old)).then(|| Call::SetRestartPolicy {
        id: id.clone(),
        policy: unit.old.restart_policy.clone(),
        retries: unit.old.restart_retries,
    });
    let due = [rename, policy]
        .into_iter()
        .flatten()
        .find_map(|call| view.unless_skipped(call));
    if due.is_some() || !unit.old.running || unit.restored.is_some() {
        return due;
    }
    if old.is_up() {
        let mut operation = view.operation.clone();
        operation.units[index].restored = Some(view.now);
        return Some(view.write(operation));
    }
    if unit.restarts >= RESTART_LIMIT {
        return Some(lose(
            view,
            index,
            format!("the old container {:?} does not start any more", unit.name),
        ));
    }
    Some(Step::Call(Call::Start(id)))
}

/// Whether an engine's restart does with it what it did before.
pub(super) fn has_its_policy(unit: &Unit, old: &Container) -> bool {
    let named = |policy: &str| match policy {
        "" => "no".to_owned(),
        policy => policy.to_owned(),
    };
    let policy = named(&unit.old.restart_policy);
    named(&old.restart_policy) == policy
        && (policy != "on-failure" || old.restart_retries == unit.old.restart_retries)
}

/// The old one must be as well as it was, not better.
fn verify(view: View<'_>, index: usize, unit: &Unit) -> Option<Step> {
    if unit.back || unit.lost {
        return None;
    }
    let old = the_old(view, unit);
    if old.is_some_and(|old| old.name != unit.name) {
        return Some(lose(
            view,
            index,
            format!("the name {:?} could not be given back", unit.name),
        ));
    }
    if old.is_some_and(|old| !has_its_policy(unit, old)) {
        let why = format!(
            "the restart policy {:?} of {:?} could not be given back, so it will not come back with the machine",
            unit.old.restart_policy, unit.name
        );
        return Some(lose(view, index, why));
    }
    let mut operation = view.operation.clone();
    if !unit.old.well {
        operation.units[index].back = true;
        return Some(view.write(operation));
    }
    if old.is_some_and(|old| old.state == ContainerState::Interrupted) {
        let again = &mut operation.units[index];
        (again.restored, again.old_healthy) = (None, None);
        // It did start.
        again.restarts = 0;
        return Some(view.write(operation));
    }
    let began = unit.restored.unwrap_or(view.operation.since);
    let terms = Terms::of(&operation.assignment, old, false);
    let watched = Watched {
        name: &unit.name,
        container: old,
        // It must be as well as it was, and its probe was not asked before.
        beat: Beat::NoProbe,
    };
    match judge(&watched, unit.old_healthy.as_ref(), began, terms, view.now) {
        Verdict::Proven => operation.units[index].back = true,
        Verdict::Begins(streak) => operation.units[index].old_healthy = Some(streak),
        Verdict::Breaks => operation.units[index].old_healthy = None,
        Verdict::Undecided(at) => return Some(Step::Rest { wake_at: Some(at) }),
        // It is no worse than it was: what ended it may have been the engine's own end.
        Verdict::Failed(_) if has_ended(old) && unit.restarts < RESTART_LIMIT => {
            let again = &mut operation.units[index];
            (again.restored, again.old_healthy) = (None, None);
        }
        Verdict::Failed(failure) => return Some(lose(view, index, failure.message)),
    }
    Some(view.write(operation))
}

fn has_ended(old: Option<&Container>) -> bool {
    old.is_some_and(|old| old.state == ContainerState::Exited)
}

/// Gives up on a unit, and says so in the failure that is reported.
pub(super) fn lose(view: View<'_>, index: usize, why: String) -> Step {
    let mut operation: Operation = view.operation.clone();
    operation.units[index].lost = true;
    operation.tries = 0;
    let failure = operation
        .failure
        .take()
        .unwrap_or_else(|| Failure::new(FailureKind::Internal, "it was taken back"));
    let message = format!(
        "{}. Going back failed too: {why}. A person must look at this machine",
        failure.message
    );
    operation.failure = Some(Failure::new(failure.kind, message).with_log(failure.log_tail));
    view.write(operation)
}

/// Only where the old one is back: what is left of a lost one is for a person.
fn remove_next(view: View<'_>, unit: &Unit) -> Option<Step> {
    let next = view
        .machine
        .next_of(view.operation, &unit.old.id)
        .filter(|_| unit.back)?;
    view.unless_skipped(Call::Remove(next.id.clone()))
}

fn close(view: View<'_>) -> Step {
    let units = &view.operation.units;
    let phase = if units.iter().any(|u| u.lost) {
        AgentPhase::RollbackFailed
    } else {
        AgentPhase::RolledBack
    };
    let running = units
        .iter()
        .find(|u| u.old.running && !u.own_image && stands(view, u))
        .and_then(|u| u.old.digest.clone());
    let mut record = view.observed.record.clone();
    for unit in units.iter().filter(|u| u.back && u.old.well) {
        if let Some(digest) = &unit.old.digest {
            record.clear_failures(digest);
        }
        if let Some(image) = image_of(view, unit) {
            know_good(&mut record, image);
        }
    }
    finish::close(view, phase, running, record)
}

/// The old one runs, though it may not be all that it was.
fn stands(view: View<'_>, unit: &Unit) -> bool {
    let old = the_old(view, unit);
    unit.back || old.is_some_and(|old| old.is_up() && old.name == unit.name)
}

fn image_of(view: View<'_>, unit: &Unit) -> Option<ImageRef> {
    let old = the_old(view, unit)?;
    old.repo_digests
        .iter()
        .find(|image| Some(&image.digest) == unit.old.digest.as_ref())
        .cloned()
}

/// It was just observed healthy again, so its digest needs no second proof.
fn know_good(record: &mut Record, image: ImageRef) {
    if !record.is_proven(&image.digest) {
        record.proven.insert(0, image);
        record.proven.truncate(Record::PROVEN_LIMIT);
    }
}
