//! Takes back one that was replaced start-first, the same way round: the old
//! one runs before the next one stops, for as long as that one serves.
//!
//! ```text
//!   (next is .failed ─▶ make old again) ─▶ start old ─▶ healthy ─▶ next is .failed ─▶ old has the name
//!     ─▶ fence next ─▶ old has its policy ─▶ switch back ─▶ drain ─▶ (as in every way back) stop next
//! ```
//!
//! The names first: whichever of them an engine that restarts would start
//! meanwhile, it answers to the name.

use pinion_model::Timestamp;

use crate::health::{Terms, is_good, regression};
use crate::names::{Part, part_name};
use crate::{Call, Container, Operation, Step, Unit};

use super::beside::{begin, fence, give_policy, rename};
use super::roll_back::{self, RESTART_LIMIT, the_old};
use super::{View, remake, switch};

/// What is due before the next one stops; none where they have changed places,
/// or one has to stop before the other can start.
pub(super) fn next(view: View<'_>, index: usize) -> Option<Step> {
    let unit = &view.operation.units[index];
    let next = view.machine.next_of(view.operation, &unit.old.id);
    let has_words = unit.culprit && !unit.words && next.is_some();
    if !unit.beside || !unit.old.running || has_words {
        return None;
    }
    let serving = next.filter(|next| next.is_up());
    if let Some(step) = serving.and_then(|next| exchange(view, index, next)) {
        return Some(step);
    }
    let old = the_old(view, unit)?;
    if !old.is_up() {
        let is_gone = unit.restored.is_some() && give_policy(unit, old).is_some();
        return is_gone.then(|| restored(view, index, None));
    }
    if switch::is_stuck(view, unit, old) {
        let why = format!(
            "the switch hook of {:?} did not point the proxy back, so the failed container was left running beside the old one",
            unit.name
        );
        return Some(roll_back::lose(view, index, why));
    }
    switch::to_old(view, index, old)
}

/// None: the engine restarted before the old one had its policy again, so it
/// is to be started once more.
fn restored(view: View<'_>, index: usize, when: Option<Timestamp>) -> Step {
    let mut operation: Operation = view.operation.clone();
    operation.units[index].restored = when;
    view.write(operation)
}

fn exchange(view: View<'_>, index: usize, next: &Container) -> Option<Step> {
    let unit = &view.operation.units[index];
    let aside = part_name(&unit.name, Part::Failed, &view.operation.id);
    let step_aside = || rename(next, &aside).filter(|_| next.name == unit.name);
    let Some(old) = the_old(view, unit) else {
        // Without a journal, only its name tells that it is taken back.
        return match step_aside() {
            Some(call) => Some(take(view, index, call)),
            None => Some(remake::next(view, index, unit)),
        };
    };
    if let Some(step) = run(view, index, old).or_else(|| wait_for(view, unit, old, next)) {
        return Some(step);
    }
    let names = (step_aside(), rename(old, &unit.name));
    let policies = (fence(next), give_policy(unit, old));
    let mut due = [names, policies].into_iter();
    due.find_map(|(taken, given)| match taken {
        Some(call) => Some(take(view, index, call)),
        None => given.and_then(|call| view.unless_skipped(call)),
    })
}

/// What cannot be taken from the next one is not given to the old one.
fn take(view: View<'_>, index: usize, call: Call) -> Step {
    let key = call.key();
    view.unless_skipped(call).unwrap_or_else(|| {
        let name = &view.operation.units[index].name;
        let why = format!(
            "the failed container of {name:?} was left running beside the old one: could not {key}"
        );
        roll_back::lose(view, index, why)
    })
}

/// One that does not start any more is no reason to stop what runs.
fn run(view: View<'_>, index: usize, old: &Container) -> Option<Step> {
    let unit = &view.operation.units[index];
    if old.is_up() {
        let is_new = unit.restored.is_none();
        return is_new.then(|| restored(view, index, Some(view.now)));
    }
    let due = (unit.restarts < RESTART_LIMIT).then(|| begin(old));
    let step = due.and_then(|call| view.unless_skipped(call));
    Some(step.unwrap_or_else(|| {
        let why = format!(
            "the old container {:?} does not start any more, so what failed was left in its place",
            unit.name
        );
        roll_back::lose(view, index, why)
    }))
}

/// Only while the next one serves is it worth waiting for the old one.
fn wait_for(view: View<'_>, unit: &Unit, old: &Container, next: &Container) -> Option<Step> {
    if is_good(old) || !is_good(next) || regression(&unit.name, old, false).is_some() {
        return None;
    }
    let terms = Terms::of(&view.operation.assignment, Some(old), false);
    let until = unit.restored.unwrap_or(view.now) + terms.deadline;
    (view.now < until).then_some(Step::Rest {
        wake_at: Some(until),
    })
}
