//! Between the rollout's words and the session's messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_model::{AgentId, Attempt, Failure, Generation, SessionEpoch, Timestamp, WorkloadName};
use pinion_proto::{convert, v1};
use pinion_rollout::{
    Assignment, Desired, Health, Observation, ObservedContainer, Report, Run, Versions,
};

use super::limits::{self, cut};

/// The complete desired state of one agent, as it goes over the wire.
#[must_use]
pub fn desired_state(desired: &Desired) -> v1::DesiredState {
    v1::DesiredState {
        generation: desired.generation.0,
        assignments: desired.assignments.iter().map(assignment).collect(),
    }
}

fn assignment(assignment: &Assignment) -> v1::Assignment {
    let timing = &assignment.timing;
    v1::Assignment {
        workload: assignment.workload.to_string(),
        generation: assignment.generation.0,
        attempt: assignment.attempt.0,
        rollout: convert::or_empty(assignment.rollout()),
        stage: convert::or_empty(assignment.stage()),
        run: images(assignment.run.as_ref()),
        prefetch: images(assignment.prefetch.as_ref()),
        start_within: Some(convert::duration(timing.start_within)),
        healthy_deadline: Some(convert::duration(timing.healthy_deadline)),
        min_healthy: Some(convert::duration(timing.min_healthy)),
        soak: Some(convert::duration(timing.soak)),
        in_use: v1::InUsePolicy::from(timing.in_use).into(),
        local_tag: assignment.local_tag.to_string(),
        defer_within: Some(convert::duration(timing.defer_within)),
    }
}

/// The digest in each registry, in the catalog's order.
fn images(run: Option<&Run>) -> Vec<v1::Image> {
    let Some(run) = run else {
        return Vec::new();
    };
    let image = |image: &pinion_model::Image| v1::Image {
        registry: image.registry.to_string(),
        repository: image.repository.to_string(),
        digest: run.digest.to_string(),
    };
    run.images.iter().map(image).collect()
}

/// All that a Hello says, in the order in which it applies.
pub(super) fn hello(
    agent: &AgentId,
    epoch: SessionEpoch,
    hello: v1::Hello,
    at: Timestamp,
) -> Vec<Observation> {
    let facts = hello.facts.into_iter().take(limits::FACTS);
    let mut observations = vec![Observation::Hello {
        agent: agent.clone(),
        epoch,
        generation: Generation(hello.generation),
        process_id: hello.process_id,
        facts: facts
            .map(|(k, v)| (cut(k, limits::NAME), cut(v, limits::NAME)))
            .collect(),
        versions: Versions {
            agent: cut(hello.agent_version, limits::NAME).into(),
            engine: cut(hello.engine_version, limits::NAME).into(),
        },
        at,
    }];
    observations.extend(
        hello
            .inventory
            .map(|inventory| self::inventory(agent, inventory, at)),
    );
    let reports = hello.reports.into_iter().take(limits::WORKLOADS);
    observations.extend(reports.filter_map(|report| self::report(agent, report, at)));
    observations
}

/// What a machine's containers run. A workload whose name is none is left out.
pub(super) fn inventory(agent: &AgentId, inventory: v1::Inventory, at: Timestamp) -> Observation {
    let workloads = inventory.workloads.into_iter().take(limits::WORKLOADS);
    let workloads: BTreeMap<WorkloadName, _> = workloads
        .filter_map(|workload| {
            Some((
                workload.workload.parse().ok()?,
                containers(workload.containers),
            ))
        })
        .collect();
    Observation::Inventory {
        agent: agent.clone(),
        workloads,
        at,
    }
}

/// What an agent says of one assignment; none if it names no workload or a
/// phase that is newer than this version.
pub(super) fn report(agent: &AgentId, report: v1::Report, at: Timestamp) -> Option<Observation> {
    let report = Report {
        workload: report.workload.parse().ok()?,
        generation: Generation(report.generation),
        attempt: Attempt(report.attempt),
        phase: v1::AgentPhase::known(report.phase)?,
        waiting_for: cut(report.waiting_for, limits::SENTENCE).into(),
        failure: report.failure.as_ref().map(Failure::from),
        deferral: report.deferral.as_ref().map(|said| Arc::new(said.into())),
        containers: containers(report.containers),
        running: convert::lenient_digest(&report.running),
    };
    Some(Observation::Reported {
        agent: agent.clone(),
        report,
        at,
    })
}

fn containers(containers: Vec<v1::ObservedContainer>) -> Vec<ObservedContainer> {
    let container = |container: v1::ObservedContainer| ObservedContainer {
        name: cut(container.name, limits::NAME).into(),
        id: cut(container.id, limits::NAME).into(),
        digest: convert::lenient_digest(&container.digest),
        running: container.running,
        health: Health::of(&container.health),
    };
    containers
        .into_iter()
        .take(limits::CONTAINERS)
        .map(container)
        .collect()
}
