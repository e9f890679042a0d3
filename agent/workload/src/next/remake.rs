//! Makes an old container again that is gone: Compose's, which is not kept, or
//! one that somebody removed. Never needs the registry.
//!
//! ```text
//!   make .back ─▶ noted as whole ─▶ (roll_back: name, policy, start)
//!      └─ not noted: removed, and made again
//! ```

use std::collections::BTreeMap;

use pinion_model::ImageRef;

use crate::names::{Part, RESTORES_LABEL, WORKLOAD_LABEL, part_name};
use crate::recreate::OPERATION_LABEL;
use crate::{Call, Container, ContainerState, Lookup, Step, Unit};

use super::{ENGINE_PAUSE, View};

/// Why there will never be one, for a person; none while there may be. Asked
/// before what failed is taken away: it is better than none.
pub(super) fn hopeless(view: View<'_>, unit: &Unit) -> Option<String> {
    let name = &unit.name;
    if unit.remade.is_some() {
        return Some(format!(
            "the container that was made again of the old {name:?} was removed by somebody else"
        ));
    }
    if view
        .machine
        .remade_of(view.operation, &unit.old.id)
        .is_some()
    {
        return None;
    }
    let left = "so what failed was left in its place";
    match view.observed.image(&unit.old.image_id) {
        Lookup::Unknown => None,
        Lookup::Absent => Some(format!(
            "the old container of {name:?} is gone, and so is its image {}, {left}",
            unit.old.image_id
        )),
        Lookup::Present(_) => match make(view, unit) {
            None => Some(format!(
                "the old container of {name:?} is gone, and nothing was saved of it, {left}"
            )),
            Some(call) if view.operation.skipped.contains(&call.key()) => Some(format!(
                "the old container of {name:?} is gone: could not {}",
                call.key()
            )),
            Some(_) => None,
        },
    }
}

/// What comes next until there is a whole one; there is hope.
pub(super) fn next(view: View<'_>, index: usize, unit: &Unit) -> Step {
    if let Some(found) = view.machine.remade_of(view.operation, &unit.old.id) {
        return take_up(view, index, unit, found);
    }
    let image = view.observed.image(&unit.old.image_id);
    match make(view, unit) {
        Some(call) if matches!(image, Lookup::Present(_)) => Step::Call(call),
        _ => Step::Rest {
            wake_at: Some(view.now + ENGINE_PAUSE),
        },
    }
}

/// One that has its name or was started was noted as whole before that; of any
/// other nobody knows.
fn take_up(view: View<'_>, index: usize, unit: &Unit, found: &Container) -> Step {
    if found.state == ContainerState::Created && found.name != unit.name {
        return Step::Call(Call::Remove(found.id.clone()));
    }
    let mut operation = view.operation.clone();
    operation.units[index].remade = Some(found.id.clone());
    view.write(operation)
}

/// From what was saved of it; without a journal, from the one that took its
/// place and has its settings.
fn make(view: View<'_>, unit: &Unit) -> Option<Call> {
    let name = part_name(&unit.name, Part::Back, &view.operation.id);
    if let Some(spec) = &unit.saved {
        return Some(Call::Restore {
            old: unit.old.id.clone(),
            name,
            spec: spec.clone(),
        });
    }
    let next = view.machine.next_of(view.operation, &unit.old.id)?;
    let labels = [
        (OPERATION_LABEL, view.operation.id.as_str()),
        (RESTORES_LABEL, unit.old.id.0.as_str()),
        (WORKLOAD_LABEL, view.observed.workload.as_str()),
    ];
    Some(Call::Create {
        old: next.id.clone(),
        name,
        image: Some(image_of(view, unit)?),
        labels: BTreeMap::from(labels.map(|(key, value)| (key.to_owned(), value.to_owned()))),
    })
}

fn image_of(view: View<'_>, unit: &Unit) -> Option<ImageRef> {
    let digests = &view.observed.present(&unit.old.image_id)?.repo_digests;
    let known = digests
        .iter()
        .find(|image| Some(&image.digest) == unit.old.digest.as_ref());
    known.or(digests.first()).cloned()
}
