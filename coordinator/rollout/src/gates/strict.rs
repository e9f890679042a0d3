use super::budget::Limit;
use super::{View, in_flight};
use crate::FailureGroup;
use crate::world::Class;

/// How many more machines of the stage may be assigned, if all that are on
/// their way were to fail: no more than one beyond every budget. None: the
/// strategy is not strict, or everything may fail.
pub(crate) fn room(view: View<'_>) -> Option<usize> {
    tightest(view).map(|(_, room)| room)
}

/// The budget that leaves the least, and how much it leaves.
fn tightest(view: View<'_>) -> Option<(Limit, usize)> {
    if !view.rollout.spec.strict {
        return None;
    }
    // Who was offline at its turn was not on its way.
    let limits = Limit::all(view).filter(|limit| limit.group != Some(FailureGroup::Offline));
    let exposed = exposed(view);
    limits
        .map(|limit| {
            let left = (limit.allowed + 1).saturating_sub(limit.failed(view) + exposed);
            (limit, left)
        })
        .min_by_key(|(_, left)| *left)
}

/// Machines of the stage that may still fail without our doing: in flight, or
/// soaking. Not those that went offline in flight and are gone round, which may
/// never return, nor those that have settled, of which one may still sicken:
/// their failures come on top.
fn exposed(view: View<'_>) -> usize {
    in_flight::counted(view) + view.tally.count(Class::Soaking)
}

/// Which budget is in the way, in words.
pub(crate) fn detail(view: View<'_>) -> String {
    let stage = &view.stage.rules.name;
    let Some((limit, _)) = tightest(view) else {
        return String::new();
    };
    let kind = limit.group.map(|group| format!(" by {group}"));
    format!(
        "stage {stage} is strict: {} may fail{}, so no more than {} may be in flight, soaking or failed; {} are in flight or soaking, {} failed",
        limit.allowed,
        kind.unwrap_or_default(),
        limit.allowed + 1,
        exposed(view),
        limit.failed(view)
    )
}
