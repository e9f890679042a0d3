use pinion_model::{RolloutId, RolloutPhase, Timestamp};

use super::decisions::by;
use super::phases::enter;
use crate::world::Touched;
use crate::{Act, Approved, Decision, Rollout, World};

/// Stages that open, wait, are approved and pass.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    let at = decision.at;
    match &decision.act {
        Act::StageOpened { rollout, stage } => {
            edit(world, rollout, |rollout| open(rollout, *stage, at))
        }
        Act::StagePassed {
            rollout,
            stage,
            note,
        } => edit(world, rollout, |rollout| {
            pass(rollout, *stage, note, at, touched)
        }),
        Act::ApprovalAwaited {
            rollout,
            stage,
            note,
        } => {
            edit(world, rollout, |rollout| wait(rollout, *stage, note, at));
        }
        Act::StageApproved {
            rollout,
            stage,
            plan,
            reason,
        } => edit(world, rollout, |rollout| {
            let Some((place, _)) = rollout.stage(stage) else {
                return;
            };
            rollout.stages[place].approved = Some(Approved {
                by: by(decision, reason),
                plan: plan.clone(),
            });
            if rollout.phase == RolloutPhase::AwaitingApproval && rollout.open_stage == place {
                enter(rollout, RolloutPhase::Running, "", at);
            }
        }),
        _ => {}
    }
}

/// Those that joined it late and were not reached join the next.
fn pass(rollout: &mut Rollout, stage: usize, note: &str, at: Timestamp, touched: &mut Touched) {
    let Some(passed) = rollout.stages.get_mut(stage) else {
        return;
    };
    passed.passed_at = Some(at);
    passed.note = note.to_owned();
    rollout.open_stage = stage + 1;
    for agent in &passed.late {
        touched.members.insert((rollout.id.clone(), agent.clone()));
    }
}

/// What stages do, and what halts or resumes as such, touches no class of a member.
pub(super) fn edit(world: &mut World, id: &RolloutId, edit: impl FnOnce(&mut Rollout)) {
    if let Some(rollout) = world.rollouts.get_mut(id) {
        edit(rollout);
    }
}

/// What was approved is not what would happen now: that approval is worth nothing.
fn wait(rollout: &mut Rollout, stage: usize, note: &str, at: Timestamp) {
    let Some(stage) = rollout.stages.get_mut(stage) else {
        return;
    };
    stage.approved = None;
    let mut reason = format!("stage {} waits for approval", stage.rules.name);
    if !note.is_empty() {
        reason = format!("{reason}: {note}");
    }
    enter(rollout, RolloutPhase::AwaitingApproval, &reason, at);
}

fn open(rollout: &mut Rollout, stage: usize, at: Timestamp) {
    if let Some(opened) = rollout.stages.get_mut(stage) {
        opened.opened_at.get_or_insert(at);
        opened.progressed_at = at;
        rollout.open_stage = stage;
    }
    if rollout.phase != RolloutPhase::Running {
        enter(rollout, RolloutPhase::Running, "", at);
    }
}
