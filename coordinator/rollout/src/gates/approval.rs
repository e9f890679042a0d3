use super::{Verdict, View};
use crate::Approval;

/// A stage that needs a person's approval waits for it, whether or not it has machines.
pub(crate) fn check(view: View<'_>) -> Verdict {
    if view.stage.rules.approval == Approval::Automatic || view.stage.approved.is_some() {
        return Verdict::Pass;
    }
    let (rollout, stage) = (&view.rollout.id, &view.stage.rules.name);
    let detail =
        format!("approval of stage {stage}: `pinion rollout approve {rollout} --stage {stage}`");
    Verdict::wait(detail, None)
}
