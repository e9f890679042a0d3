use pinion_model::Timestamp;

use crate::{Act, Change, Decision, Observation, World};

/// What time and the agents' sessions bring by themselves.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let expired = world.index.holds.by(now).map(|agent| {
        Decision::system(
            now,
            Act::HoldExpired {
                agent: agent.clone(),
            },
        )
        .into()
    });
    let away = world.index.unknown.by(now).map(|agent| {
        let epoch = world
            .agents
            .get(agent)
            .map(|known| known.epoch)
            .unwrap_or_default();
        Observation::Offline {
            agent: agent.clone(),
            epoch,
            at: now,
        }
        .into()
    });
    let ahead = world.index.ahead.iter().map(|agent| {
        let generation = world.next_generation(agent);
        Decision::system(
            now,
            Act::GenerationRaised {
                agent: agent.clone(),
                generation,
            },
        )
        .into()
    });
    let lifted = world.index.fleet_holds.by(now).map(|id| {
        let act = Act::HoldLifted {
            id: id.clone(),
            reason: "it had an end, which has come".to_owned(),
        };
        Decision::system(now, act).into()
    });
    expired.chain(lifted).chain(away).chain(ahead).collect()
}
