//! The last look before an old container is touched.
//!
//! ```text
//!   no other cut-over ─▶ containers as they were ─▶ not in use ─▶ hook ─▶ drain ─▶ Cut
//!                                                       ▲           │75
//!                                                       └──deferral─┘ ─▶ fail | skip | force
//! ```
//!
//! What a container is here is what it must be again if this fails. A pull may
//! have taken minutes, so all that was asked before it is asked again.

use std::time::Duration;

use pinion_model::{Failure, WorkloadName};

use crate::belongs::check_replaceable;
use crate::group::members;
use crate::health::state_word;
use crate::names::{FOR_LABEL, OpId, Part, part_name};
use crate::order;
use crate::recreate::OPERATION_LABEL;
use crate::{Container, ContainerId, ContainerState, Operation, Stage, Step, Unit};

use super::create::look_again;
use super::{View, in_use};

/// Before what is in the way is looked at again, should no event tell.
pub(super) const GATE_PAUSE: Duration = Duration::from_secs(2);

pub(super) fn next(view: View<'_>) -> Step {
    if let Some(other) = view.observed.busy_with {
        return wait_until(
            view,
            format!(
                "workload {other} on this machine, whose containers are being replaced or put back"
            ),
        );
    }
    let mut units = Vec::new();
    for unit in &view.operation.units {
        let Some(old) = view.machine.by_id(&unit.old.id) else {
            return look_again(view);
        };
        // What the new image says of its probe is known only now.
        let Some(next) = view.machine.next_of(view.operation, &old.id) else {
            return make_again(view, &old.id);
        };
        if let Err(failure) = view.observed.probes.check(next) {
            return view.abandon(failure);
        }
        if let Some(other) = under_way(view, old) {
            return wait_until(
                view,
                format!(
                    "workload {other}, which keeps the one that container {:?} took the place of until it is sure of it",
                    old.name
                ),
            );
        }
        let fresh = Unit {
            group: unit.group,
            own_image: unit.own_image,
            written: unit.written,
            made: true,
            saved: unit.saved.clone(),
            welcomed: unit.welcomed,
            beside: unit.beside,
            ready: unit.ready,
            doubted: unit.doubted,
            began: unit.began,
            healthy: unit.healthy.clone(),
            ..Unit::new(old, unit.old.digest.clone())
        };
        let is_down = unit.old.running && !fresh.old.running;
        if old.state == ContainerState::Paused || is_down || fresh.is_unready() {
            return wait_for(view, old);
        }
        if fresh.old.running && !unit.old.running {
            // The next one says that it replaces one that is stopped.
            return look_again(view);
        }
        if let Err(failure) = check_replaceable(old) {
            return view.abandon(failure);
        }
        units.push(fresh);
    }
    match is_complete(view) {
        Ok(true) => {}
        Ok(false) => return look_again(view),
        Err(failure) => return view.abandon(failure),
    }
    if let Some(step) = in_use::hold(view) {
        return step;
    }
    let mut operation = view.operation.clone().at(Stage::Cut, view.now);
    operation.gate.open(view.now);
    view.write(Operation { units, ..operation })
}

/// The next container waits for hours, and somebody may tidy up what does not
/// run meanwhile: that says nothing of the image.
pub(super) fn make_again(view: View<'_>, old: &ContainerId) -> Step {
    let mut operation = view.operation.clone();
    let units = operation.units.iter_mut();
    for unit in units.filter(|unit| unit.old.id == *old) {
        (unit.made, unit.welcomed) = (false, false);
        (unit.ready, unit.began, unit.healthy) = (None, None, None);
        unit.doubted.get_or_insert(view.now);
    }
    operation.gate.open(view.now);
    view.write(operation)
}

/// Another workload whose operation made this container, and is not over: it
/// may still take it back.
fn under_way(view: View<'_>, old: &Container) -> Option<WorkloadName> {
    let workload = old.labels.get(FOR_LABEL)?.parse().ok()?;
    let op = OpId::parse(old.labels.get(OPERATION_LABEL)?)?;
    let kept = part_name(&old.name, Part::Prev, &op);
    let is_kept = view.machine.0.iter().any(|c| c.name == kept);
    (is_kept && workload != *view.observed.workload).then_some(workload)
}

/// Whether what depends on the containers is what was looked at before the
/// pull, and may still be replaced.
fn is_complete(view: View<'_>) -> Result<bool, Failure> {
    let units = &view.operation.units;
    let replaced = units.iter().filter(|unit| !unit.own_image);
    let replaced: Vec<_> = replaced
        .filter_map(|unit| view.machine.by_id(&unit.old.id))
        .collect();
    let members = members(&replaced, view.machine.0)?;
    order::check(&members, view.observed.in_use.switch)?;
    let is_same = |unit: &Unit| members.iter().any(|m| m.container.id == unit.old.id);
    Ok(members.len() == units.len() && units.iter().all(is_same))
}

/// Somebody commits, restarts or stopped it. Replaced now, it would count as
/// one that never ran, and the next one would not be started.
fn wait_for(view: View<'_>, old: &Container) -> Step {
    let waiting_for = format!(
        "container {:?} to run again: it is {}. Start or unpause it; nothing was touched",
        old.name,
        state_word(old.state)
    );
    wait_until(view, waiting_for)
}

/// It waits for something else than its use: that time counts as late again.
pub(super) fn wait_until(view: View<'_>, waiting_for: String) -> Step {
    if view.operation.waiting_for == waiting_for && !view.operation.gate.is_shut() {
        return Step::Rest {
            wake_at: Some(view.now + GATE_PAUSE),
        };
    }
    let mut operation = view.operation.clone();
    operation.gate.open(view.now);
    view.write(Operation {
        waiting_for,
        ..operation
    })
}
