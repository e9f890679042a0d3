use pinion_model::{RolloutId, RolloutPhase, Timestamp, WorkloadName};

use crate::gates::View;
use crate::world::Class;
use crate::{Pin, Refusal, Rollout, Spec, Supersede, World};

/// How many rollouts of a workload in a row may be superseded. The next one is
/// let through to its end while it makes progress, or promotions that come
/// faster than a rollout lasts would never take anything to the last stage.
const STREAK: usize = 3;

/// What a newer rollout comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    /// It begins, in the place of this one.
    Now { replaces: Option<RolloutId> },
    /// It waits for the end of the active one, in the place of this one.
    Later {
        replaces: Option<RolloutId>,
        reason: String,
    },
}

/// What becomes of a rollout of this pin, given those of its workload that are
/// not over. The same digest is not taken to the fleet twice at once.
pub(super) fn course(
    world: &World,
    workload: &WorkloadName,
    pin: &Pin,
    spec: &Spec,
    now: Timestamp,
) -> Result<Course, Refusal> {
    let (active, queued) = (
        world.active_rollout(workload),
        world.queued_rollout(workload),
    );
    check_same(pin, active, queued)?;
    let Some(ahead) = active.or(queued) else {
        return Ok(Course::Now { replaces: None });
    };
    let later = |why: String| Course::Later {
        replaces: queued.map(|queued| queued.id.clone()),
        reason: format!("it waits for the end of {}: {why}", ahead.id),
    };
    match spec.supersede {
        Supersede::Reject => Err(Refusal::precondition(format!(
            "{} is {}, and this strategy says supersede = \"reject\": wait for its end, abort it, or use a strategy that replaces it or queues",
            ahead.id, ahead.phase
        ))),
        Supersede::Queue => Ok(later("its strategy says supersede = \"queue\"".to_owned())),
        Supersede::Replace if active.is_some_and(|active| starves(world, active, now)) => {
            Ok(later(format!(
                "{STREAK} rollouts in a row were superseded before they completed, and {} makes progress; `pinion rollout abort {}` lets this one begin",
                ahead.id, ahead.id
            )))
        }
        Supersede::Replace => Ok(Course::Now {
            replaces: Some(ahead.id.clone()),
        }),
    }
}

fn check_same(
    pin: &Pin,
    active: Option<&Rollout>,
    queued: Option<&Rollout>,
) -> Result<(), Refusal> {
    let same = |rollout: &&Rollout| rollout.run.digest == pin.digest && !rollout.rolled_back;
    if let Some(same) = active.filter(same) {
        let next = match same.phase {
            RolloutPhase::Aborting | RolloutPhase::RollingBack => "wait until it has ended",
            RolloutPhase::Paused | RolloutPhase::Halted => "resume it, or abort it first",
            _ => "abort it first if this one is to go another way",
        };
        return Err(Refusal::precondition(format!(
            "{} takes this digest to the fleet already, and is {}; {next}",
            same.id, same.phase
        )));
    }
    if let Some(same) = queued.filter(same) {
        return Err(Refusal::precondition(format!(
            "{} is queued to take this digest to the fleet already: {}",
            same.id, same.reason
        )));
    }
    Ok(())
}

/// Those before it were superseded, one after the other, and this one gets on.
fn starves(world: &World, active: &Rollout, now: Timestamp) -> bool {
    let workload = world.workloads.get(&active.workload);
    let rollouts = workload.map_or(&[][..], |workload| &workload.rollouts);
    let before = rollouts.iter().rev().filter(|id| **id != active.id);
    let superseded = before.take_while(|id| {
        let rollout = world.rollouts.get(id);
        rollout.is_some_and(|rollout| rollout.phase == RolloutPhase::Superseded)
    });
    superseded.take(STREAK).count() == STREAK && gets_on(world, active, now)
}

/// Whether a rollout makes progress: it waits for a person's approval, or it
/// runs and has a machine in flight or soaking that is there, or it moved
/// within its progress deadline. One that is paused, halted, ending or going
/// back does not.
fn gets_on(world: &World, rollout: &Rollout, now: Timestamp) -> bool {
    match rollout.phase {
        RolloutPhase::AwaitingApproval => true,
        RolloutPhase::Running => {
            View::all(world, rollout, now).any(is_at_work)
                || now < moved(rollout) + rollout.spec.progress_deadline
        }
        _ => false,
    }
}

fn is_at_work(view: View<'_>) -> bool {
    let there = [
        Class::Asked,
        Class::Withdrawing,
        Class::CutOver,
        Class::Soaking,
    ];
    view.tally.count_of(&there) > 0
}

/// When it last got further, its bakes and its pass ahead of the stages included.
fn moved(rollout: &Rollout) -> Timestamp {
    let pass = rollout.prefetch.as_ref().map(|pass| pass.progressed_at);
    let stages = rollout.stages.iter().flat_map(|stage| {
        let opened = stage.opened_at.map(|_| stage.progressed_at);
        let baked = stage.settled_at.map(|at| at + stage.rules.bake);
        [opened, baked]
    });
    let times = stages.chain([pass]).flatten();
    times.fold(rollout.since, Timestamp::max)
}
