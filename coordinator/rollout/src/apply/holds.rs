use crate::world::Touched;
use crate::{Act, Decision, World};

/// Holds of selectors and workloads, which are about any machine.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    match &decision.act {
        Act::HoldPlaced { id, hold } => {
            world.holds.insert(id.clone(), hold.clone());
            world.holds_placed += 1;
        }
        Act::HoldLifted { id, .. } => {
            world.holds.remove(id);
        }
        _ => return,
    }
    touched.all_agents = true;
}
