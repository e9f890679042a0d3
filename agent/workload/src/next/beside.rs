//! Replaces a container start-first: the next one runs and is proven beside
//! the old one, then they change places, and only then the old one stops. An
//! engine that restarts would start one of them at most.
//!
//! ```text
//!   Create  next may not restart ─▶ start next ─▶ proven beside old     (old is not touched until here)
//!   (gate)
//!   Cut     fence old ─▶ next has its policy ─▶ old is .prev ─▶ next has the name ─▶ switch ─▶ drain ─▶ stop old
//! ```
//!
//! The cut-over is what comes after the gate: a machine in use keeps it, not
//! the proof. Which of these is due is read from the engine, so each may be
//! done twice.

use crate::health::{regression, silence};
use crate::names::{Part, part_name};
use crate::{Call, Container, ContainerState, Step, Unit};

use super::{View, cut, gate, in_use, roll_back, soak, switch};

/// What is due until all that are replaced so are proven beside the old ones.
pub(super) fn prove(view: View<'_>) -> Option<Step> {
    let units = view.operation.units.iter().enumerate();
    let beside = units.filter(|(_, unit)| unit.beside);
    let due = beside.filter_map(|(index, unit)| prove_one(view, index, unit));
    let mut rest = None;
    for step in due {
        match (step, rest) {
            (Step::Rest { wake_at }, None) => rest = Some(wake_at),
            (Step::Rest { wake_at }, Some(first)) => {
                rest = Some(first.into_iter().chain(wake_at).min());
            }
            (step, _) => return Some(step),
        }
    }
    rest.map(|wake_at| Step::Rest { wake_at })
}

fn prove_one(view: View<'_>, index: usize, unit: &Unit) -> Option<Step> {
    let old = view.machine.by_id(&unit.old.id)?;
    let Some(next) = view.machine.next_of(view.operation, &old.id) else {
        return Some(gate::make_again(view, &old.id));
    };
    // What the new image says of its probe is known only now.
    if let Err(failure) = view.observed.probes.check(next) {
        return Some(view.abandon(failure));
    }
    if next.state == ContainerState::Created || went_with_its_engine(unit, old, next) {
        return start(view, index, old, next);
    }
    if unit.is_unready() {
        return Some(cut::verify(view, index, next));
    }
    let failure = regression(&unit.name, next, true)
        .or_else(|| silence(&unit.name, &view.observed.probes.beat(next)));
    match failure {
        Some(failure) => Some(view.take_back(index, failure)),
        None => soak::is_in_doubt(view, unit, next).then(|| doubt(view, index, next)),
    }
}

/// Where the old one does not run, the gate says that it waits for it.
fn start(view: View<'_>, index: usize, old: &Container, next: &Container) -> Option<Step> {
    if !old.is_up() || old.state == ContainerState::Paused {
        return None;
    }
    let has_begun = view.operation.units[index].began.is_some();
    match has_begun || !view.operation.waiting_for.is_empty() {
        true => Some(doubt(view, index, next)),
        false => Some(Step::Call(begin(next))),
    }
}

/// It is proven anew: from its next start, or from now where it runs.
fn doubt(view: View<'_>, index: usize, next: &Container) -> Step {
    let mut operation = view.operation.clone();
    let unit = &mut operation.units[index];
    (unit.ready, unit.healthy, unit.began) = (None, None, None);
    unit.doubted.get_or_insert(view.now);
    unit.welcomed &= next.is_up();
    operation.last_done = None;
    operation.waiting_for = String::new();
    operation.gate.open(view.now);
    view.write(operation)
}

/// An engine that restarted has started the old one again, and not the next
/// one, which may not restart yet: that says nothing of its image. Where nobody
/// saw the engine end, that is believed once: the old one may crash by itself.
fn went_with_its_engine(unit: &Unit, old: &Container, next: &Container) -> bool {
    let since = old.started_at.zip(next.started_at);
    let is_later = since.is_some_and(|(old, next)| old >= next);
    match next.state {
        ContainerState::Interrupted => true,
        ContainerState::Exited if unit.doubted.is_some() && unit.began.is_some() => false,
        ContainerState::Exited => old.state == ContainerState::Running && is_later,
        _ => false,
    }
}

/// An engine that restarts does not start it, for as long as the other one is
/// the one that it starts.
pub(super) fn begin(container: &Container) -> Call {
    fence(container).unwrap_or_else(|| Call::Start(container.id.clone()))
}

/// The same of one that its engine's end stopped: the old one may have its policy yet.
pub(super) fn start_again(view: View<'_>, unit: &Unit, next: &Container) -> Call {
    let old = view.machine.by_id(&unit.old.id);
    match unit.beside && old.is_some_and(|old| fence(old).is_some()) {
        true => begin(next),
        false => Call::Start(next.id.clone()),
    }
}

/// What is due for one that is proven, from the gate to the stop of its old one.
pub(super) fn cut_over(view: View<'_>, index: usize, next: &Container) -> Step {
    let unit = &view.operation.units[index];
    let old = view.machine.by_id(&unit.old.id);
    let stayed = old.filter(|old| went_with_its_engine(unit, old, next));
    if let Some(step) = stayed.and_then(|old| start(view, index, old, next)) {
        return step;
    }
    if next.state == ContainerState::Created || both_went(unit, old, next) {
        return Step::Call(begin(next));
    }
    if let Some(failure) = regression(&unit.name, next, true) {
        return view.take_back(index, failure);
    }
    if let Some(step) = old.and_then(|old| prove_again(view, index, old, next)) {
        return step;
    }
    if let Some(call) = exchange(view, unit, next) {
        return Step::Call(call);
    }
    if let Some(step) = switch::to_next(view, index, next) {
        return step;
    }
    let Some(old) = old.filter(|old| old.is_up()) else {
        return cut::verify(view, index, next);
    };
    in_use::hold_stop(view).unwrap_or_else(|| {
        Step::Call(Call::Stop {
            id: old.id.clone(),
            grace: unit.old.grace,
        })
    })
}

/// For as long as the old one serves, nothing less than a proof stops it.
fn prove_again(view: View<'_>, index: usize, old: &Container, next: &Container) -> Option<Step> {
    let unit = &view.operation.units[index];
    if !old.is_up() {
        return None;
    }
    if unit.is_unready() {
        return Some(cut::verify(view, index, next));
    }
    soak::is_in_doubt(view, unit, next).then(|| doubt(view, index, next))
}

/// The engine restarted when the old one might not restart any more, and the
/// next one not yet.
fn both_went(unit: &Unit, old: Option<&Container>, next: &Container) -> bool {
    use ContainerState::{Exited, Interrupted};
    let both = matches!(next.state, Exited | Interrupted) && old.is_some_and(|old| !old.is_up());
    both && give_policy(unit, next).is_some()
}

/// They change places while both run; the name is an alias of the next one
/// from its start on, so it resolves all the while.
fn exchange(view: View<'_>, unit: &Unit, next: &Container) -> Option<Call> {
    let old = view.machine.by_id(&unit.old.id);
    let aside = part_name(&unit.name, Part::Prev, &view.operation.id);
    old.and_then(fence)
        .or_else(|| give_policy(unit, next))
        .or_else(|| old.and_then(|old| rename(old, &aside)))
        .or_else(|| rename(next, &unit.name))
}

/// They have begun to change places: from then on an engine starts the next one.
pub(super) fn is_begun(view: View<'_>, unit: &Unit) -> bool {
    let next = view.machine.next_of(view.operation, &unit.old.id);
    unit.beside && next.is_some_and(|next| fence(next).is_some())
}

pub(super) fn fence(container: &Container) -> Option<Call> {
    let starts = container.restart_policy != "no" && !container.restart_policy.is_empty();
    starts.then(|| take_policy(container))
}

pub(super) fn take_policy(container: &Container) -> Call {
    Call::SetRestartPolicy {
        id: container.id.clone(),
        policy: "no".to_owned(),
        retries: 0,
    }
}

pub(super) fn give_policy(unit: &Unit, container: &Container) -> Option<Call> {
    let lacks = !roll_back::has_its_policy(unit, container);
    lacks.then(|| Call::SetRestartPolicy {
        id: container.id.clone(),
        policy: unit.old.restart_policy.clone(),
        retries: unit.old.restart_retries,
    })
}

pub(super) fn rename(container: &Container, name: &str) -> Option<Call> {
    (container.name != name).then(|| Call::Rename {
        id: container.id.clone(),
        name: name.to_owned(),
    })
}
