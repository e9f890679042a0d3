use pinion_model::{AgentId, RolloutPhase, Timestamp};

use super::agent::{Found, offline};
use super::ahead;
use super::others::others;
use super::shut::shut;
use crate::gates::approval::approver;
use crate::gates::{View, room};
use crate::world::Class;
use crate::{Agent, Member, OfflinePolicy, Rollout, Stage, World};

/// What holds a member that was not assigned: the rollout as a whole, its
/// stage, or its place in the stage.
pub(super) fn pending(
    world: &World,
    rollout: &Rollout,
    stage: &Stage,
    id: &AgentId,
    class: Class,
    now: Timestamp,
) -> Option<Found> {
    let member = rollout.members.get(id)?;
    let agent = world.agents.get(id);
    let found = ahead::quarantined(world, rollout)
        .or_else(|| ahead::failed(rollout, member, id, agent))
        .or_else(|| by_rollout(rollout, stage, member))
        .or_else(|| ahead::pulling(world, rollout, member, class, agent, now))
        .or_else(|| by_stage(rollout, stage, member))
        .or_else(|| by_calendar(rollout, stage, member, class, agent, now))
        .or_else(|| others(world, rollout, id, class, now))
        .unwrap_or_else(|| in_open_stage(world, rollout, member, class, agent));
    Some(found)
}

fn by_rollout(rollout: &Rollout, stage: &Stage, member: &Member) -> Option<Found> {
    let resume = |what: &str| {
        format!(
            "the rollout is {what} ({}); `pinion rollout resume {}` goes on",
            rollout.reason, rollout.id
        )
    };
    let waits = rollout.open_stage == member.stage as usize;
    let (word, detail) = match rollout.course() {
        RolloutPhase::Paused => ("paused", resume("paused")),
        RolloutPhase::Halted => ("halted", resume("halted")),
        RolloutPhase::Aborting => (
            "aborting",
            format!("the rollout is ending: {}", rollout.reason),
        ),
        RolloutPhase::RollingBack => (
            "rolling_back",
            "the rollout is taken back; this machine was not reached".to_owned(),
        ),
        RolloutPhase::AwaitingApproval if waits => {
            let (name, who) = (&stage.rules.name, approver(stage));
            (
                "awaiting_approval",
                format!(
                    "stage {name} waits for approval: {who}`pinion rollout show {}` has its plan, and what approves it",
                    rollout.id
                ),
            )
        }
        _ => return None,
    };
    Some((word, detail, rollout.since))
}

fn by_stage(rollout: &Rollout, stage: &Stage, member: &Member) -> Option<Found> {
    let (number, name) = (member.stage as usize, &stage.rules.name);
    if number < rollout.open_stage {
        let detail = format!(
            "stage {name} passed without it; it joins the stage that is open when it can be reached, or catches up with the stable digest once the rollout has completed"
        );
        return Some((
            "stage_passed",
            detail,
            stage.passed_at.unwrap_or(member.since),
        ));
    }
    if number > rollout.open_stage || stage.opened_at.is_none() {
        let open = rollout
            .open()
            .map(|open| open.rules.name.to_string())
            .unwrap_or_default();
        let detail = format!("stage {name} opens when stage {open} has passed");
        return Some(("stage_not_open", detail, rollout.started.at));
    }
    None
}

/// Its windows are shut, or it is frozen.
fn by_calendar(
    rollout: &Rollout,
    stage: &Stage,
    member: &Member,
    class: Class,
    agent: Option<&Agent>,
    now: Timestamp,
) -> Option<Found> {
    let agent = agent.filter(|_| class == Class::Shut)?;
    let shut = shut(rollout, &rollout.openings, &agent.labels, now)?;
    let since = shut.since(member.since.max(stage.opened_at.unwrap_or_default()));
    Some((shut.word, shut.advice(), since))
}

fn in_open_stage(
    world: &World,
    rollout: &Rollout,
    member: &Member,
    class: Class,
    agent: Option<&Agent>,
) -> Found {
    match class {
        Class::Offline => offline(agent, &turn(rollout, member, agent)),
        Class::Unknown => (
            "unknown",
            "not seen since the coordinator started; known within 90 s".to_owned(),
            agent.map(|agent| agent.presence_since).unwrap_or_default(),
        ),
        _ => {
            let mut stages = View::all(world, rollout, member.since);
            let bound = stages
                .nth(member.stage as usize)
                .map(|view| (room::bound(view), view));
            let (word, detail) = bound.map_or(
                ("limit_in_flight", "its turn comes".to_owned()),
                |(bound, view)| (bound.word(), bound.detail(view)),
            );
            (word, detail, member.since)
        }
    }
}

/// What an offline machine's stage does.
fn turn(rollout: &Rollout, member: &Member, agent: Option<&Agent>) -> String {
    if member.late {
        return "it joined late, so its stage does not wait for it".to_owned();
    }
    let (policy, grace) = (rollout.spec.offline, rollout.spec.offline_grace);
    let from = match agent.filter(|_| !grace.is_zero()) {
        Some(agent) => format!(" from {} on", agent.presence_since + grace),
        None => String::new(),
    };
    match policy {
        OfflinePolicy::Wait => "its stage waits until it is back".to_owned(),
        OfflinePolicy::Skip => {
            format!("its stage goes on without it{from} unless it comes back before")
        }
        OfflinePolicy::Fail => format!("its stage counts it as failed{from}"),
    }
}
