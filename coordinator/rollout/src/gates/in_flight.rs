use super::{Verdict, View};
use crate::OfflinePolicy;
use crate::world::Class;

/// How many machines of the stage count as in flight, and how many of those
/// are offline. One that was withdrawn and is offline does not count where
/// the strategy goes round offline machines.
fn in_flight(view: View<'_>) -> (usize, usize) {
    let stranded = view.tally.count(Class::WithdrawingOffline);
    let offline = [Class::AskedOffline, Class::CutOverOffline];
    let offline = view.tally.count_of(&offline) + stranded;
    let counted = view.tally.count_of(&Class::IN_FLIGHT);
    if view.rollout.spec.offline == OfflinePolicy::Skip {
        (counted - stranded, offline - stranded)
    } else {
        (counted, offline)
    }
}

/// How many machines of the stage count as in flight.
pub(crate) fn counted(view: View<'_>) -> usize {
    in_flight(view).0
}

/// How many more machines of the stage may be assigned now.
pub(crate) fn room(view: View<'_>) -> usize {
    (view.stage.max_in_flight as usize).saturating_sub(counted(view))
}

/// The stage waits while machines of it are to be assigned, in flight or soaking.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let (in_flight, offline) = in_flight(view);
    let flying = match offline {
        0 => "in flight".to_owned(),
        _ => format!("in flight ({offline} of them offline)"),
    };
    let parts = [
        (view.tally.count(Class::Ready), "to be assigned"),
        (in_flight, &flying),
        (view.tally.count(Class::Soaking), "soaking"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
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
