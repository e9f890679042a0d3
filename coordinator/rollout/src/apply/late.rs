use pinion_model::{AgentId, RolloutId, Timestamp};

use crate::spec::enlisted;
use crate::world::Touched;
use crate::{Act, Decision, Member, World};

/// Machines that join a rollout after its stages were frozen.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    if let Act::MemberJoined {
        rollout,
        agent,
        stage,
    } = &decision.act
    {
        join(world, rollout, agent, *stage, decision.at, touched);
    }
}

fn join(
    world: &mut World,
    id: &RolloutId,
    name: &AgentId,
    stage: usize,
    at: Timestamp,
    touched: &mut Touched,
) {
    let (Some(rollout), Some(agent)) = (world.rollouts.get_mut(id), world.agents.get(name)) else {
        return;
    };
    let digest = rollout.digest().clone();
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let Some(joined) = rollout.stages.get_mut(stage) else {
        return;
    };
    let seat = (
        number(stage),
        number(joined.order.len() + joined.late.len()),
    );
    let member = match rollout.members.get(name) {
        Some(old) if old.stage == seat.0 => return,
        Some(old) => {
            touched.left.push((id.clone(), old.stage, old.place));
            let (stage, place) = seat;
            Member {
                stage,
                place,
                ..old.clone()
            }
        }
        None => enlisted(agent, &rollout.workload, &digest, seat, at),
    };
    joined.late.push(name.clone());
    let late = Member {
        late: true,
        since: at,
        ..member
    };
    rollout.members.insert(name.clone(), late);
    touched.agents.insert(name.clone());
}
