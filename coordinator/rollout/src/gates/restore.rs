use super::{Verdict, View};
use crate::world::Way;
use crate::{Gate, Rollout, World};

/// How many machines are named in a reason.
const NAMED: usize = 5;

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
    let named = stuck.iter().take(NAMED).map(|(agent, member)| {
        let restore = member.restore.as_ref();
        let failure = restore.and_then(|restore| restore.failure.as_ref());
        match failure {
            Some(failure) => format!("{agent} ({failure})"),
            None => agent.to_string(),
        }
    });
    let named = named.collect::<Vec<_>>().join("; ");
    let more = match stuck.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let reason = format!(
        "{} machine(s) did not get back to what ran before: {named}{more}",
        stuck.len()
    );
    Verdict::stop(Gate::RollbackFailed, reason)
}
