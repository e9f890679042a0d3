use super::{View, in_flight};
use crate::Rollout;
use crate::naming::few;
use crate::world::Mark;

/// Machines of a rollout, over all of its stages, that cannot do their work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// Asked, and not proven yet.
    pub(crate) in_flight: usize,
    /// Seen sick, and well when the rollout began.
    pub(crate) sick: usize,
    /// Seen sick, and sick before, where that counts.
    pub(crate) before: usize,
}

impl Unavailable {
    /// Those of the whole rollout.
    pub(crate) fn of(view: View<'_>) -> Self {
        let counts_before = view.rollout.spec.count_baseline;
        View::all(view.world, view.rollout, view.now)
            .map(|stage| (stage, &stage.tally.marks))
            .fold(Self::default(), |sum, (stage, marks)| Self {
                in_flight: sum.in_flight + in_flight::counted(stage),
                sick: sum.sick + marks.count(Mark::Sick),
                before: match counts_before {
                    true => sum.before + marks.count(Mark::SickBefore),
                    false => 0,
                },
            })
    }

    pub(crate) fn total(self) -> usize {
        self.in_flight + self.sick + self.before
    }
}

/// How many more machines may become unavailable now; none: there is no limit.
pub(crate) fn room(view: View<'_>) -> Option<usize> {
    let limit = view.rollout.max_unavailable? as usize;
    Some(limit.saturating_sub(Unavailable::of(view).total()))
}

/// Who fills the limit, in words.
pub(crate) fn detail(view: View<'_>) -> String {
    let now = Unavailable::of(view);
    let parts = [
        (now.in_flight, "in flight"),
        (now.sick, "sick since it began"),
        (now.before, "sick before"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!(
        "at most {} of {} machine(s) of its stages may be unavailable, and {} are ({}){}",
        limit(view.rollout),
        whole(view.rollout),
        now.total(),
        parts.join(", "),
        named(view)
    )
}

/// The machines of all stages when they were frozen: the whole of the share.
fn whole(rollout: &Rollout) -> usize {
    rollout.stages.iter().map(|stage| stage.order.len()).sum()
}

fn limit(rollout: &Rollout) -> String {
    let limit = rollout.max_unavailable.unwrap_or_default();
    match rollout.spec.max_unavailable {
        Some(share @ crate::Amount::Percent(_)) => format!("{limit} ({share})"),
        _ => limit.to_string(),
    }
}

/// The sick ones: a person must heal them, or wait.
fn named(view: View<'_>) -> String {
    let marks: &[Mark] = match view.rollout.spec.count_baseline {
        true => &[Mark::Sick, Mark::SickBefore],
        false => &[Mark::Sick],
    };
    let stages = View::all(view.world, view.rollout, view.now);
    let sick = stages.flat_map(|stage| {
        let places = marks
            .iter()
            .flat_map(|mark| stage.tally.marks.places(*mark));
        stage.at(places)
    });
    let names = few(sick.map(|(agent, _)| agent));
    match names.is_empty() {
        true => String::new(),
        false => format!("; heal {names}"),
    }
}
