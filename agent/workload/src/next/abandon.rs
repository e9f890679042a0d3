//! Nothing old was touched: the next ones, which are not in their place, are
//! removed. One that cannot be stopped runs beside the old one: for a person.

use pinion_model::AgentPhase;

use crate::names::{FOR_LABEL, split_part};
use crate::recreate::{OPERATION_LABEL, REPLACES_LABEL};
use crate::{Call, Container, Step};

use super::{View, finish, itself, roll_back};

pub(super) fn next(view: View<'_>, withdrawn: bool) -> Step {
    let phase = if withdrawn {
        AgentPhase::Withdrawn
    } else {
        AgentPhase::Refused
    };
    remove_ours(view).unwrap_or_else(|| close(view, phase))
}

/// The same of one that failed beside the old one, once it was heard.
pub(super) fn back(view: View<'_>) -> Step {
    last_words(view)
        .or_else(|| remove_ours(view))
        .unwrap_or_else(|| close(view, AgentPhase::RolledBack))
}

fn last_words(view: View<'_>) -> Option<Step> {
    let mut units = view.operation.units.iter();
    let unheard = units.find(|unit| unit.culprit && !unit.words)?;
    let next = view.machine.next_of(view.operation, &unheard.old.id)?;
    Some(Step::Call(Call::LastWords(next.id.clone())))
}

fn remove_ours(view: View<'_>) -> Option<Step> {
    let mut ours = view.machine.0.iter().filter(|c| is_ours(view, c));
    ours.find_map(|c| remove(view, c).or_else(|| left_running(view, c)))
}

fn left_running(view: View<'_>, next: &Container) -> Option<Step> {
    let replaces = next.labels.get(REPLACES_LABEL)?;
    let mut units = view.operation.units.iter();
    let index = units.position(|unit| unit.old.id.0 == *replaces && !unit.lost)?;
    let why = format!(
        "container {:?} still runs beside the old one, as the engine could not stop it",
        next.name
    );
    next.is_up().then(|| roll_back::lose(view, index, why))
}

fn close(view: View<'_>, phase: AgentPhase) -> Step {
    let is_left = view.operation.units.iter().any(|unit| unit.lost);
    let phase = if is_left {
        AgentPhase::RollbackFailed
    } else {
        phase
    };
    let running = itself::running(view.desired, view.observed);
    finish::close(view, phase, running, view.observed.record.clone())
}

/// Made by this operation for this workload, and not in its place.
pub(super) fn is_ours(view: View<'_>, container: &Container) -> bool {
    let label = |key| container.labels.get(key).map(String::as_str);
    label(OPERATION_LABEL) == Some(view.operation.id.as_str())
        && label(FOR_LABEL) == Some(view.observed.workload.as_str())
        && split_part(&container.name).is_some()
}

/// One that is up is stopped first.
pub(super) fn remove(view: View<'_>, container: &Container) -> Option<Step> {
    let id = container.id.clone();
    let call = if container.is_up() {
        Call::Stop {
            id,
            grace: container.stop_timeout,
        }
    } else {
        Call::Remove(id)
    };
    view.unless_skipped(call)
}
