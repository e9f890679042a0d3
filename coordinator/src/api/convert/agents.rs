use std::collections::BTreeMap;

use pinion_model::{AgentId, Labels, WorkloadName};
use pinion_proto::convert::{or_empty, timestamp};
use pinion_proto::v1;
use pinion_rollout::{Agent, ObservedContainer, Placement, Presence};

use super::attribution;

/// One machine, with all its workloads.
pub(crate) fn agent(name: &AgentId, agent: &Agent) -> v1::Agent {
    v1::Agent {
        name: name.to_string(),
        labels: Labels::clone(&agent.labels),
        facts: BTreeMap::clone(&agent.facts),
        presence: presence(agent.presence).into(),
        presence_since: Some(timestamp(agent.presence_since)),
        held: agent.hold.as_ref().map(|hold| attribution(&hold.by)),
        hold_expires_at: agent
            .hold
            .as_ref()
            .and_then(|hold| hold.expires_at)
            .map(timestamp),
        revoked: agent.revoked.is_some(),
        generation: agent.generation.0,
        workloads: agent
            .placements
            .iter()
            .map(|(name, at)| workload(name, at))
            .collect(),
        enrolled_at: Some(timestamp(agent.enrolled_at)),
        certificate_expires_at: agent.certificate_expires_at().map(timestamp),
        identity_conflict: agent.identity_conflict.is_some(),
        agent_version: agent.versions.agent.to_string(),
        engine_version: agent.versions.engine.to_string(),
        happenings: Vec::new(),
    }
}

fn presence(presence: Presence) -> v1::Presence {
    match presence {
        Presence::Online => v1::Presence::Online,
        Presence::Offline => v1::Presence::Offline,
        Presence::Unknown => v1::Presence::Unknown,
    }
}

fn workload(name: &WorkloadName, placement: &Placement) -> v1::AgentWorkload {
    let assignment = placement.assignment.as_ref();
    v1::AgentWorkload {
        workload: name.to_string(),
        desired: or_empty(assignment.and_then(|assignment| assignment.digest())),
        generation: placement.generation().0,
        attempt: assignment.map_or(0, |assignment| assignment.attempt.0),
        rollout: or_empty(assignment.and_then(|assignment| assignment.rollout())),
        phase: placement
            .phase
            .map_or(v1::AgentPhase::Unspecified, Into::into)
            .into(),
        failure: placement.last_failure().map(Into::into),
        containers: placement.containers.iter().map(container).collect(),
        reported_at: placement.reported_at.map(timestamp),
        drifted: placement.drifted,
        waiting_for: placement.waiting_for.to_string(),
        deferral: placement.deferral.as_deref().map(Into::into),
    }
}

fn container(container: &ObservedContainer) -> v1::ObservedContainer {
    v1::ObservedContainer {
        name: container.name.to_string(),
        id: container.id.to_string(),
        digest: or_empty(container.digest.as_ref()),
        running: container.running,
        health: container.health.word().to_owned(),
    }
}
