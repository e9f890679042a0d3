use std::collections::BTreeSet;

use pinion_model::WorkloadName;

use crate::{Fault, World};

/// Where it stands in the document.
const PATH: &str = "strategy.after";

/// What is wrong with the workloads that are to go first: each must be known
/// and another, and none of them may itself wait for this one, or both would
/// wait for ever.
pub(super) fn check(
    world: &World,
    workload: &WorkloadName,
    after: &BTreeSet<WorkloadName>,
) -> Vec<Fault> {
    let faults = after.iter().filter_map(|first| {
        if first == workload {
            return Some(format!("{workload} cannot go after itself"));
        }
        if !world.workloads.contains_key(first) {
            return Some(format!(
                "there is no workload {:?} with a pin; promote one first, or leave it out",
                first.as_str()
            ));
        }
        let way = way(world, first, workload)?;
        let way: Vec<_> = way.iter().map(ToString::to_string).collect();
        Some(format!(
            "{workload} would wait for itself: it goes after {}; wait until one of their rollouts is over, or leave {first} out",
            way.join(", which goes after ")
        ))
    });
    faults.map(|message| Fault::new(PATH, message)).collect()
}

/// From a workload over those that its rollouts go after, to this one.
fn way<'a>(
    world: &'a World,
    from: &'a WorkloadName,
    to: &WorkloadName,
) -> Option<Vec<&'a WorkloadName>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![from]];
    while let Some(way) = ways.pop() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        if !seen.insert(last) {
            continue;
        }
        let next = first_of(world, last);
        ways.extend(next.map(|next| way.iter().copied().chain([next]).collect()));
    }
    None
}

/// The workloads that the rollouts of this one go after, which are not over.
fn first_of<'a>(
    world: &'a World,
    workload: &WorkloadName,
) -> impl Iterator<Item = &'a WorkloadName> {
    let active = world.active_rollout(workload).into_iter();
    let rollouts = active.chain(world.queued_rollout(workload));
    rollouts.flat_map(|rollout| &rollout.spec.after)
}
