use std::collections::BTreeSet;

use pinion_model::{Actor, AgentId, RolloutId, RolloutPhase, Timestamp};

use super::steer::has_begun;
use super::{check_text, decided, quarantine, rollout_of};
use crate::{Act, Member, Outcome, Refusal, Rollout, Standing, World};

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

/// Asks agents whose attempt, or whose pull ahead of it, failed to try once
/// more; their stage opens again. Where the rollout takes its machines back,
/// those that did not get there are sent once more. A rollout that is halted stays so until it is
/// resumed, unless it had been resumed in knowledge of these failures and only
/// halted again because too little was proven without them. Answers who was asked.
///
/// # Errors
///
/// `NotFound` for an unknown rollout or an agent that is no member of it,
/// `Precondition` if it is over or ending, its digest is quarantined, or a named
/// agent has not failed.
pub fn retry(
    world: &World,
    request: RetryAgents,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Vec<AgentId>>, Refusal> {
    check_text("reason", &request.reason)?;
    let rollout = rollout_of(world, &request.rollout)?;
    has_begun(world, rollout)?;
    let ends = rollout.phase == RolloutPhase::Aborting && !rollout.rolled_back;
    if rollout.phase.is_terminal() || ends {
        let message = format!(
            "{} is {}; use `pinion agent refresh` to bring a machine to the stable digest",
            rollout.id, rollout.phase
        );
        return Err(Refusal::precondition(message));
    }
    if !rollout.rolled_back {
        quarantine::refuse(world, rollout.digest())?;
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
        let failed = members.filter(|(_, member)| has_failed(rollout, member));
        return Ok(failed.map(|(agent, _)| agent.clone()).collect());
    }
    for agent in named {
        let Some(member) = rollout.members.get(agent) else {
            return Err(Refusal::not_found("agent in that rollout", agent));
        };
        if !has_failed(rollout, member) {
            return Err(Refusal::precondition(format!(
                "{agent} has not failed in {}",
                rollout.id
            )));
        }
    }
    Ok(named.iter().cloned().collect())
}

/// Its turn failed, or its pull ahead of it while that still counts; or its way
/// back, where there is one.
fn has_failed(rollout: &Rollout, member: &Member) -> bool {
    if rollout.rolled_back {
        let restore = member.restore.as_ref();
        return restore.is_some_and(|restore| restore.failure.is_some());
    }
    let pass = rollout.prefetch.as_ref();
    let pulls = pass.is_some_and(|pass| pass.passed_at.is_none());
    let pull = member.prefetch.as_ref().filter(|_| pulls);
    member.standing() == Standing::Failed || pull.is_some_and(|pull| pull.failure.is_some())
}
