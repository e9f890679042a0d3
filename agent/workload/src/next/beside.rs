//! Replaces a container start-first: the next one runs and is proven beside
//! the old one, and only then do they change places. Both are never such that
//! an engine's restart would start them.
//!
//! ```text
//!   next may not restart ─▶ start next ─▶ proven beside old          (until here old was not touched)
//!     ─▶ fence old ─▶ next has its policy ─▶ old is .prev ─▶ next has the name ─▶ stop old
//! ```
//!
//! And back within the soak, the same way round:
//!
//! ```text
//!   start old ─▶ healthy ─▶ fence next ─▶ old has its policy ─▶ next is .failed ─▶ old has the name
//!     ─▶ (as in every way back) stop next
//! ```

use crate::health::{Terms, is_good, regression};
use crate::names::{Part, part_name};
use crate::{Call, Container, ContainerState, Operation, Step, Unit};

use super::{View, cut, roll_back};

/// What is due for a unit that is replaced so, until it is proven.
pub(super) fn next(view: View<'_>, index: usize, next: &Container) -> Step {
    let unit = &view.operation.units[index];
    if next.state == ContainerState::Created {
        return Step::Call(begin(next));
    }
    if !unit.ready {
        return cut::verify(view, index, next);
    }
    let Some(call) = exchange(view, unit, next) else {
        return cut::prove(view, index);
    };
    match regression(&unit.name, next, true) {
        Some(failure) => view.take_back(index, failure),
        None => Step::Call(call),
    }
}

/// An engine that restarts starts the old one, and that one alone.
fn begin(next: &Container) -> Call {
    match fence(next) {
        Some(fence) => fence,
        None => Call::Start(next.id.clone()),
    }
}

fn exchange(view: View<'_>, unit: &Unit, next: &Container) -> Option<Call> {
    let old = view.machine.by_id(&unit.old.id);
    let aside = part_name(&unit.name, Part::Prev, &view.operation.id);
    old.and_then(fence)
        .or_else(|| give_policy(unit, next))
        .or_else(|| old.and_then(|old| rename(old, &aside)))
        .or_else(|| rename(next, &unit.name))
        .or_else(|| {
            old.filter(|old| old.is_up()).map(|old| Call::Stop {
                id: old.id.clone(),
                grace: unit.old.grace,
            })
        })
}

/// On the way back: whether the old one is to run before the next one stops,
/// and what is due until then. None where they have changed places, or there
/// is nothing to wait for: then one stops before the other starts.
pub(super) fn back(view: View<'_>, index: usize) -> Option<Step> {
    let unit = &view.operation.units[index];
    let next = view.machine.next_of(view.operation, &unit.old.id)?;
    let old = view.machine.by_id(&unit.old.id)?;
    if !unit.beside || !unit.old.running || !next.is_up() || (unit.culprit && !unit.words) {
        return None;
    }
    if !old.is_up() {
        let goes = unit.restarts < roll_back::RESTART_LIMIT;
        return goes.then(|| Step::Call(Call::Start(old.id.clone())));
    }
    if unit.restored.is_none() {
        let mut operation: Operation = view.operation.clone();
        operation.units[index].restored = Some(view.now);
        return Some(view.write(operation));
    }
    if let Some(step) = wait_for(view, unit, old, next) {
        return Some(step);
    }
    let aside = part_name(&unit.name, Part::Failed, &view.operation.id);
    let due = [
        fence(next),
        give_policy(unit, old),
        rename(next, &aside).filter(|_| next.name == unit.name),
        rename(old, &unit.name),
    ];
    due.into_iter()
        .flatten()
        .find_map(|call| view.unless_skipped(call))
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

fn fence(container: &Container) -> Option<Call> {
    let starts = container.restart_policy != "no" && !container.restart_policy.is_empty();
    starts.then(|| Call::SetRestartPolicy {
        id: container.id.clone(),
        policy: "no".to_owned(),
        retries: 0,
    })
}

fn give_policy(unit: &Unit, container: &Container) -> Option<Call> {
    let lacks = !roll_back::has_its_policy(unit, container);
    lacks.then(|| Call::SetRestartPolicy {
        id: container.id.clone(),
        policy: unit.old.restart_policy.clone(),
        retries: unit.old.restart_retries,
    })
}

fn rename(container: &Container, name: &str) -> Option<Call> {
    (container.name != name).then(|| Call::Rename {
        id: container.id.clone(),
        name: name.to_owned(),
    })
}
