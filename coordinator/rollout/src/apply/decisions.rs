use super::{
    access, fleet, holds, late, members, phases, prefetch, quarantine, stages, strategies, windows,
};
use crate::world::{Attribution, Touched};
use crate::{Act, Decision, World};

pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    if let Act::PinPromoted { workload, pin } = &decision.act {
        let workload = world.workloads.or_default(workload);
        workload.pins.push(pin.clone());
    }
    // Each room looks for its own acts; no act is in two.
    for room in [
        phases::apply,
        prefetch::apply,
        stages::apply,
        windows::apply,
        members::apply,
        fleet::apply,
        holds::apply,
        late::apply,
        quarantine::apply,
        strategies::apply,
        access::apply,
    ] {
        room(world, decision, touched);
    }
}

/// Who decided, when, and why in their words.
pub(super) fn by(decision: &Decision, reason: &str) -> Attribution {
    Attribution {
        actor: decision.actor.clone(),
        at: decision.at,
        reason: reason.to_owned(),
    }
}
