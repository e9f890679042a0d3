use pinion_model::{AgentId, Timestamp};

use super::agent::{Found, offline};
use crate::gates::Verdict;
use crate::gates::prefetch::{Pass, wait};
use crate::world::Class;
use crate::{Agent, Member, Rollout, World};

/// Its pull ahead failed, and the pass is not over.
pub(super) fn failed(
    rollout: &Rollout,
    member: &Member,
    id: &AgentId,
    agent: Option<&Agent>,
) -> Option<Found> {
    let over = rollout.prefetch.as_ref()?.passed_at.is_some() || rollout.phase.is_terminal();
    let failure = member.prefetch.as_ref()?.failure.as_ref()?;
    let detail = format!(
        "{failure}; no container was touched; it pulls again when its turn in its stage comes, or with `pinion rollout retry {} --agent {id}`",
        rollout.id
    );
    let placement = agent.and_then(|agent| agent.placements.get(&rollout.workload));
    let ahead = placement.and_then(|placement| placement.ahead.as_ref());
    let since = ahead.map_or(member.since, |ahead| ahead.since);
    (!over).then_some(("prefetch_failed", detail, since))
}

/// The rollout's digest may not go to any more machines.
pub(super) fn quarantined(world: &World, rollout: &Rollout) -> Option<Found> {
    let known = world.quarantined(rollout.digest())?;
    let since = known.imposed.as_ref()?.at;
    Some(("quarantined", known.sentence(rollout.digest())?, since))
}

/// The pass ahead of the stages is not over: what the machine has to do with it.
pub(super) fn pulling(
    world: &World,
    rollout: &Rollout,
    member: &Member,
    class: Class,
    agent: Option<&Agent>,
    now: Timestamp,
) -> Option<Found> {
    let pass = Pass::of(world, rollout, now)?;
    if class == Class::Offline {
        return Some(offline(
            agent,
            "the prefetch goes round it; it pulls when its turn comes",
        ));
    }
    if class == Class::Unknown {
        return None;
    }
    let placement = agent.and_then(|agent| agent.placements.get(&rollout.workload));
    let ahead = placement.and_then(|placement| placement.ahead.as_ref());
    let asked = member.prefetch.as_ref().is_some_and(|pull| !pull.is_over());
    if let Some(ahead) = ahead.filter(|_| asked) {
        let phase = ahead
            .phase
            .map_or("asked, not reported yet", pinion_model::AgentPhase::word);
        let why = match &*ahead.waiting_for {
            "" => String::new(),
            why => format!(": {why}"),
        };
        let detail = format!("it pulls the image, and touches no container: {phase}{why}");
        return Some(("prefetching", detail, ahead.since));
    }
    let waits = match wait(pass) {
        Verdict::Wait(wait) => wait.detail,
        _ => "the prefetch to begin".to_owned(),
    };
    let since = pass.known.opened_at.unwrap_or(rollout.started.at);
    let detail = format!("no stage opens before the prefetch has passed; it waits for {waits}");
    Some(("prefetch_not_passed", detail, since))
}
