use pinion_model::Role;

use super::{Verdict, View};
use crate::{Approval, Stage, plan_hash};

/// A stage that needs a person's approval waits for it, whether or not it has
/// machines; an approval of another plan than what the stage would do now is
/// none. A stage that has opened was approved.
///
/// Where there is an approval, the plan is worked out anew, machine by
/// machine: that is once, since the answer either opens the stage or lets the
/// approval lapse.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let stage = view.stage;
    if stage.rules.approval == Approval::Automatic || stage.opened_at.is_some() {
        return Verdict::Pass;
    }
    let (rollout, name) = (&view.rollout.id, &stage.rules.name);
    let who = approver(stage);
    let approve =
        format!("{who}`pinion rollout show {rollout}` has its plan, and what approves it");
    let Some(approved) = &stage.approved else {
        return Verdict::wait(format!("approval of stage {name}: {approve}"), None);
    };
    if approved.plan == plan_hash(view.world, rollout, view.number) {
        return Verdict::Pass;
    }
    let lapsed = lapsed(stage);
    Verdict::wait(
        format!("approval of stage {name} ({lapsed}): {approve}"),
        None,
    )
}

/// Who may approve it, if not every operator.
pub(crate) fn approver(stage: &Stage) -> String {
    match stage.rules.approver {
        Role::Operator => String::new(),
        role => format!("with role {role} or above, "),
    }
}

/// What to say of an approval that is for another plan; empty if there is none.
pub(crate) fn lapsed(stage: &Stage) -> String {
    let approved = stage.approved.as_ref();
    approved.map_or_else(String::new, |approved| {
        format!(
            "its plan has changed since {} approved it",
            approved.by.actor
        )
    })
}
