//! Which containers are to be asked.

use std::time::Duration;

use pinion_model::Timestamp;

use super::{Probe, Probes};
use crate::belongs::{Catalog, containers_of};
use crate::observed::Machine;
use crate::{Container, ContainerState, Operation, Stage, Unit};

/// Between two askings while a container is to be proven.
const PROVING: Duration = Duration::from_secs(1);
/// Between two askings while it soaks.
const SOAKING: Duration = Duration::from_secs(5);

/// The containers of an operation that are to be asked, how, and when at the
/// earliest: those that run and are to be proven, or were and soak.
#[must_use]
pub fn to_ask<'a>(
    operation: &Operation,
    containers: &'a [Container],
    catalog: &Catalog,
    probes: Probes<'_>,
) -> Vec<(&'a Container, Probe, Timestamp)> {
    let watched = watched(operation, containers, catalog);
    let running = watched
        .into_iter()
        .filter(|(container, _)| container.state == ContainerState::Running);
    let due = |(container, pause): (&'a Container, Duration)| {
        let probe = probes.of(container).ok()??;
        let last = probes.pulses.get(&container.id);
        let last = last.filter(|pulse| pulse.is_of(container, &probe));
        let at = last.map_or(Timestamp(0), |pulse| pulse.asked() + pause);
        Some((container, probe, at))
    };
    running.filter_map(due).collect()
}

fn watched<'a>(
    operation: &Operation,
    containers: &'a [Container],
    catalog: &Catalog,
) -> Vec<(&'a Container, Duration)> {
    let machine = Machine(containers);
    let next = |unit: &Unit| {
        let is_proven = unit.proven || operation.stage == Stage::Create && unit.ready.is_some();
        let pause = if is_proven { SOAKING } else { PROVING };
        Some((machine.next_of(operation, &unit.old.id)?, pause))
    };
    let units = operation.units.iter();
    match operation.stage {
        Stage::Create => units.filter(|u| u.beside).filter_map(next).collect(),
        Stage::Cut => units.filter(|u| !u.proven).filter_map(next).collect(),
        Stage::Soak => units.filter_map(next).collect(),
        Stage::Adopt => {
            let mine = containers_of(&operation.assignment.workload, containers, catalog);
            let mine = mine.unwrap_or_default().into_iter();
            mine.map(|container| (container, PROVING)).collect()
        }
        _ => Vec::new(),
    }
}
