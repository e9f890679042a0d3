use pinion_model::{AgentId, AgentPhase, RolloutPhase};

use super::agent::{Found, offline};
use super::held::held;
use super::others::busy;
use crate::gates::Verdict;
use crate::gates::restore::check;
use crate::world::Way;
use crate::{Agent, Member, Restore, Rollout, Standing, World};

/// Nobody takes it back, and it does not stay.
const TO_STABLE: &str = "it could not be reached while the others were taken back; it gets the stable digest when its turn comes, a tenth of the fleet at a time";

/// A machine whose rollout is taken back. None: it is where it should be.
pub(super) fn on_its_way(
    world: &World,
    rollout: &Rollout,
    id: &AgentId,
    member: &Member,
    way: Way,
) -> Option<Found> {
    let agent = world.agents.get(id);
    match way {
        Way::Held => on_hold(world, rollout, id, member),
        Way::ToStable => Some(("rolling_back", TO_STABLE.to_owned(), member.since)),
        Way::Stuck | Way::Back => arrived(world, rollout, id, member),
        Way::Going | Way::Astray => {
            let detail = going(member, waits_for(agent, rollout));
            Some(("rolling_back", detail, member.since))
        }
        Way::GoingOffline => Some(offline(
            agent,
            "it was on its way back, and goes on when it is online again",
        )),
        Way::Todo | Way::Busy | Way::Away => stands(world, rollout, member).or_else(|| match way {
            Way::Away => Some(offline(agent, "it is taken back when it is online again")),
            Way::Busy => busy(agent?, &rollout.workload),
            _ => Some(("rolling_back", turn(rollout), member.since)),
        }),
    }
}

/// Nobody is sent back now, whatever keeps this one.
fn stands(world: &World, rollout: &Rollout, member: &Member) -> Option<Found> {
    let id = &rollout.id;
    let (word, detail) = match (rollout.phase, check(world, rollout)) {
        (RolloutPhase::Paused | RolloutPhase::Halted, _) => (
            rollout.phase.word(),
            format!(
                "it {}, and its way back is {} ({}); `pinion rollout resume {id}` goes on",
                runs(rollout, member),
                rollout.phase,
                rollout.reason
            ),
        ),
        (phase, Verdict::Stop(stop)) if phase.is_terminal() => (
            "halted",
            format!(
                "it {}, and {id} takes no more machines back: {}; roll out a pin that should run",
                runs(rollout, member),
                stop.reason
            ),
        ),
        _ => return None,
    };
    Some((word, detail, rollout.since.max(member.since)))
}

/// What a machine that was not taken back yet runs meanwhile.
fn runs(rollout: &Rollout, member: &Member) -> String {
    let sure = matches!(member.standing(), Standing::Settled | Standing::Soaking);
    let runs = if sure { "still runs" } else { "may still run" };
    format!("{runs} {}", rollout.digest().short())
}

/// An operator's hold keeps it from being taken back.
fn on_hold(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> Option<Found> {
    let (word, why, since) = held(world, id, world.agents.get(id)?, &rollout.workload)?;
    let detail = format!(
        "it {}, which is taken back everywhere else; it goes back once it is released: {why}",
        runs(rollout, member)
    );
    Some((word, detail, since))
}

/// It did not get back: what it was, and what tries once more.
fn not_back(world: &World, rollout: &Rollout, id: &AgentId, restore: &Restore) -> String {
    let failure = restore
        .failure
        .as_ref()
        .map(|failure| format!(": {failure}"));
    let lost = match restore.phase {
        Some(AgentPhase::RollbackFailed) => "; its container is lost: look at the machine first",
        _ => "",
    };
    let again = format!(
        "`pinion rollout retry {} --agent {id}` sends it once more",
        rollout.id
    );
    let next = match rollout.phase {
        RolloutPhase::Halted => {
            format!(
                "{again}, `pinion rollout resume {}` goes on without it",
                rollout.id
            )
        }
        phase if !phase.is_terminal() => again,
        _ if world.stable_for(&rollout.workload, id).is_some() => {
            format!("`pinion agent refresh {id}` tries the stable digest once more")
        }
        _ => "promote a digest that should run, and roll it out".to_owned(),
    };
    format!(
        "it did not get back to what it ran before{}{lost}; {next}",
        failure.unwrap_or_default()
    )
}

fn turn(rollout: &Rollout) -> String {
    let limit = rollout.spec.rollback_in_flight;
    format!("it is about to be taken back; at most {limit} of the machines are at once")
}

/// What the machine says that it waits for; empty if for nothing.
fn waits_for<'a>(agent: Option<&'a Agent>, rollout: &Rollout) -> &'a str {
    let placement = agent.and_then(|agent| agent.placements.get(&rollout.workload));
    placement.map_or("", |placement| &placement.waiting_for)
}

fn going(member: &Member, waits_for: &str) -> String {
    let (what, phase) = match &member.restore {
        Some(restore) => ("on its way back to what it ran before", restore.phase),
        None => (
            "what was asked of it before comes to its end first",
            member.phase,
        ),
    };
    let phase = phase.map_or("not reported yet", AgentPhase::word);
    match waits_for {
        "" => format!("{what}: {phase}"),
        why => format!("{what}: {phase}: {why}"),
    }
}

/// What became of a machine that was taken back, unless all is well.
pub(super) fn arrived(
    world: &World,
    rollout: &Rollout,
    id: &AgentId,
    member: &Member,
) -> Option<Found> {
    let restore = member.restore.as_ref()?;
    if restore.failure.is_some() {
        let detail = not_back(world, rollout, id, restore);
        return Some(("failed", detail, member.since));
    }
    let agent = world.agents.get(id);
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
