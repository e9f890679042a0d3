//! The agent's own program, which is replaced last and alone.
//!
//! ```text
//!   from a slot:      pull ─▶ lay beside ─▶ hand over, leave │ launcher starts it │ confirm ─▶ soak ─▶ keep
//!   in a container:   pull ──────────────▶ start a replacer    │ which replaces it  │ confirm ─▶ soak ─▶ remove it
//!   either way back:  launcher or replacer gives a verdict, and the old program reads it here
//! ```
//!
//! The left side runs in the old program, the right one in the new: what was
//! begun is in the journal, and what became of it in the slots' file.

mod cut;
mod judge;
mod settle;

use pinion_model::{Digest, Failure, FailureKind};

use crate::belongs::{check_replaceable, digest_of, running_digest, runs};
use crate::order;
use crate::{
    Call, Container, Desired, Home, Observed, Operation, OwnCall, Stage, Step, Streak, Unit,
    is_itself,
};

use super::{ENGINE_PAUSE, View, abandon, gate, prefetch, prepare};

/// Whether the workload is the program that asks.
pub(super) fn is_asking(observed: &Observed<'_>) -> bool {
    is_itself(observed.workload) && observed.itself.home != Home::Replacer
}

/// A program in a slot goes on without the engine, once it is handed over.
pub(super) fn needs_no_engine(observed: &Observed<'_>, operation: &Operation) -> bool {
    let is_apart = matches!(operation.stage, Stage::Cut | Stage::Soak | Stage::RollBack);
    is_asking(observed) && is_apart && matches!(observed.itself.home, Home::Slot(_))
}

/// The digest that this very program is of.
pub(super) fn digest(observed: &Observed<'_>) -> Option<Digest> {
    match &observed.itself.home {
        Home::Slot(_) => observed.itself.as_container()?.1,
        Home::Container(id) => {
            let containers = observed.containers.ok()?;
            digest_of(containers.iter().find(|c| c.id == *id)?, None)
        }
        Home::Bare | Home::Replacer => None,
    }
}

/// What the workload runs: its containers or, of the agent itself, else this program.
pub(super) fn running(desired: &Desired, observed: &Observed<'_>) -> Option<Digest> {
    let containers = observed.containers.ok();
    containers
        .and_then(|all| running_digest(observed.workload, all, &desired.catalog))
        .or_else(|| digest(observed).filter(|_| is_asking(observed)))
}

pub(super) fn next(view: View<'_>) -> Step {
    match view.operation.stage {
        Stage::Preflight | Stage::Adopt => preflight(view),
        Stage::Prefetch => prefetch::next(view),
        Stage::Prepare => prepare::next(view),
        Stage::Create => lay(view),
        Stage::Cut => cut::next(view),
        Stage::Soak => settle::soak(view),
        Stage::Settle => settle::next(view),
        Stage::RollBack => settle::back(view),
        Stage::Abandon { withdrawn } => abandon::next(view, withdrawn),
    }
}

fn preflight(view: View<'_>) -> Step {
    let Some(wanted) = view.operation.assignment.digest() else {
        return view.write(view.operation.clone().at(Stage::Prefetch, view.now));
    };
    if let Err(failure) = view.observed.permitted {
        return view.abandon(failure.clone());
    }
    let (unit, is_current) = match &view.observed.itself.home {
        Home::Slot(_) => match view.observed.itself.as_container() {
            Some((program, digest)) => {
                let is_current = digest.as_ref() == Some(wanted);
                (Unit::new(&program, digest), is_current)
            }
            None => return view.abandon(nobody()),
        },
        Home::Container(id) => match view.machine.by_id(id) {
            Some(own) => match check_replaceable(own).and_then(|()| order::check_agent(own)) {
                Ok(()) => (own_unit(view, own), runs(own, wanted)),
                Err(failure) => return view.abandon(failure),
            },
            None => return view.abandon(elsewhere()),
        },
        Home::Bare | Home::Replacer => return view.abandon(nobody()),
    };
    if is_current {
        let adopted = Some(Streak {
            since: view.now,
            starts: Vec::new(),
        });
        return view.write(Operation {
            adopted,
            ..view.operation.clone().at(Stage::Settle, view.now)
        });
    }
    view.write(Operation {
        units: vec![unit],
        ..view.operation.clone().at(Stage::Prepare, view.now)
    })
}

fn own_unit(view: View<'_>, own: &Container) -> Unit {
    let entry = view.desired.catalog.get(view.observed.workload);
    let mut unit = Unit::new(own, digest_of(own, entry));
    // Nothing is laid beside a container.
    unit.made = true;
    unit
}

fn nobody() -> Failure {
    Failure::new(
        FailureKind::Policy,
        "this agent was started by hand, so nobody would start another one in its stead; nothing was touched. \
         Start it by `pinion-launcher` (see deploy/systemd/pinion-agent.service), or in a container",
    )
}

fn elsewhere() -> Failure {
    Failure::new(
        FailureKind::Policy,
        "this agent runs in a container that is not one of the engine that it speaks to; nothing was touched. \
         Replace it by the means by which it was started",
    )
}

/// The program is laid beside this one, which runs on; then the last look.
fn lay(view: View<'_>) -> Step {
    let Some(image) = view.operation.image.clone() else {
        return view.write(view.operation.clone().at(Stage::Prepare, view.now));
    };
    let Home::Slot(slot) = view.observed.itself.home else {
        return gate_in(view);
    };
    let beside = slot.other();
    let Some(slots) = &view.observed.itself.slots else {
        return Step::Rest {
            wake_at: Some(view.now + ENGINE_PAUSE),
        };
    };
    let laid = slots.programs.get(&beside).and_then(|p| p.image.as_ref());
    if laid != Some(&image.digest) {
        return Step::Call(Call::Own(OwnCall::Lay {
            op: view.operation.id.clone(),
            image,
            slot: beside,
        }));
    }
    if view.operation.units.iter().any(|unit| !unit.made) {
        let mut operation = view.operation.clone();
        operation.units.iter_mut().for_each(|unit| unit.made = true);
        operation.last_done = None;
        return view.write(operation);
    }
    gate_in(view)
}

/// Never without a session: an agent that is away could not tell whether the
/// next one would have had one. And never beside anything else.
fn gate_in(view: View<'_>) -> Step {
    if view.observed.itself.session.is_none() {
        return gate::wait_until(view, "a live session with the coordinator".to_owned());
    }
    if let Some(other) = view.observed.busy_with {
        let why = format!(
            "workload {other} on this machine, which has something under way: the agent itself is last, and alone"
        );
        return gate::wait_until(view, why);
    }
    view.write(view.operation.clone().at(Stage::Cut, view.now))
}
