//! Puts the next containers in their place, one after the other.
//!
//! ```text
//!   fence old ─▶ stop old ─▶ old is .prev ─▶ next has the name ─▶ start ─▶ proven
//! ```
//!
//! Which of these is due is read from the engine, so each may be done twice.

use pinion_model::{Failure, FailureKind};

use crate::health::{Terms, Verdict, is_good, judge};
use crate::names::{Part, part_name};
use crate::{Call, Container, ContainerState, Operation, Stage, Step, Unit};

use super::{View, soak};

pub(super) fn next(view: View<'_>) -> Step {
    let due = view
        .operation
        .units
        .iter()
        .enumerate()
        .find(|(_, unit)| !unit.proven);
    let Some((index, unit)) = due else {
        let operation = view.operation.clone();
        if !operation.has_run() {
            return view.write(operation.at(Stage::Settle, view.now));
        }
        return view.write(Operation {
            waiting_for: soak::remark(view).to_owned(),
            ..operation.at(Stage::Soak, view.now)
        });
    };
    let Some(next) = view.machine.next_of(view.operation, &unit.old.id) else {
        let name = &unit.name;
        let failure = Failure::new(
            FailureKind::Health,
            format!("the next container of {name:?} was removed by somebody else"),
        );
        return view.take_back(index, failure);
    };
    let old = view.machine.by_id(&unit.old.id);
    if let Some(call) = old.and_then(|old| put_aside(view, unit, old)) {
        return Step::Call(call);
    }
    if next.name != unit.name {
        return Step::Call(Call::Rename {
            id: next.id.clone(),
            name: unit.name.clone(),
        });
    }
    if !unit.old.running {
        return prove(view, index);
    }
    if next.state == ContainerState::Created {
        return Step::Call(Call::Start(next.id.clone()));
    }
    verify(view, index, next)
}

/// First the fence: an engine that restarts must never start both.
fn put_aside(view: View<'_>, unit: &Unit, old: &Container) -> Option<Call> {
    let id = old.id.clone();
    let name = part_name(&unit.name, Part::Prev, &view.operation.id);
    if old.restart_policy != "no" && !old.restart_policy.is_empty() {
        Some(Call::SetRestartPolicy {
            id,
            policy: "no".to_owned(),
            retries: 0,
        })
    } else if old.is_up() {
        Some(Call::Stop {
            id,
            grace: unit.old.grace,
        })
    } else if old.name != name {
        Some(Call::Rename { id, name })
    } else {
        None
    }
}

/// Judges a next one that was started.
pub(super) fn verify(view: View<'_>, index: usize, next: &Container) -> Step {
    let unit = &view.operation.units[index];
    let mut operation = view.operation.clone();
    let Some(began) = unit.began else {
        operation.units[index].began = Some(view.now);
        return view.write(operation);
    };
    let terms = Terms::of(&operation.assignment, Some(next), true);
    match judge(
        &unit.name,
        Some(next),
        unit.healthy.as_ref(),
        began,
        terms,
        view.now,
    ) {
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
        Verdict::Undecided(_) if unit.healthy.is_some() && !is_good(next) => {
            operation.units[index].healthy = None;
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

fn prove(view: View<'_>, index: usize) -> Step {
    let mut operation: Operation = view.operation.clone();
    operation.units[index].proven = true;
    operation.tries = 0;
    view.write(operation)
}
