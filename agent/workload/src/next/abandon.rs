//! Nothing old was touched: the next ones, which are not in their place, are removed.

use pinion_model::AgentPhase;

use crate::names::{FOR_LABEL, split_part};
use crate::recreate::OPERATION_LABEL;
use crate::{Call, Container, Step};

use super::{View, finish, itself};

pub(super) fn next(view: View<'_>, withdrawn: bool) -> Step {
    if let Some(step) = view
        .machine
        .0
        .iter()
        .filter(|c| is_ours(view, c))
        .find_map(|c| remove(view, c))
    {
        return step;
    }
    let phase = if withdrawn {
        AgentPhase::Withdrawn
    } else {
        AgentPhase::Refused
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
