use pinion_model::AgentPhase;

use super::agent::{Found, offline};
use crate::world::Way;
use crate::{Agent, Member, Rollout};

/// A machine whose rollout is taken back. None: it is where it should be.
pub(super) fn on_its_way(
    way: Way,
    rollout: &Rollout,
    member: &Member,
    agent: Option<&Agent>,
) -> Option<Found> {
    match way {
        Way::Away => Some(offline(agent, "it is taken back when it is online again")),
        Way::GoingOffline => Some(offline(
            agent,
            "it was on its way back, and goes on when it is online again",
        )),
        Way::Todo | Way::Busy => Some(("rolling_back", turn(rollout), member.since)),
        Way::Going | Way::Astray => Some(("rolling_back", going(member), member.since)),
        Way::Back => arrived(rollout, member, agent),
    }
}

fn turn(rollout: &Rollout) -> String {
    let limit = rollout.spec.rollback_in_flight;
    format!("it is about to be taken back; at most {limit} of the machines are at once")
}

fn going(member: &Member) -> String {
    let (what, phase) = match &member.restore {
        Some(restore) => ("on its way back to what it ran before", restore.phase),
        None => (
            "what was asked of it before comes to its end first",
            member.phase,
        ),
    };
    let phase = phase.map_or("not reported yet", AgentPhase::word);
    format!("{what}: {phase}")
}

/// What became of a machine that was taken back, unless all is well.
pub(super) fn arrived(rollout: &Rollout, member: &Member, agent: Option<&Agent>) -> Option<Found> {
    let restore = member.restore.as_ref()?;
    if let Some(failure) = &restore.failure {
        let detail = format!("it did not get back to what it ran before: {failure}");
        return Some(("failed", detail, member.since));
    }
    let placement = agent.and_then(|agent| agent.placements.get(&rollout.workload));
    let stays = placement
        .and_then(|placement| placement.assignment.as_ref())
        .is_some_and(|assignment| assignment.generation == restore.generation);
    if restore.digest.is_some() || !stays {
        return None;
    }
    let detail = format!(
        "it stays on {}: no other digest was ever proven healthy on it or stable, or it is quarantined; promote one that should run, and roll it out",
        rollout.digest().short()
    );
    Some(("nothing_to_go_back_to", detail, member.since))
}
