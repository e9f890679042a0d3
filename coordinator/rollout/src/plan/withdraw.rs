use pinion_model::Timestamp;

use super::{assign, prefetch};
use crate::gates::View;
use crate::world::Class;
use crate::{Change, Rollout, World};

/// Takes back all that a rollout has asked for and a withdrawal still reaches.
pub(super) fn all(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let reason = format!("{} is {}", rollout.id, rollout.phase);
    let turns =
        View::all(world, rollout, now).flat_map(|view| plan(view, &Class::WITHDRAWABLE, &reason));
    let pulls = prefetch::withdraw(world, rollout, &reason, now);
    turns.chain(pulls).collect()
}

/// Takes back what these machines of a stage were asked and have not cut over.
/// What takes a machine back is left alone: it has replaced what was asked.
pub(super) fn plan(view: View<'_>, classes: &[Class], reason: &str) -> Vec<Change> {
    let members = classes.iter().flat_map(|class| view.members(*class));
    let asked = members.filter(|(_, member)| member.restore.is_none());
    let withdrawn = asked.filter_map(|(agent, _)| {
        assign::withdraw(view.world, agent, &view.rollout.workload, reason, view.now)
    });
    withdrawn.collect()
}
