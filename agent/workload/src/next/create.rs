//! Creates the next containers beside the old ones, which run on.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{Failure, WorkloadName};

use crate::belongs::check_replaceable;
use crate::group::members;
use crate::health::state_word;
use crate::names::{
    FOR_LABEL, OLD_IMAGE_LABEL, OLD_POLICY_LABEL, OLD_STATE_LABEL, OpId, Part, TERMS_LABEL,
    WORKLOAD_LABEL, part_name, split_part,
};
use crate::recreate::{OPERATION_LABEL, REPLACES_LABEL};
use crate::{Call, Container, ContainerState, Operation, Stage, Step, Unit};

use super::View;

/// Before what is in the way is looked at again, should no event tell.
const GATE_PAUSE: Duration = Duration::from_secs(2);

pub(super) fn next(view: View<'_>) -> Step {
    if view
        .operation
        .units
        .iter()
        .any(|unit| view.machine.by_id(&unit.old.id).is_none())
    {
        return look_again(view);
    }
    if let Some(orphan) = orphan(view) {
        return orphan;
    }
    match view.operation.units.iter().find(|unit| !unit.made) {
        Some(unit) => make(view, unit),
        None => gate_in(view),
    }
}

/// One that is there, and of which nobody knows that it was finished, may
/// lack a network: it is made anew.
fn make(view: View<'_>, unit: &Unit) -> Step {
    let half_made = view
        .machine
        .next_of(view.operation, &unit.old.id)
        .filter(|next| split_part(&next.name).is_some());
    match half_made {
        Some(next) if next.is_up() => Step::Call(Call::Stop {
            id: next.id.clone(),
            grace: next.stop_timeout,
        }),
        Some(next) => Step::Call(Call::Remove(next.id.clone())),
        None => create(view, unit),
    }
}

fn create(view: View<'_>, unit: &Unit) -> Step {
    let Some(image) = view.operation.image.clone() else {
        return view.write(view.operation.clone().at(Stage::Prepare, view.now));
    };
    let old_state = if unit.old.running {
        "running"
    } else {
        "stopped"
    };
    let old_policy = format!("{}:{}", unit.old.restart_policy, unit.old.restart_retries);
    let assignment = &view.operation.assignment;
    let terms = [
        assignment.min_healthy,
        assignment.healthy_deadline,
        assignment.soak,
    ];
    let terms = terms.map(|term| term.as_millis().to_string()).join(":");
    let workload = view.observed.workload.as_str();
    let mut labels = BTreeMap::from([
        (OPERATION_LABEL, view.operation.id.as_str()),
        (REPLACES_LABEL, unit.old.id.0.as_str()),
        (FOR_LABEL, workload),
        (OLD_STATE_LABEL, old_state),
        (OLD_POLICY_LABEL, old_policy.as_str()),
        (OLD_IMAGE_LABEL, unit.old.image_id.as_str()),
        (TERMS_LABEL, terms.as_str()),
    ]);
    if !unit.own_image {
        labels.insert(WORKLOAD_LABEL, workload);
    }
    let labels = labels.into_iter();
    Step::Call(Call::Create {
        old: unit.old.id.clone(),
        name: part_name(&unit.name, Part::Next, &view.operation.id),
        image: Some(image).filter(|_| !unit.own_image),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    })
}

/// One that was created for a container that is no longer there.
fn orphan(view: View<'_>) -> Option<Step> {
    let wanted = |id: &String| view.operation.units.iter().any(|unit| unit.old.id.0 == *id);
    let orphan = view.machine.0.iter().find(|c| {
        c.state == ContainerState::Created
            && c.labels.get(OPERATION_LABEL).map(String::as_str) == Some(view.operation.id.as_str())
            && c.labels.get(FOR_LABEL).map(String::as_str) == Some(view.observed.workload.as_str())
            && split_part(&c.name).is_some()
            && !c.labels.get(REPLACES_LABEL).is_some_and(wanted)
    })?;
    view.unless_skipped(Call::Remove(orphan.id.clone()))
}

/// The last look before an old container is touched: what it is now is what
/// it must be again if this fails. A pull may have taken minutes, so all that
/// was asked before it is asked again.
fn gate_in(view: View<'_>) -> Step {
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
        let next = view.machine.next_of(view.operation, &old.id);
        if let Some(Err(failure)) = next.map(|next| view.observed.probes.check(next)) {
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
            ..Unit::new(old, unit.old.digest.clone())
        };
        if old.state == ContainerState::Paused || (unit.old.running && !fresh.old.running) {
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
    view.write(Operation {
        units,
        ..view.operation.clone().at(Stage::Cut, view.now)
    })
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

pub(super) fn wait_until(view: View<'_>, waiting_for: String) -> Step {
    if view.operation.waiting_for == waiting_for {
        return Step::Rest {
            wake_at: Some(view.now + GATE_PAUSE),
        };
    }
    view.write(Operation {
        waiting_for,
        ..view.operation.clone()
    })
}

/// The containers are not those that were looked at: begin with what is there.
fn look_again(view: View<'_>) -> Step {
    view.write(Operation {
        units: Vec::new(),
        ..view.operation.clone().at(Stage::Preflight, view.now)
    })
}
