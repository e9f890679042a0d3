use super::{Verdict, View};
use crate::naming::few_failed;
use crate::world::Way;
use crate::{Gate, Rollout, World};

/// What takes machines back stops at the first that did not get there for a
/// reason that the others may have as well: what it ran before does not run
/// any more, or a container is lost. Going on would lose more of them.
pub(crate) fn check(world: &World, rollout: &Rollout) -> Verdict {
    let stages = View::all(world, rollout, rollout.since);
    let stuck = stages.flat_map(|view| view.at(view.tally.places_on(Way::Stuck)));
    let stuck: Vec<_> = stuck.collect();
    if stuck.is_empty() {
        return Verdict::Pass;
    }
    let named = few_failed(stuck.iter().map(|(agent, member)| {
        let restore = member.restore.as_ref();
        (
            *agent,
            restore.and_then(|restore| restore.failure.as_deref()),
        )
    }));
    let reason = format!(
        "{} machine(s) did not get back to what ran before: {named}",
        stuck.len()
    );
    Verdict::stop(Gate::RollbackFailed, reason)
}
