use std::collections::BTreeSet;

use pinion_model::Timestamp;

use super::{assign, windows};
use crate::{Amount, Change, World};

/// Share of the fleet that catches up at once, outside any rollout; at least one machine.
const AT_ONCE: Amount = Amount::Percent(10);

/// Asks newcomers and stragglers for their stable digest, some at a time, and
/// takes back what was asked in a window that is over, or was quarantined since.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let withdrawn = withdraw(world, now);
    if !withdrawn.is_empty() {
        return withdrawn;
    }
    let limit = AT_ONCE.of(world.fleet_size()) as usize;
    let room = limit.saturating_sub(world.index.catching_up.len());
    // One workload at a time on a machine.
    let mut asked = BTreeSet::new();
    let behind = world.index.behind.iter();
    let behind = behind.filter(|(_, agent)| asked.insert(agent)).take(room);
    let assigned = behind.filter_map(|(workload, agent)| {
        let generation = world.next_generation(agent);
        let assignment = assign::stable_assignment(world, agent, workload, generation, false)?;
        Some(assign::assigned(
            agent,
            assignment,
            "catching up with the stable digest".to_owned(),
            now,
        ))
    });
    assigned.collect()
}

/// Takes back what machines must not go on with, and have not cut over to.
fn withdraw(world: &World, now: Timestamp) -> Vec<Change> {
    let overstaying = world.index.overstaying.iter();
    let withdrawn = overstaying.filter_map(|(workload, agent)| {
        let asked = world.assignment(agent, workload)?.digest();
        let distrust = asked.and_then(|digest| world.quarantined(digest)?.sentence(digest));
        let shut = || windows::of_straggler(world, workload, agent, now);
        let reason = distrust.unwrap_or_else(shut);
        assign::withdraw(world, agent, workload, &reason, now)
    });
    withdrawn.collect()
}
