//! All are proven: the old ones are kept while the new ones are watched.

use pinion_model::{Failure, FailureKind};

use crate::health::regression;
use crate::{Stage, Step, Unit};

use super::View;

pub(super) fn next(view: View<'_>) -> Step {
    let failed = view
        .operation
        .units
        .iter()
        .enumerate()
        .find_map(|(i, unit)| Some((i, fault(view, unit)?)));
    if let Some((index, failure)) = failed {
        return view.take_back(index, failure);
    }
    let end = view.operation.since + view.operation.assignment.soak;
    if view.now < end {
        return Step::Rest { wake_at: Some(end) };
    }
    view.write(view.operation.clone().at(Stage::Settle, view.now))
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
