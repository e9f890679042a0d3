use super::assign;
use crate::Change;
use crate::gates::View;
use crate::world::Class;

/// Takes back what these machines of a stage were asked and have not cut over.
pub(super) fn plan(view: View<'_>, classes: &[Class], reason: &str) -> Vec<Change> {
    let members = classes.iter().flat_map(|class| view.members(*class));
    let withdrawn = members.filter_map(|(agent, _)| {
        assign::withdraw(view.world, agent, &view.rollout.workload, reason, view.now)
    });
    withdrawn.collect()
}
