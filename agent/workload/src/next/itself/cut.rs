//! From one program to the other.

use std::time::Duration;

use pinion_model::{Failure, FailureKind};

use crate::itself::replacer_of;
use crate::{
    Call, Candidate, Container, ContainerState, Home, Operation, OwnCall, Slot, Stage, Step, TRIES,
};

use super::super::{ENGINE_PAUSE, View};
use super::judge::judge;

/// However long a container may otherwise take to be healthy.
const REPLACER_LIMIT: Duration = Duration::from_secs(5 * 60);

pub(super) fn next(view: View<'_>) -> Step {
    let itself = view.observed.itself;
    if let Some(verdict) = itself.verdict(&view.operation.id) {
        return judge(view, verdict);
    }
    if let Some(candidate) = tried(view) {
        return confirm(view, candidate);
    }
    match &itself.home {
        Home::Slot(slot) if itself.candidate(&view.operation.id).is_none() => {
            Step::Call(Call::Own(OwnCall::HandOver(candidate(view, slot.other()))))
        }
        // It was handed over: this process is about to leave.
        Home::Slot(_) | Home::Bare | Home::Replacer => pause(view),
        Home::Container(_) => with_replacer(view),
    }
}

/// The candidate of this operation, if it is this very process.
pub(super) fn tried<'a>(view: View<'a>) -> Option<&'a Candidate> {
    let tried = view.observed.itself.tried(view.machine.0)?;
    (tried.op == view.operation.id).then_some(tried)
}

fn pause(view: View<'_>) -> Step {
    Step::Rest {
        wake_at: Some(view.now + ENGINE_PAUSE),
    }
}

fn candidate(view: View<'_>, slot: Slot) -> Candidate {
    Candidate {
        op: view.operation.id.clone(),
        slot,
        tries_left: TRIES,
        crashes: 0,
        deadline: view.operation.assignment.healthy_deadline,
        confirmed: false,
        addresses: Vec::new(),
    }
}

/// This is the new program: it is confirmed once its session has held.
fn confirm(view: View<'_>, candidate: &Candidate) -> Step {
    let mut operation = view.operation.clone();
    let unit = operation.units.first_mut();
    if let Some(unit) = unit.filter(|unit| unit.began.is_none()) {
        unit.began = Some(view.now);
        return view.write(operation);
    }
    if candidate.confirmed {
        operation.units.iter_mut().for_each(|u| u.proven = true);
        return view.write(operation.at(Stage::Soak, view.now));
    }
    let Some(session) = view.observed.itself.session else {
        return pause(view);
    };
    let held = session + view.operation.assignment.min_healthy;
    if view.now < held {
        return Step::Rest {
            wake_at: Some(held),
        };
    }
    Step::Call(Call::Own(OwnCall::Confirm(candidate.op.clone())))
}

/// The old program's container is replaced by another container, which
/// outlives it; until it is stopped, the old one watches.
pub(super) fn with_replacer(view: View<'_>) -> Step {
    let Some(replacer) = replacer_of(view.machine.0, &view.operation.id) else {
        return Step::Call(Call::Own(OwnCall::StartReplacer {
            candidate: candidate(view, Slot::B),
            operation: Box::new(for_replacer(view.operation)),
        }));
    };
    if replacer.restart_count >= TRIES && tried(view).is_none() {
        return view.take_back(0, replacer_fails(replacer));
    }
    match replacer.state {
        ContainerState::Created | ContainerState::Exited | ContainerState::Interrupted => {
            Step::Call(Call::Start(replacer.id.clone()))
        }
        _ => pause(view),
    }
}

/// The same operation as a container's, with all of it still to be done.
fn for_replacer(operation: &Operation) -> Operation {
    let mut operation = operation.clone();
    operation.stage = Stage::Create;
    operation.last_done = None;
    operation.waiting_for = String::new();
    for unit in &mut operation.units {
        unit.made = false;
        unit.began = None;
        unit.proven = false;
    }
    let deadline = &mut operation.assignment.healthy_deadline;
    *deadline = REPLACER_LIMIT.min(*deadline);
    operation
}

fn replacer_fails(replacer: &Container) -> Failure {
    Failure::new(
        FailureKind::Start,
        format!(
            "the next agent's image was to replace this agent's container and ended {} times by itself (container {:?}, last exit code {}); \
             the old agent runs on. Look at its last lines, and roll out another image",
            replacer.restart_count, replacer.name, replacer.exit_code
        ),
    )
}
