use super::{Verdict, View, in_flight, strict, unavailable};
use crate::world::Class;

/// What keeps a stage from taking one more machine now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// As many of the stage are in flight as may be.
    InFlight,
    /// As many of all selected machines are unavailable as may be.
    Unavailable,
    /// As many of the stage are on their way as its budgets could bear to lose.
    Strict,
}

impl Bound {
    /// The stable word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::InFlight => "limit_in_flight",
            Self::Unavailable => "limit_unavailable",
            Self::Strict => "limit_strict",
        }
    }

    /// For people.
    pub(crate) fn detail(self, view: View<'_>) -> String {
        match self {
            Self::InFlight => {
                let (name, limit) = (&view.stage.rules.name, view.stage.max_in_flight);
                format!(
                    "stage {name} takes {limit} machine(s) at once; it is next when one is proven"
                )
            }
            Self::Unavailable => unavailable::detail(view),
            Self::Strict => strict::detail(view),
        }
    }
}

/// How many more machines of the stage may be assigned now, and what lets no more.
fn tightest(view: View<'_>) -> (usize, Bound) {
    let others = [
        (unavailable::room(view), Bound::Unavailable),
        (strict::room(view), Bound::Strict),
    ];
    let others = others
        .into_iter()
        .filter_map(|(room, bound)| Some((room?, bound)));
    let own = (in_flight::room(view), Bound::InFlight);
    others.fold(
        own,
        |least, other| {
            if other.0 < least.0 { other } else { least }
        },
    )
}

/// How many more machines of the stage may be assigned now.
pub(crate) fn room(view: View<'_>) -> usize {
    tightest(view).0
}

/// What lets no more machines go now, or would first.
pub(crate) fn bound(view: View<'_>) -> Bound {
    tightest(view).1
}

/// Machines of the stage wait for another limit than its own.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let (room, bound) = tightest(view);
    if room > 0 || bound == Bound::InFlight || view.tally.count(Class::Ready) == 0 {
        return Verdict::Pass;
    }
    Verdict::wait(bound.detail(view), None)
}
