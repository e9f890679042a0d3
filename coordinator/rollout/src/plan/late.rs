use pinion_model::{RolloutPhase, Timestamp};

use crate::{Act, Change, Decision, Rollout, World};

/// Takes machines into the open stage that came, or came back, after their own
/// stage was frozen or had passed: they get what it has, through the same proof.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let running = world.active_rollouts().filter(|rollout| {
        rollout.phase == RolloutPhase::Running && rollout.is_open(rollout.open_stage)
    });
    running
        .flat_map(|rollout| join(world, rollout, now))
        .collect()
}

fn join(world: &World, rollout: &Rollout, now: Timestamp) -> impl Iterator<Item = Change> {
    let late = world.index.late.get(&rollout.id).into_iter();
    let stages = late.flat_map(|late| late.range(..=rollout.open_stage));
    stages
        .flat_map(|(_, agents)| agents.iter())
        .map(move |agent| {
            let act = Act::MemberJoined {
                rollout: rollout.id.clone(),
                agent: agent.clone(),
                stage: rollout.open_stage,
            };
            Decision::system(now, act).into()
        })
}
