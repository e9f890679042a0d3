//! The containers run the digest already: they are watched until proven.

use pinion_model::{Failure, FailureKind, Timestamp};

use crate::belongs::{containers_of, runs};
use crate::health::{BEAT_PAUSE, Lack, Terms, is_good, lacks};
use crate::probe::Beat;
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
    if up.iter().all(|c| serves(view, c)) {
        watch(view, &up)
    } else {
        wait(view, &up)
    }
}

fn serves(view: View<'_>, container: &Container) -> bool {
    is_good(container) && view.observed.probes.beat(container).is_good()
}

fn watch(view: View<'_>, up: &[&Container]) -> Step {
    let starts: Vec<_> = up.iter().map(|c| c.start_mark()).collect();
    let operation = view.operation.clone();
    match &view.operation.adopted {
        Some(streak) if streak.starts == starts => {
            let beats: Vec<Beat> = up.iter().map(|c| view.observed.probes.beat(c)).collect();
            let beats: Vec<&Beat> = beats.iter().collect();
            let min_healthy = operation.assignment.min_healthy;
            match lacks(streak.since, &beats, min_healthy, view.now) {
                Some(Lack::Time(at)) => Step::Rest { wake_at: Some(at) },
                Some(Lack::Answer(end)) if view.now < end.max(deadline(view, up)) => Step::Rest {
                    wake_at: Some(view.now + BEAT_PAUSE),
                },
                Some(Lack::Answer(_)) => view.abandon(Failure::new(
                    FailureKind::Engine,
                    "the containers already run the digest, and their probe passed, but then nobody could ask it any \
                     more; nothing was touched. Look at the engine's log",
                )),
                None => view.write(operation.at(Stage::Settle, view.now)),
            }
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
    let end = deadline(view, up);
    if view.now < end {
        return Step::Rest { wake_at: Some(end) };
    }
    let sick = || up.iter().filter(|c| !serves(view, c));
    let names: Vec<_> = sick().map(|c| format!("{:?}", c.name)).collect();
    let probes: String = sick()
        .map(|c| view.observed.probes.beat(c).words())
        .collect();
    view.abandon(Failure::new(
        FailureKind::Health,
        format!(
            "{} already runs the digest and was not healthy within {} s (health check: {}{probes}); nothing was touched, \
             since there is nothing to go back to. Look at its log, or roll out another digest",
            names.join(", "),
            end.since(view.operation.since).as_secs(),
            sick().next().map_or("none", |c| c.health.word()),
        ),
    ))
}

/// By when all of them must be healthy.
fn deadline(view: View<'_>, up: &[&Container]) -> Timestamp {
    let assignment = &view.operation.assignment;
    let each = up
        .iter()
        .map(|c| Terms::of(assignment, Some(c), false).deadline);
    view.operation.since + each.max().unwrap_or_default()
}
