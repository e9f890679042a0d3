use crate::world::{FleetHold, Touched};
use crate::{Act, Decision, World};

/// Holds of selectors and workloads, which are about any machine.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    match &decision.act {
        Act::HoldPlaced { id, hold } => {
            let before = world.holds.insert(id.clone(), hold.clone());
            world.holds_placed += 1;
            for hold in before.iter().chain([hold]) {
                touch(world, hold, touched);
            }
            touched.holds.insert(id.clone());
        }
        Act::HoldLifted { id, .. } => {
            if let Some(hold) = world.holds.remove(id) {
                touch(world, &hold, touched);
            }
            touched.holds.insert(id.clone());
        }
        _ => {}
    }
}

/// The machines that it matches; all there is to them only where it is about
/// every workload.
fn touch(world: &World, hold: &FleetHold, touched: &mut Touched) {
    let agents = world.agents.iter();
    let matching = agents.filter(|(_, agent)| hold.agents.matches(&agent.labels));
    let matching = matching.map(|(id, _)| id);
    let Some(workload) = &hold.workload else {
        return touched.agents.extend(matching.cloned());
    };
    let draining = world.index.draining.iter();
    let draining = draining.filter_map(|id| world.rollouts.get(id));
    let draining: Vec<_> = draining
        .filter(|rollout| rollout.workload == *workload)
        .collect();
    for agent in matching {
        let placement = (workload.clone(), agent.clone());
        touched.placements.insert(placement);
        let drained = draining.iter().map(|rollout| rollout.id.clone());
        touched
            .members
            .extend(drained.map(|id| (id, agent.clone())));
    }
}
