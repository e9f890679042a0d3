use pinion_model::{AgentId, AgentPhase, RolloutId, RolloutPhase, Timestamp};

use super::failed::failed;
use super::held::held;
use super::kept::not_kept;
use super::over::{caught_up, over};
use super::pending::pending;
use super::shut::shut;
use super::{Reason, back};
use crate::spec::stage_of_late;
use crate::world::{CatchUp, Class, Way};
use crate::{Agent, Member, Presence, Rollout, Stage, World};

/// What holds a member: a word, what about it, and since when.
pub(crate) type Found = (&'static str, String, Timestamp);

/// Why an agent is not done in a rollout. None: it is, or there is no such
/// rollout or agent.
#[must_use]
pub fn explain(
    world: &World,
    rollout: &RolloutId,
    agent: &AgentId,
    now: Timestamp,
) -> Option<Reason> {
    let rollout = world.rollouts.get(rollout)?;
    let known = world.agents.get(agent);
    if rollout.phase == RolloutPhase::Queued {
        let known = known.filter(|known| known.revoked.is_none());
        let selected = known.filter(|known| rollout.spec.agents.matches(&known.labels));
        return selected.map(|_| queued(rollout));
    }
    let Some(member) = rollout.members.get(agent) else {
        return known
            .filter(|agent| agent.revoked.is_none())
            .map(|known| outside(rollout, agent, known));
    };
    let stage = rollout.stages.get(member.stage as usize)?;
    let (word, detail, since) = found(world, rollout, stage, member, agent, now)?;
    Some(Reason {
        stage: Some(stage.rules.name.clone()),
        word,
        detail,
        since,
    })
}

/// The same for every agent of the rollout that is not done, in the order of
/// the stages, then those that are not members.
#[must_use]
pub fn explain_all(world: &World, rollout: &RolloutId, now: Timestamp) -> Vec<(AgentId, Reason)> {
    let Some(known) = world.rollouts.get(rollout) else {
        return Vec::new();
    };
    let in_stage = |stage: usize, agent: &AgentId| {
        let member = known.members.get(agent);
        member.is_some_and(|member| member.stage as usize == stage)
    };
    let stages = known.stages.iter().enumerate();
    let members = stages
        .flat_map(|(number, stage)| stage.agents().filter(move |agent| in_stage(number, agent)));
    // Of whom nothing is known, there is nothing to list.
    let others = world.agents.keys().filter(|_| known.trimmed.is_none());
    let others = others.filter(|agent| !known.members.contains_key(*agent));
    let reasons = members
        .chain(others)
        .filter_map(|agent| Some((agent.clone(), explain(world, rollout, agent, now)?)));
    reasons.collect()
}

/// Nobody is in it yet: its stages are frozen when it begins.
fn queued(rollout: &Rollout) -> Reason {
    Reason {
        stage: None,
        word: "queued",
        detail: format!("the rollout is queued: {}", rollout.reason),
        since: rollout.since,
    }
}

fn outside(rollout: &Rollout, id: &AgentId, agent: &Agent) -> Reason {
    if !rollout.phase.is_terminal()
        && let Some(stage) = stage_of_late(rollout, id, &agent.labels)
    {
        let name = &rollout.stages[stage].rules.name;
        return Reason {
            stage: Some(name.clone()),
            word: "joins_late",
            detail: format!(
                "it came after the stages were frozen; it has the stable digest, and joins stage {name} when that is open and it can be reached"
            ),
            since: rollout.started.at.max(agent.enrolled_at),
        };
    }
    let after = |ended| agent.enrolled_at > ended;
    let came_after = rollout.ended_at.is_some_and(after);
    let named = rollout.left_out.binary_search(id).is_ok();
    if rollout.trimmed.is_some() && !named && !came_after {
        return not_kept(rollout);
    }
    let detail = if named {
        "no stage of the rollout took it; add a stage with rest = true to the next".to_owned()
    } else if agent.enrolled_at <= rollout.started.at || !rollout.spec.agents.matches(&agent.labels)
    {
        format!("the rollout is for machines with {}", rollout.spec.agents)
    } else if rollout.is_for(id, agent) {
        "it came after the rollout began, and did not join it before its end; it gets the digest that is stable for it".to_owned()
    } else {
        "it came after the rollout began, and none of its stages takes it; it gets the digest that is stable for it, which this one does not become".to_owned()
    };
    Reason {
        stage: None,
        word: "not_a_member",
        detail,
        since: rollout.started.at.max(agent.enrolled_at),
    }
}

fn found(
    world: &World,
    rollout: &Rollout,
    stage: &Stage,
    member: &Member,
    id: &AgentId,
    now: Timestamp,
) -> Option<Found> {
    let agent = world.agents.get(id);
    if rollout.rolled_back
        && let Some(way) = Way::of(world, rollout, id, member)
    {
        return back::on_its_way(world, rollout, id, member, way);
    }
    if rollout.is_back() && member.restore.is_some() && member.was_changed() {
        return back::arrived(world, rollout, id, member);
    }
    let class = Class::of(world, rollout, id, member);
    match class {
        Class::Passed | Class::Failed | Class::Acknowledged | Class::Excused if caught_up(rollout, agent) => None,
        Class::Settled => drifted(rollout, member, agent).or_else(|| untidy(rollout, member, agent)),
        Class::Staged => Some(("staged", "the image is pulled and tagged, but no container of it runs there, so nothing is proven; the machine's next container starts from it".to_owned(), member.since)),
        Class::Failed | Class::Acknowledged | Class::Excused => Some(("failed", failed(world, rollout, member, id), member.since)),
        Class::Passed => Some(passed(world, rollout, member, id, now)),
        Class::Gone => Some(gone(member, agent)),
        Class::Soaking => Some(("soaking", "the new container is healthy; the old one is kept until the soak ends".to_owned(), member.since)),
        Class::Held => held(world, id, agent?, &rollout.workload),
        Class::Sick => Some(("sick_before", "its containers were sick before the rollout, which goes round such machines; heal it, and it gets the digest when the rollout has completed".to_owned(), rollout.started.at)),
        Class::Ready | Class::Offline | Class::Unknown | Class::Shut | Class::After | Class::Busy => pending(world, rollout, stage, id, class, now),
        _ => Some(in_flight(class, member, agent)),
    }
}

fn drifted(rollout: &Rollout, member: &Member, agent: Option<&Agent>) -> Option<Found> {
    let placement = agent?.placements.get(&rollout.workload)?;
    let detail = "it settled, but a container no longer runs the digest; `pinion agent refresh` brings the stable one back";
    placement
        .drifted
        .then(|| ("drifted", detail.to_owned(), member.since))
}

fn untidy(rollout: &Rollout, member: &Member, agent: Option<&Agent>) -> Option<Found> {
    let placement = agent?.placements.get(&rollout.workload)?;
    let own = placement.generation() == member.generation;
    let failure = placement.untidy.as_ref().filter(|_| own)?;
    let detail = format!("it runs the digest, proven, but could not tidy up: {failure}");
    Some(("settled_with_failure", detail, member.since))
}

/// One that the rollout went without; it may wait for a window to catch up.
fn passed(
    world: &World,
    rollout: &Rollout,
    member: &Member,
    id: &AgentId,
    now: Timestamp,
) -> Found {
    let agent = world.agents.get(id).filter(|agent| {
        let catch_up = CatchUp::of(world, &rollout.workload, id, agent);
        let proven = world.proven_for(&rollout.workload, id);
        let mine = proven.is_some_and(|(_, proven)| proven.id == rollout.id);
        catch_up == Some(CatchUp::Shut) && mine
    });
    match agent.and_then(|agent| shut(rollout, &rollout.openings, &agent.labels, now)) {
        Some(shut) => {
            let since = shut.since(rollout.since);
            (shut.word, shut.advice(), since)
        }
        None => ("over", over(world, rollout, id, member), rollout.since),
    }
}

fn gone(member: &Member, agent: Option<&Agent>) -> Found {
    match agent.and_then(|agent| agent.revoked.as_ref()) {
        Some(by) => (
            "revoked",
            format!("revoked by {}: {}", by.actor, by.reason),
            by.at,
        ),
        None => (
            "removed",
            "the machine was removed from the fleet".to_owned(),
            member.since,
        ),
    }
}

pub(super) fn offline(agent: Option<&Agent>, then: &str) -> Found {
    let since = agent.map(|agent| agent.presence_since).unwrap_or_default();
    (
        "offline",
        format!("its agent has no session; {then}"),
        since,
    )
}

fn in_flight(class: Class, member: &Member, agent: Option<&Agent>) -> Found {
    let phase = member
        .phase
        .map_or("assigned, not reported yet", AgentPhase::word);
    match class {
        Class::AskedShut => (
            "withdrawing",
            format!(
                "its maintenance window is over, and it has not cut over ({phase}): it is taken back"
            ),
            member.since,
        ),
        Class::Withdrawing => (
            "withdrawing",
            format!("taken back before its cut-over ({phase}); the agent has not confirmed it yet"),
            member.since,
        ),
        Class::AskedOffline | Class::WithdrawingOffline | Class::CutOverOffline => offline(
            agent,
            &format!("it was {phase} when it went; it goes on when it is back"),
        ),
        _ if member.deferred => ("in_use", doing(phase, member, agent), member.since),
        _ => ("in_flight", doing(phase, member, agent), member.since),
    }
}

/// How far it is, and what it waits for, as far as its agent was heard.
fn doing(phase: &str, member: &Member, agent: Option<&Agent>) -> String {
    let waiting = match &*member.waiting_for {
        "" => String::new(),
        what => format!(": {what}"),
    };
    let unknown = match agent.map(|agent| agent.presence) {
        Some(Presence::Unknown) => {
            "; its agent was not seen since the coordinator started, and is offline if it does not come within 90 s"
        }
        _ => "",
    };
    format!("{phase}{waiting}{unknown}")
}
