use pinion_model::{AgentId, Labels};

use super::Cohort;
use super::order::seed;
use crate::Rollout;

/// The stage that a machine belongs to which comes after the stages were
/// frozen: that of the first selector that matches it, of the first share that
/// its place in the rollout's own order falls into, or the rest. A stage that
/// is a number of machines is full. None: it belongs to none, or was left out.
pub(crate) fn stage_of_late(rollout: &Rollout, id: &AgentId, labels: &Labels) -> Option<usize> {
    let meant = rollout.spec.agents.matches(labels) && rollout.left_out.binary_search(id).is_err();
    let share = seed(&rollout.id, id) % 100;
    let mut stages = rollout.spec.stages.iter();
    let stage = stages.position(|stage| match &stage.cohort {
        Cohort::Count(_) => false,
        Cohort::Percent(percent) => share < u64::from(*percent),
        Cohort::Selector(selector) => selector.matches(labels),
        Cohort::Rest => true,
    });
    stage.filter(|_| meant)
}
