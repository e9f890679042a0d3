use pinion_model::RolloutId;

use super::decisions::by;
use crate::world::Touched;
use crate::{Act, Decision, Group, World};

/// Windows that open and shut, and a person's word that they do not count.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    match &decision.act {
        Act::WindowsMoved { rollout, openings } => {
            let Some(known) = world.rollouts.get_mut(rollout) else {
                return;
            };
            let before = std::mem::replace(&mut known.openings, *openings);
            touch(world, rollout, touched, |group| {
                before.is_open(group) != openings.is_open(group)
            });
        }
        Act::WindowsOverridden { rollout, reason } => {
            let Some(known) = world.rollouts.get_mut(rollout) else {
                return;
            };
            known.windows_overridden = Some(by(decision, reason));
            touch(world, rollout, touched, |_| true);
        }
        _ => {}
    }
}

/// Those who follow the rollout's calendar, in these groups.
fn touch(
    world: &World,
    rollout: &RolloutId,
    touched: &mut Touched,
    groups: impl Fn(Group) -> bool,
) {
    let calendars = &world.index.calendars;
    let members = calendars.members.of_rollout(rollout, &groups);
    touched.members.extend(members.cloned());
    let stragglers = calendars.stragglers.of_rollout(rollout, &groups);
    touched.placements.extend(stragglers.cloned());
    touched.calendars.insert(rollout.clone());
}
