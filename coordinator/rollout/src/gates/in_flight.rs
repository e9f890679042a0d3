use super::{Verdict, View};
use crate::OfflinePolicy;
use crate::world::Class;

/// How many machines of the stage count as in flight. One that was withdrawn
/// and is offline does not, where the strategy goes round offline machines.
pub(crate) fn in_flight(view: View<'_>) -> usize {
    let skips = view.rollout.spec.offline == OfflinePolicy::Skip;
    let stranded = if skips {
        view.tally.count(Class::WithdrawingOffline)
    } else {
        0
    };
    view.tally.count_of(&Class::IN_FLIGHT) - stranded
}

/// How many more machines of the stage may be assigned now.
pub(crate) fn room(view: View<'_>) -> usize {
    (view.stage.max_in_flight as usize).saturating_sub(in_flight(view))
}

/// The stage waits while machines of it are to be assigned, in flight or soaking.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let ready = view.tally.count(Class::Ready);
    let in_flight = in_flight(view);
    let soaking = view.tally.count(Class::Soaking);
    let parts = [
        (ready, "to be assigned"),
        (in_flight, "in flight"),
        (soaking, "soaking"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if parts.is_empty() {
        return Verdict::Pass;
    }
    let limit = view.stage.max_in_flight;
    Verdict::wait(
        format!(
            "machines of stage {}: {} (at most {limit} in flight)",
            view.stage.rules.name,
            parts.join(", ")
        ),
        None,
    )
}
