use pinion_model::Timestamp;

use crate::{Act, Change, Decision, World};

/// Windows that have opened or shut, and freezes that have begun or ended,
/// since this was last committed: what is open follows from what is stored,
/// so that every coordinator and every replay sees the same.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let due = world.index.calendars.due.by(now);
    let moved = due.filter_map(|id| {
        let openings = world.rollouts.get(id)?.spec.calendar.state(now);
        let act = Act::WindowsMoved {
            rollout: id.clone(),
            openings,
        };
        Some(Decision::system(now, act).into())
    });
    moved.collect()
}
