//! Puts the next containers in their place, group by group.
//!
//! ```text
//!   fence old ─▶ stop old ─▶ old is .prev ─▶ next has the name ─▶ start ─▶ proven
//!   └── who depends first ──┘                └───── who depends last ────┘
//! ```
//!
//! Which of these is due is read from the engine, so each may be done twice.
//! What is due from the stop to the first start is read before the stop, and is
//! a row: in it nobody serves.

use pinion_model::{Failure, FailureKind};

use crate::health::{Terms, Verdict, Watched, judge, regression};
use crate::names::{Part, part_name};
use crate::{Call, Container, ContainerState, Operation, Stage, Step, Unit};

use super::{View, beside, in_use, left_behind};

pub(super) fn next(view: View<'_>) -> Step {
    let due = view.operation.units.iter().find(|unit| !unit.proven);
    match due {
        Some(unit) => cut_over(view, &view.operation.members(unit.group)),
        None => all_proven(view),
    }
}

fn all_proven(view: View<'_>) -> Step {
    let operation = view.operation.clone();
    if !operation.units.iter().any(|unit| unit.old.running) {
        return view.write(operation.at(Stage::Settle, view.now));
    }
    view.write(Operation {
        waiting_for: left_behind::remark(&operation.units).unwrap_or_default(),
        ..operation.at(Stage::Soak, view.now)
    })
}

/// A unit and its place among all.
type Member<'a> = (usize, &'a Unit);

/// Who depends on another stops before it and starts after it.
fn cut_over(view: View<'_>, members: &[Member<'_>]) -> Step {
    let gone = |unit: &Unit| view.machine.next_of(view.operation, &unit.old.id).is_none();
    if let Some((index, unit)) = members.iter().find(|(_, unit)| gone(unit)) {
        let name = &unit.name;
        let failure = Failure::new(
            FailureKind::Health,
            format!("the next container of {name:?} was removed by somebody else"),
        );
        return view.take_back(*index, failure);
    }
    if let Some(step) = in_use::hold_back(view, members) {
        return step;
    }
    if let [(index, unit)] = members
        && unit.beside
        && let Some(next) = view.machine.next_of(view.operation, &unit.old.id)
    {
        return beside::cut_over(view, *index, next);
    }
    let start = members
        .iter()
        .find_map(|(index, unit)| start(view, *index, unit));
    let calls = take_places(view, members);
    match (calls.first(), start) {
        (Some(Call::Stop { .. }), Some(Step::Call(start))) if may_be_a_row(view, members) => {
            Step::Row(calls.into_iter().chain([start]).collect())
        }
        (Some(first), _) => Step::Call(first.clone()),
        (None, Some(step)) => step,
        (None, None) => watch(view, members),
    }
}

/// All that is due until the next ones have their names and nobody runs. First
/// the fences: an engine that restarts must never start both.
fn take_places(view: View<'_>, members: &[Member<'_>]) -> Vec<Call> {
    let last_first = || members.iter().rev();
    let fences = last_first().filter_map(|(_, unit)| fence_old(view, unit));
    let stops = last_first().filter_map(|(_, unit)| stop_old(view, unit));
    let names = members.iter().flat_map(|(_, unit)| exchange(view, unit));
    fences.chain(stops).chain(names.flatten()).collect()
}

/// Nobody is left out because of one look that showed it as stopped, and one of
/// `--rm`, which goes by itself at some time after its stop, is waited for.
fn may_be_a_row(view: View<'_>, members: &[Member<'_>]) -> bool {
    let stays_and_runs = |old: &Container| old.is_up() && !old.auto_remove;
    members.iter().all(|(_, unit)| {
        let old = view.machine.by_id(&unit.old.id);
        old.is_some_and(stays_and_runs) || !unit.old.running
    })
}

fn fence_old(view: View<'_>, unit: &Unit) -> Option<Call> {
    let old = view.machine.by_id(&unit.old.id)?;
    has_policy(unit, old).then(|| beside::take_policy(old))
}

fn stop_old(view: View<'_>, unit: &Unit) -> Option<Call> {
    let old = view.machine.by_id(&unit.old.id)?;
    old.is_up().then(|| Call::Stop {
        id: old.id.clone(),
        grace: unit.old.grace,
    })
}

/// The name changes hands while both are stopped.
fn exchange(view: View<'_>, unit: &Unit) -> [Option<Call>; 2] {
    let aside = part_name(&unit.name, Part::Prev, &view.operation.id);
    let old = view.machine.by_id(&unit.old.id);
    let next = view.machine.next_of(view.operation, &unit.old.id);
    [
        old.and_then(|old| beside::rename(old, &aside)),
        next.and_then(|next| beside::rename(next, &unit.name)),
    ]
}

/// The one after it is started only where this one did not fail at once.
fn start(view: View<'_>, index: usize, unit: &Unit) -> Option<Step> {
    let next = view.machine.next_of(view.operation, &unit.old.id)?;
    if !unit.old.running {
        return None;
    }
    if next.state == ContainerState::Created {
        return Some(Step::Call(Call::Start(next.id.clone())));
    }
    regression(&unit.name, next, true).map(|failure| view.take_back(index, failure))
}

/// All are watched at once: what is due for one of them, else the first instant.
fn watch(view: View<'_>, members: &[Member<'_>]) -> Step {
    let mut first = None;
    for (index, unit) in members.iter().filter(|(_, unit)| !unit.proven) {
        let Some(next) = view.machine.next_of(view.operation, &unit.old.id) else {
            continue;
        };
        let step = match unit.old.running {
            true => verify(view, *index, next),
            false => prove(view, *index),
        };
        match step {
            Step::Rest { wake_at } => first = first.into_iter().chain(wake_at).min(),
            step => return step,
        }
    }
    Step::Rest { wake_at: first }
}

/// One that the engine could not inspect has the policy that it had, as far as
/// anybody knows.
fn has_policy(unit: &Unit, old: &Container) -> bool {
    let is_none = |policy: &str| matches!(policy, "" | "no");
    match old.restart_policy.as_str() {
        "" => !is_none(&unit.old.restart_policy),
        policy => !is_none(policy),
    }
}

/// Judges a next one that was started.
pub(super) fn verify(view: View<'_>, index: usize, next: &Container) -> Step {
    let unit = &view.operation.units[index];
    let mut operation = view.operation.clone();
    if next.state == ContainerState::Interrupted {
        // Its policy keeps the engine from it, and it has not failed: it is
        // started, and watched anew.
        if unit.began.is_none() {
            return Step::Call(beside::start_again(view, unit, next));
        }
        let again = &mut operation.units[index];
        (again.began, again.healthy) = (None, None);
        return view.write(operation);
    }
    let Some(began) = unit.began else {
        operation.units[index].began = Some(view.now);
        return view.write(operation);
    };
    if let Some(step) = in_use::welcome(view, unit, next) {
        return step;
    }
    let terms = Terms::of(&operation.assignment, Some(next), true);
    let watched = Watched {
        name: &unit.name,
        container: Some(next),
        beat: view.observed.probes.beat(next),
    };
    match judge(&watched, unit.healthy.as_ref(), began, terms, view.now) {
        Verdict::Proven if view.observed.itself.awaits_confirmation(&operation.id) => {
            let end = began + terms.deadline;
            match view.now < end {
                true => Step::Rest { wake_at: Some(end) },
                false => view.take_back(index, unconfirmed(&unit.name)),
            }
        }
        Verdict::Proven => prove(view, index),
        Verdict::Begins(streak) => {
            operation.units[index].healthy = Some(streak);
            view.write(operation)
        }
        Verdict::Breaks => {
            let broken = &mut operation.units[index];
            broken.healthy = None;
            // Its proof beside the old one may be long ago.
            if broken.ready.is_some_and(|ready| began <= ready) {
                broken.began = Some(view.now);
            }
            view.write(operation)
        }
        Verdict::Undecided(at) => Step::Rest { wake_at: Some(at) },
        Verdict::Failed(failure) => view.take_back(index, failure),
    }
}

fn unconfirmed(name: &str) -> Failure {
    let message = format!(
        "the agent in container {name:?} runs, and did not confirm that it has its session with the coordinator"
    );
    Failure::new(FailureKind::Indeterminate, message)
}

/// Beside the old one, it is proven that this one may stop.
fn prove(view: View<'_>, index: usize) -> Step {
    let mut operation: Operation = view.operation.clone();
    let unit = &mut operation.units[index];
    match unit.is_unready() {
        true => unit.ready = Some(view.now),
        false => unit.proven = true,
    }
    operation.tries = 0;
    view.write(operation)
}
