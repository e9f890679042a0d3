use super::{Verdict, View};
use crate::OfflinePolicy;
use crate::world::Class;

/// How many machines of the stage count as in flight, and how many of those
/// are offline. One that was withdrawn and is offline does not count where
/// the strategy goes round offline machines.
fn in_flight(view: View<'_>, count: impl Fn(Class) -> usize) -> (usize, usize) {
    let stranded = count(Class::WithdrawingOffline);
    let offline = count(Class::AskedOffline) + count(Class::CutOverOffline) + stranded;
    let counted: usize = Class::IN_FLIGHT.into_iter().map(&count).sum();
    if view.rollout.spec.offline == OfflinePolicy::Skip {
        (counted - stranded, offline - stranded)
    } else {
        (counted, offline)
    }
}

/// How many machines of the stage count as in flight.
pub(crate) fn counted(view: View<'_>) -> usize {
    in_flight(view, |class| view.tally.count(class)).0
}

/// How many more machines of the stage may be assigned now.
pub(crate) fn room(view: View<'_>) -> usize {
    (view.stage.max_in_flight as usize).saturating_sub(counted(view))
}

/// The stage waits while machines of it are to be assigned, in flight or
/// soaking; not for those that joined it late, or a growing fleet would never
/// get to its end.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let holding = |class| view.tally.holding(class);
    let (in_flight, offline) = in_flight(view, holding);
    let flying = match offline {
        0 => "in flight".to_owned(),
        _ => format!("in flight ({offline} of them offline)"),
    };
    let parts = [
        (holding(Class::Ready), "to be assigned"),
        (in_flight, &flying),
        (holding(Class::Soaking), "soaking"),
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
