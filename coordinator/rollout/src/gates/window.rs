use super::{Verdict, View};
use crate::world::Class;

/// Machines that may not be touched at this time are waited for.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let shut = view.tally.holding(Class::Shut);
    if shut == 0 {
        return Verdict::Pass;
    }
    let next = view.rollout.openings.next;
    let look = next.map(|next| format!(" (the next change is at {next})"));
    let detail = format!(
        "stage {}: {shut} machine(s) outside their maintenance windows or frozen{}; `pinion rollout override-windows {} --reason …` does not wait for them",
        view.stage.rules.name,
        look.unwrap_or_default(),
        view.rollout.id
    );
    Verdict::wait(detail, next)
}
