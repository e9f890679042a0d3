//! All are proven: the old ones are kept while the new ones are watched, but
//! for those of Docker Compose, which would count them as replicas. They go at
//! once, and are made again from what was saved of them if they are needed.

use pinion_model::{Failure, FailureKind, Timestamp};

use crate::health::{BEAT_PAUSE, HEARING, is_good, is_to_be_asked, regression, silence};
use crate::probe::Beat;
use crate::{Call, Container, Stage, Step, Unit};

use super::{View, cut};

/// Compose's label of a container that it made.
const COMPOSE_LABEL: &str = "com.docker.compose.project";

pub(super) fn next(view: View<'_>) -> Step {
    let units = || view.operation.units.iter().enumerate();
    let failed = units().find_map(|(i, unit)| Some((i, fault(view, unit)?)));
    if let Some((index, failure)) = failed {
        return view.take_back(index, failure);
    }
    if let Some(step) = units().find_map(|(index, unit)| doubt(view, index, unit)) {
        return step;
    }
    if let Some(call) = units().find_map(|(_, unit)| part_with(view, unit)) {
        return Step::Call(call);
    }
    let end = end(view);
    if view.now < end {
        return Step::Rest { wake_at: Some(end) };
    }
    if units().any(|(_, unit)| is_out_of_date(view, unit)) {
        let soon = view.now + BEAT_PAUSE;
        return Step::Rest {
            wake_at: Some(soon),
        };
    }
    view.write(view.operation.clone().at(Stage::Settle, view.now))
}

/// What its probe said lately was said before an engine hung.
fn is_out_of_date(view: View<'_>, unit: &Unit) -> bool {
    let next = view.machine.next_of(view.operation, &unit.old.id);
    let next = next.filter(|_| unit.old.running);
    next.is_some_and(|next| {
        let beat = view.observed.probes.beat(next);
        matches!(beat, Beat::Passes(_)) && is_to_be_asked(next, &beat, view.now)
    })
}

fn end(view: View<'_>) -> Timestamp {
    let end = view.operation.since + view.operation.assignment.soak;
    let unheard = |unit: &Unit| {
        let next = view.machine.next_of(view.operation, &unit.old.id);
        next.is_some_and(|next| {
            let beat = view.observed.probes.beat(next);
            matches!(beat, Beat::Unasked(_) | Beat::Unheard(_))
        })
    };
    let mut running = view.operation.units.iter().filter(|unit| unit.old.running);
    match running.any(unheard) {
        true => end + HEARING,
        false => end,
    }
}

/// An old one of Compose's is not kept beside the new one: `up` may take it
/// for the one that is to stay, and remove the new one. Its volumes are.
fn part_with(view: View<'_>, unit: &Unit) -> Option<Call> {
    let next = view.machine.next_of(view.operation, &unit.old.id)?;
    let old = view.machine.by_id(&unit.old.id)?;
    let goes = next.labels.contains_key(COMPOSE_LABEL) && unit.saved.is_some() && !old.is_up();
    let call = Call::Remove(old.id.clone());
    (goes && !view.operation.skipped.contains(&call.key())).then_some(call)
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
    if !is_in_doubt(view, unit, next) {
        return None;
    }
    let mut operation = view.operation.clone();
    let doubted = &mut operation.units[index];
    (doubted.proven, doubted.healthy) = (false, None);
    doubted.began = Some(view.now);
    Some(view.write(operation))
}

/// It was proven, and is not healthy now, or was started again.
pub(super) fn is_in_doubt(view: View<'_>, unit: &Unit, next: &Container) -> bool {
    let mark = next.start_mark();
    let stands = unit.healthy.as_ref().is_some_and(|s| s.starts == [mark]);
    let fails = matches!(view.observed.probes.beat(next), Beat::Fails { .. });
    !stands || !is_good(next) || fails
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
        .or_else(|| silence(&unit.name, &view.observed.probes.beat(next)))
}
