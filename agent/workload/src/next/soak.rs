//! All are proven: the old ones are kept while the new ones are watched.

use std::time::Duration;

use pinion_model::{Failure, FailureKind};

use crate::health::{is_good, regression};
use crate::{Container, Stage, Step, Unit};

use super::{View, cut};

/// Compose's label of a container that it made.
const COMPOSE_LABEL: &str = "com.docker.compose.project";
/// Said while it soaks.
const NO_SOAK: &str = "nothing: Docker Compose made the container and would count the old one as \
                       another replica, so the old one is removed at once (soak 0)";

pub(super) fn next(view: View<'_>) -> Step {
    let units = || view.operation.units.iter().enumerate();
    let failed = units().find_map(|(i, unit)| Some((i, fault(view, unit)?)));
    if let Some((index, failure)) = failed {
        return view.take_back(index, failure);
    }
    if let Some(step) = units().find_map(|(index, unit)| doubt(view, index, unit)) {
        return step;
    }
    let end = view.operation.since + soak(view);
    if view.now < end {
        return Step::Rest { wake_at: Some(end) };
    }
    view.write(view.operation.clone().at(Stage::Settle, view.now))
}

/// What there is to say about a soak that is about to begin.
pub(super) fn remark(view: View<'_>) -> &'static str {
    let asked = view.operation.assignment.soak;
    if asked > soak(view) { NO_SOAK } else { "" }
}

/// An old container that is kept counts as a replica for `docker compose up`,
/// which may then remove the new one.
fn soak(view: View<'_>) -> Duration {
    let is_composed = |c: &&Container| c.labels.contains_key(COMPOSE_LABEL);
    let composed = view.operation.units.iter().any(|unit| {
        let next = view.machine.next_of(view.operation, &unit.old.id);
        next.filter(is_composed).is_some()
    });
    if composed {
        Duration::ZERO
    } else {
        view.operation.assignment.soak
    }
}

/// One that is not healthy, or was started again, is proven anew, as it was
/// in the first place: by the same deadline, else all go back.
fn doubt(view: View<'_>, index: usize, unit: &Unit) -> Option<Step> {
    if !unit.old.running {
        return None;
    }
    let next = view.machine.next_of(view.operation, &unit.old.id)?;
    if !unit.proven {
        return Some(cut::verify(view, index, next));
    }
    let mark = next.start_mark();
    let stands = unit.healthy.as_ref().is_some_and(|s| s.starts == [mark]);
    if stands && is_good(next) {
        return None;
    }
    let mut operation = view.operation.clone();
    let doubted = &mut operation.units[index];
    (doubted.proven, doubted.healthy) = (false, None);
    doubted.began = Some(view.now);
    Some(view.write(operation))
}

fn fault(view: View<'_>, unit: &Unit) -> Option<Failure> {
    if !unit.old.running {
        return None;
    }
    let Some(next) = view.machine.next_of(view.operation, &unit.old.id) else {
        let message = format!(
            "container {:?} was removed by somebody else within the soak",
            unit.name
        );
        return Some(Failure::new(FailureKind::Health, message));
    };
    regression(&unit.name, next, true)
}
