use super::{Verdict, View};
use crate::world::Class;

/// A stage waits while another workload is in flight on a machine of it, or is
/// to go there first; not for those that joined it late.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let parts = [
        (
            view.tally.holding(Class::Busy),
            "on which another workload is in flight",
        ),
        (
            view.tally.holding(Class::After),
            "to which another workload goes first",
        ),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if parts.is_empty() {
        return Verdict::Pass;
    }
    let name = &view.stage.rules.name;
    Verdict::wait(
        format!("machines of stage {name}: {}", parts.join(", ")),
        None,
    )
}
