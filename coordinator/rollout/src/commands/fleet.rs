use pinion_model::{Actor, AgentId, Labels, Timestamp, check_labels};

use super::{agent_of, check_text, decided};
use crate::{Act, Outcome, Refusal, World};

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
    let mut labels = Labels::clone(&agent.labels);
    for (key, value) in request.labels {
        if value.is_empty() {
            labels.remove(&key);
        } else {
            labels.insert(key, value);
        }
    }
    check_labels(&labels).map_err(|error| Refusal::invalid("labels", error.to_string()))?;
    if labels == *agent.labels {
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
