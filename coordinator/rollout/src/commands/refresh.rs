use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{Actor, AgentId, Failure, FailureKind, Generation, Timestamp, WorkloadName};

use super::{agent_of, check_text, decided};
use crate::explain::{held, shut};
use crate::{Act, Agent, Change, Outcome, Presence, Refusal, World};

/// Machines to bring to their stable digests now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// Which machines; at least one.
    pub agents: Vec<AgentId>,
    /// Empty: every workload that has a stable digest.
    pub workloads: Vec<WorkloadName>,
    /// Why; may be empty.
    pub reason: String,
}

/// What was asked of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// Which machine.
    pub agent: AgentId,
    /// By workload: the outcome is that of the first assignment above this generation.
    pub asked: BTreeMap<WorkloadName, Generation>,
    /// What could not be asked, and why.
    pub failed: BTreeMap<WorkloadName, Failure>,
}

/// Asks machines to converge to their stable digests now, also where that
/// failed before: one workload after the other on each machine. What cannot be
/// asked is in the answer, machine by machine.
///
/// # Errors
///
/// `NotFound` for an unknown agent or a workload without pins, `Invalid` without an agent.
pub fn refresh(
    world: &World,
    request: Refresh,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Vec<Refreshed>>, Refusal> {
    check_text("reason", &request.reason)?;
    if request.agents.is_empty() {
        return Err(Refusal::invalid("agents", "must name at least one machine"));
    }
    for workload in &request.workloads {
        if !world.workloads.contains_key(workload) {
            return Err(Refusal::not_found("pin of workload", workload));
        }
    }
    let mut outcome = Outcome {
        changes: Vec::new(),
        value: Vec::new(),
    };
    for id in request.agents.iter().collect::<BTreeSet<_>>() {
        let agent = agent_of(world, id)?;
        outcome.value.push(refresh_agent(
            world,
            id,
            agent,
            &request,
            by,
            now,
            &mut outcome.changes,
        ));
    }
    Ok(outcome)
}

fn refresh_agent(
    world: &World,
    id: &AgentId,
    agent: &Agent,
    request: &Refresh,
    by: &Actor,
    now: Timestamp,
    changes: &mut Vec<Change>,
) -> Refreshed {
    let mut refreshed = Refreshed {
        agent: id.clone(),
        asked: BTreeMap::new(),
        failed: BTreeMap::new(),
    };
    let generation = agent.generation.max(agent.claimed);
    for workload in workloads(world, id, request) {
        if let Some(obstacle) = obstacle(world, id, agent, workload, now) {
            let failure = Failure::new(FailureKind::Policy, obstacle);
            refreshed.failed.insert(workload.clone(), failure);
            continue;
        }
        refreshed.asked.insert(workload.clone(), generation);
        let act = Act::RefreshAsked {
            agent: id.clone(),
            workload: workload.clone(),
            reason: request.reason.clone(),
        };
        changes.push(decided(by, now, act));
    }
    refreshed
}

fn workloads<'a>(world: &'a World, id: &AgentId, request: &'a Refresh) -> Vec<&'a WorkloadName> {
    if !request.workloads.is_empty() {
        return request.workloads.iter().collect();
    }
    world
        .workloads
        .keys()
        .filter(|workload| world.stable_for(workload, id).is_some())
        .collect()
}

/// Why a machine cannot be asked now.
fn obstacle(
    world: &World,
    id: &AgentId,
    agent: &Agent,
    workload: &WorkloadName,
    now: Timestamp,
) -> Option<String> {
    if agent.revoked.is_some() {
        return Some(format!("{id} is revoked; enrol it anew"));
    }
    if let Some((_, detail, _)) = held(world, id, agent, workload) {
        return Some(format!("{id}: {detail}"));
    }
    if agent.presence != Presence::Online {
        return Some(format!(
            "{id} is not online; it catches up by itself when it is back"
        ));
    }
    let proven = world.proven_for(workload, id);
    let waits = proven.and_then(|(_, proven)| {
        let openings = proven.spec.calendar.state(now);
        shut(proven, &openings, &agent.labels, now)
    });
    if let Some(waits) = waits {
        return Some(format!("{id}: {}", waits.advice()));
    }
    if let Some(rollout) = world.active_rollout(workload)
        && world
            .assignment(id, workload)
            .and_then(|assignment| assignment.rollout())
            == Some(&rollout.id)
    {
        return Some(format!(
            "{} is at work on it there; use `pinion rollout retry {}` if it failed",
            rollout.id, rollout.id
        ));
    }
    world.stable_for(workload, id).is_none().then(|| {
        "no rollout of it has completed on machines like this one; start one first".to_owned()
    })
}
