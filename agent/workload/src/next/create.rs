//! Creates the next containers beside the old ones, which run on.

use std::collections::BTreeMap;

use crate::names::{
    FOR_LABEL, OLD_IMAGE_LABEL, OLD_POLICY_LABEL, OLD_STATE_LABEL, Part, TERMS_LABEL,
    WORKLOAD_LABEL, part_name, split_part,
};
use crate::recreate::{OPERATION_LABEL, REPLACES_LABEL};
use crate::{Call, Stage, Step, Unit};

use super::{View, abandon, beside, gate};

pub(super) fn next(view: View<'_>) -> Step {
    if let Some(orphan) = orphan(view) {
        return orphan;
    }
    let gone = |unit: &Unit| view.machine.by_id(&unit.old.id).is_none();
    if view.operation.units.iter().any(gone) {
        return look_again(view);
    }
    match view.operation.units.iter().find(|unit| !unit.made) {
        Some(unit) => make(view, unit),
        None => beside::prove(view).unwrap_or_else(|| gate::next(view)),
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

/// One that was made for a container that is no longer there.
fn orphan(view: View<'_>) -> Option<Step> {
    let wanted = |id: &String| {
        let mut units = view.operation.units.iter();
        units.any(|unit| unit.old.id.0 == *id && view.machine.by_id(&unit.old.id).is_some())
    };
    let mut made = view.machine.0.iter().filter(|c| abandon::is_ours(view, c));
    let orphan = made.find(|c| !c.labels.get(REPLACES_LABEL).is_some_and(wanted))?;
    abandon::remove(view, orphan)
}

/// The containers are not those that were looked at: begin with what is there.
pub(super) fn look_again(view: View<'_>) -> Step {
    let mut operation = view.operation.clone().at(Stage::Preflight, view.now);
    operation.gate.open(view.now);
    operation.units = Vec::new();
    view.write(operation)
}
