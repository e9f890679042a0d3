use std::collections::BTreeSet;

use pinion_model::{Actor, AgentId, RolloutId, RolloutPhase, Timestamp};

use super::{check_text, decided, rollout_of};
use crate::{Act, Outcome, Refusal, Rollout, Standing, World};

/// Agents that failed, to try the same digest once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryAgents {
    /// In which rollout.
    pub rollout: RolloutId,
    /// Empty: every agent of it that failed.
    pub agents: Vec<AgentId>,
    /// Why; may be empty.
    pub reason: String,
}

/// Asks agents whose attempt failed to try once more; their stage opens again.
/// A rollout that is halted stays so until it is resumed. Answers who was asked.
///
/// # Errors
///
/// `NotFound` for an unknown rollout or an agent that is no member of it,
/// `Precondition` if it is over or going back, or a named agent has not failed.
pub fn retry(
    world: &World,
    request: RetryAgents,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Vec<AgentId>>, Refusal> {
    check_text("reason", &request.reason)?;
    let rollout = rollout_of(world, &request.rollout)?;
    if rollout.phase.is_terminal()
        || matches!(
            rollout.phase,
            RolloutPhase::RollingBack | RolloutPhase::Aborting
        )
    {
        let message = format!(
            "{} is {}; use `pinion agent refresh` to bring a machine to the stable digest",
            rollout.id, rollout.phase
        );
        return Err(Refusal::precondition(message));
    }
    let agents = failed(rollout, &request.agents)?;
    let value = agents.iter().cloned().collect();
    if agents.is_empty() {
        return Ok(Outcome::unchanged(value));
    }
    let act = Act::AgentsRetried {
        rollout: rollout.id.clone(),
        agents,
        reason: request.reason,
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value,
    })
}

fn failed(rollout: &Rollout, named: &[AgentId]) -> Result<BTreeSet<AgentId>, Refusal> {
    if named.is_empty() {
        let members = rollout.members.iter();
        let failed = members.filter(|(_, member)| member.standing() == Standing::Failed);
        return Ok(failed.map(|(agent, _)| agent.clone()).collect());
    }
    for agent in named {
        let Some(member) = rollout.members.get(agent) else {
            return Err(Refusal::not_found("agent in that rollout", agent));
        };
        if member.standing() != Standing::Failed {
            return Err(Refusal::precondition(format!(
                "{agent} has not failed in {}",
                rollout.id
            )));
        }
    }
    Ok(named.iter().cloned().collect())
}
