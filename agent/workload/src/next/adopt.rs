//! The containers run the digest already: they are watched until proven.

use pinion_model::{Failure, FailureKind};

use crate::belongs::{containers_of, runs};
use crate::health::{Terms, is_good};
use crate::{Container, Operation, Stage, Step, Streak};

use super::View;

pub(super) fn next(view: View<'_>) -> Step {
    if let Err(failure) = view.observed.permitted {
        return view.abandon(failure.clone());
    }
    let containers = match containers_of(
        view.observed.workload,
        view.machine.0,
        &view.desired.catalog,
    ) {
        Ok(containers) => containers,
        Err(failure) => return view.abandon(failure),
    };
    let assignment = &view.operation.assignment;
    let changed = containers
        .iter()
        .any(|c| assignment.digest().is_some_and(|digest| !runs(c, digest)));
    let up: Vec<_> = containers.into_iter().filter(|c| c.is_up()).collect();
    if up.is_empty() || changed {
        return view.write(Operation {
            adopted: None,
            ..view.operation.clone().at(Stage::Preflight, view.now)
        });
    }
    if up.iter().all(|c| is_good(c)) {
        watch(view, &up)
    } else {
        wait(view, &up)
    }
}

fn watch(view: View<'_>, up: &[&Container]) -> Step {
    let starts: Vec<_> = up.iter().map(|c| c.start_mark()).collect();
    let operation = view.operation.clone();
    match &view.operation.adopted {
        Some(streak) if streak.starts == starts => {
            let end = streak.since + operation.assignment.min_healthy;
            if view.now < end {
                return Step::Rest { wake_at: Some(end) };
            }
            view.write(operation.at(Stage::Settle, view.now))
        }
        _ => view.write(Operation {
            adopted: Some(Streak {
                since: view.now,
                starts,
            }),
            ..operation
        }),
    }
}

fn wait(view: View<'_>, up: &[&Container]) -> Step {
    if view.operation.adopted.is_some() {
        return view.write(Operation {
            adopted: None,
            ..view.operation.clone()
        });
    }
    let assignment = &view.operation.assignment;
    let deadline = up
        .iter()
        .map(|c| Terms::of(assignment, Some(c), false).deadline)
        .max()
        .unwrap_or_default();
    let end = view.operation.since + deadline;
    if view.now < end {
        return Step::Rest { wake_at: Some(end) };
    }
    let sick: Vec<_> = up
        .iter()
        .filter(|c| !is_good(c))
        .map(|c| format!("{:?}", c.name))
        .collect();
    view.abandon(Failure::new(
        FailureKind::Health,
        format!(
            "{} already runs the digest and was not healthy within {} s (health check: {}); nothing was touched, \
             since there is nothing to go back to. Look at its log, or roll out another digest",
            sick.join(", "),
            deadline.as_secs(),
            up.iter().find(|c| !is_good(c)).map_or("none", |c| c.health.word()),
        ),
    ))
}
