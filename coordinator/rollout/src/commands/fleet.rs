use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{
    Actor, AgentId, Failure, FailureKind, Generation, Labels, Timestamp, WorkloadName, check_labels,
};

use super::{agent_of, check_text, decided};
use crate::plan::stable_assignment;
use crate::{Act, Agent, Change, Outcome, Presence, Refusal, World};

/// Labels of a machine to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLabels {
    /// Which machine.
    pub agent: AgentId,
    /// An empty value removes the label; others stay.
    pub labels: Labels,
}

/// A machine to go round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldAgent {
    /// Which machine.
    pub agent: AgentId,
    /// Why; not empty.
    pub reason: String,
    /// None: until released.
    pub expires_at: Option<Timestamp>,
}

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
    /// The generation to wait for, by workload.
    pub asked: BTreeMap<WorkloadName, Generation>,
    /// What could not be asked, and why.
    pub failed: BTreeMap<WorkloadName, Failure>,
}

/// Sets and removes labels of a machine. Rollouts that run keep the stages
/// that they froze.
///
/// # Errors
///
/// `NotFound` for an unknown agent, `Invalid` for what cannot be a label.
pub fn set_labels(
    world: &World,
    request: SetLabels,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<AgentId>, Refusal> {
    let agent = agent_of(world, &request.agent)?;
    let mut labels = agent.labels.clone();
    for (key, value) in request.labels {
        if value.is_empty() {
            labels.remove(&key);
        } else {
            labels.insert(key, value);
        }
    }
    check_labels(&labels).map_err(|error| Refusal::invalid("labels", error.to_string()))?;
    if labels == agent.labels {
        return Ok(Outcome::unchanged(request.agent));
    }
    let act = Act::LabelsSet {
        agent: request.agent.clone(),
        labels,
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: request.agent,
    })
}

/// Lets rollouts go round a machine. What is in flight there goes on.
///
/// # Errors
///
/// `NotFound` for an unknown agent, `Invalid` without a reason or with an end that is past.
pub fn hold(
    world: &World,
    request: HoldAgent,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<AgentId>, Refusal> {
    check_text("reason", &request.reason)?;
    agent_of(world, &request.agent)?;
    if request.reason.trim().is_empty() {
        return Err(Refusal::invalid(
            "reason",
            "must say why, so that others know when to release it",
        ));
    }
    if request.expires_at.is_some_and(|end| end <= now) {
        return Err(Refusal::invalid(
            "expires_at",
            format!("must be later than now ({now})"),
        ));
    }
    let act = Act::AgentHeld {
        agent: request.agent.clone(),
        reason: request.reason,
        expires_at: request.expires_at,
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: request.agent,
    })
}

/// Ends a hold, and forgives an identity conflict.
///
/// # Errors
///
/// `NotFound` for an unknown agent.
pub fn release(
    world: &World,
    agent: AgentId,
    reason: &str,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<AgentId>, Refusal> {
    check_text("reason", reason)?;
    if !agent_of(world, &agent)?.is_held() {
        return Ok(Outcome::unchanged(agent));
    }
    let act = Act::AgentReleased {
        agent: agent.clone(),
        reason: reason.to_owned(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: agent,
    })
}

/// Refuses a machine's certificates from now on.
///
/// # Errors
///
/// `NotFound` for an unknown agent.
pub fn revoke_agent(
    world: &World,
    agent: AgentId,
    reason: &str,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<AgentId>, Refusal> {
    check_text("reason", reason)?;
    if agent_of(world, &agent)?.revoked.is_some() {
        return Ok(Outcome::unchanged(agent));
    }
    let act = Act::AgentRevoked {
        agent: agent.clone(),
        reason: reason.to_owned(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: agent,
    })
}

/// Forgets a machine: its certificates are refused, its name is free.
///
/// # Errors
///
/// `NotFound` for an unknown agent.
pub fn remove_agent(
    world: &World,
    agent: AgentId,
    reason: &str,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<AgentId>, Refusal> {
    check_text("reason", reason)?;
    agent_of(world, &agent)?;
    let act = Act::AgentRemoved {
        agent: agent.clone(),
        reason: reason.to_owned(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: agent,
    })
}

/// Asks machines to converge to their stable digests now, also where that
/// failed before. What cannot be asked is in the answer, machine by machine.
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
    let all: Vec<_> = world
        .workloads
        .keys()
        .filter(|workload| world.stable_for(workload, id).is_some())
        .collect();
    let workloads = if request.workloads.is_empty() {
        all
    } else {
        request.workloads.iter().collect()
    };
    let mut refreshed = Refreshed {
        agent: id.clone(),
        asked: BTreeMap::new(),
        failed: BTreeMap::new(),
    };
    let mut generation = world.next_generation(id);
    for workload in workloads {
        let assignment = obstacle(world, id, agent, workload).map_or_else(
            || {
                stable_assignment(world, id, workload, generation, true).ok_or_else(|| {
                    "no rollout of it has completed on machines like this one; start one first"
                        .to_owned()
                })
            },
            Err,
        );
        match assignment {
            Ok(assignment) => {
                refreshed.asked.insert(workload.clone(), generation);
                generation = generation.next();
                let act = Act::Assigned {
                    agent: id.clone(),
                    assignment,
                    reason: reason(&request.reason),
                };
                changes.push(decided(by, now, act));
            }
            Err(message) => {
                refreshed
                    .failed
                    .insert(workload.clone(), Failure::new(FailureKind::Policy, message));
            }
        }
    }
    refreshed
}

fn reason(said: &str) -> String {
    if said.is_empty() {
        "refresh".to_owned()
    } else {
        format!("refresh: {said}")
    }
}

/// Why a machine cannot be asked now.
fn obstacle(world: &World, id: &AgentId, agent: &Agent, workload: &WorkloadName) -> Option<String> {
    if agent.revoked.is_some() {
        return Some(format!("{id} is revoked; enrol it anew"));
    }
    if agent.is_held() {
        return Some(format!("{id} is held; release it first"));
    }
    if agent.presence != Presence::Online {
        return Some(format!(
            "{id} is not online; it catches up by itself when it is back"
        ));
    }
    let rollout = world.active_rollout(workload)?;
    let owned = world
        .assignment(id, workload)
        .and_then(|assignment| assignment.rollout())
        == Some(&rollout.id);
    owned.then(|| {
        format!(
            "{} is at work on it there; use `pinion rollout retry {}` if it failed",
            rollout.id, rollout.id
        )
    })
}
