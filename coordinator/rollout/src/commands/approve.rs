use pinion_model::{Actor, RolloutId, StageName, Timestamp};

use super::check_text;
use super::steer::{has_begun, live, steered};
use crate::{Act, Approval, Outcome, Refusal, Rollout, Stage, World, plan_hash};

/// A stage to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approve {
    /// Of which rollout.
    pub rollout: RolloutId,
    /// None: the one that waits.
    pub stage: Option<StageName>,
    /// What is approved, and nothing else: the [`plan_hash`] that was shown.
    pub plan: String,
    /// Why; may be empty.
    pub reason: String,
}

/// Lets a stage open that waits, or will wait, for a person. An approval that
/// is given ahead of the stage's turn lapses if its plan changes before.
///
/// # Errors
///
/// `NotFound` for an unknown rollout or stage, `Invalid` without a plan,
/// `Precondition` if none waits, the stage needs no approval or is open, the
/// caller may not approve it, its plan is another now, or the rollout is over.
pub fn approve(
    world: &World,
    request: Approve,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    check_text("reason", &request.reason)?;
    let rollout = live(world, &request.rollout, "approve")?;
    has_begun(world, rollout)?;
    let (place, stage) = asked(rollout, request.stage.as_ref())?;
    check_approver(rollout, stage, by)?;
    let name = &stage.rules.name;
    let known = stage.approved.as_ref();
    let known = known.is_some_and(|known| known.plan == request.plan);
    if stage.opened_at.is_none() {
        check_plan(world, rollout, place, &request.plan)?;
    } else if !known {
        let message = format!("stage {name} of {} has opened already", rollout.id);
        return Err(Refusal::precondition(message));
    }
    if known {
        return Ok(Outcome::unchanged(request.rollout));
    }
    let act = Act::StageApproved {
        rollout: rollout.id.clone(),
        stage: name.clone(),
        plan: request.plan,
        reason: request.reason,
    };
    Ok(steered(request.rollout, act, by, now))
}

/// The stage that is meant, and its place.
fn asked<'a>(
    rollout: &'a Rollout,
    name: Option<&StageName>,
) -> Result<(usize, &'a Stage), Refusal> {
    let (place, stage) = match name {
        Some(name) => rollout
            .stage(name)
            .ok_or_else(|| Refusal::not_found("stage", name))?,
        None => rollout
            .open()
            .filter(|stage| stage.opened_at.is_none())
            .map(|stage| (rollout.open_stage, stage))
            .ok_or_else(|| {
                Refusal::precondition(format!("no stage of {} waits for approval", rollout.id))
            })?,
    };
    if stage.rules.approval == Approval::Automatic {
        return Err(Refusal::precondition(format!(
            "stage {} of {} needs no approval",
            stage.rules.name, rollout.id
        )));
    }
    Ok((place, stage))
}

fn check_approver(rollout: &Rollout, stage: &Stage, by: &Actor) -> Result<(), Refusal> {
    let who = match by {
        Actor::System => return Ok(()),
        Actor::Operator { role, .. } if *role >= stage.rules.approver => return Ok(()),
        Actor::Operator { name, role } => format!("{name} has role {role}"),
        Actor::Agent(agent) => format!("{agent} is a machine"),
    };
    Err(Refusal::precondition(format!(
        "stage {} of {} is for people with role {} or above to approve; {who}",
        stage.rules.name, rollout.id, stage.rules.approver
    )))
}

fn check_plan(world: &World, rollout: &Rollout, place: usize, shown: &str) -> Result<(), Refusal> {
    let (id, name) = (&rollout.id, &rollout.stages[place].rules.name);
    if shown.is_empty() {
        let message = format!(
            "must name what is approved: the plan of stage {name} as `pinion rollout show {id}` has it"
        );
        return Err(Refusal::invalid("plan", message));
    }
    let present = plan_hash(world, id, place);
    if present != shown {
        return Err(Refusal::precondition(format!(
            "the plan of stage {name} is {present} now, not {shown}: its rules, its machines, what they run or what becomes of them has changed; look at it again with `pinion rollout show {id}`"
        )));
    }
    Ok(())
}
