use pinion_model::{
    Actor, Digest, LabelSelector, RolloutId, RolloutPhase, Timestamp, WorkloadName,
};

use super::begin::{asked, begun};
use super::start::{StartRollout, set_on};
use super::supersede::course;
use super::{after, decided};
use crate::spec::fill;
use crate::{Act, Change, Pin, Refusal, Rollout, Strategy, World};

/// What a promotion leads to.
#[derive(Debug, Default)]
pub(super) struct Followed {
    pub(super) changes: Vec<Change>,
    /// The one that begins or is queued, or that is under way already.
    pub(super) rollout: Option<RolloutId>,
    /// Why there is none.
    pub(super) no_rollout: Option<String>,
}

impl Followed {
    fn not(why: &Refusal) -> Self {
        Self {
            no_rollout: Some(why.to_string()),
            ..Self::default()
        }
    }
}

/// The rollout that takes this digest to the fleet now, or is to.
pub(super) fn under_way<'a>(
    world: &'a World,
    workload: &WorkloadName,
    digest: &Digest,
) -> Option<&'a Rollout> {
    let active = world.active_rollout(workload);
    let queued = world.queued_rollout(workload);
    let mut rollouts = active.into_iter().chain(queued);
    rollouts.find(|rollout| rollout.digest() == digest && !rollout.rolled_back)
}

/// The rollout of a new pin. Whoever comes back to the digest that is on its
/// way finds its rollout there.
pub(super) fn follow(
    world: &World,
    workload: &WorkloadName,
    pin: &Pin,
    strategy: &Strategy,
    by: &Actor,
    now: Timestamp,
) -> Result<Followed, Refusal> {
    if let Some(same) = under_way(world, workload, &pin.digest) {
        return Ok(Followed {
            changes: outdate(world, same, by, now).into_iter().collect(),
            rollout: Some(same.id.clone()),
            no_rollout: None,
        });
    }
    let spec = fill(strategy, LabelSelector::default(), now)?;
    let faults = after::check(world, workload, &strategy.after);
    if !faults.is_empty() {
        return Ok(Followed::not(&Refusal::Invalid { faults }));
    }
    let course = match course(world, workload, pin, &spec, now) {
        Ok(course) => course,
        Err(refused @ Refusal::Precondition { .. }) => return Ok(Followed::not(&refused)),
        Err(refused) => return Err(refused),
    };
    let request = StartRollout {
        workload: workload.clone(),
        pin: Some(pin.number),
        strategy: strategy.clone(),
        agents: LabelSelector::default(),
        reason: format!("pin {} was promoted", pin.number),
    };
    let asked = asked(world, &request, pin, spec, by, now);
    let begun = begun(world, asked.clone(), now);
    let (change, rollout) = set_on(course, asked, begun, by, now);
    Ok(Followed {
        changes: vec![change],
        rollout: Some(rollout.id),
        no_rollout: None,
    })
}

/// What is queued behind the rollout of the digest that was just promoted
/// again would take the fleet away from it.
fn outdate(world: &World, same: &Rollout, by: &Actor, now: Timestamp) -> Option<Change> {
    let queued = world.queued_rollout(&same.workload)?;
    if queued.id == same.id {
        return None;
    }
    let act = Act::RolloutEnded {
        rollout: queued.id.clone(),
        phase: RolloutPhase::Aborted,
        reason: format!(
            "the digest that {} takes to the fleet was promoted again before this one began",
            same.id
        ),
    };
    Some(decided(by, now, act))
}
