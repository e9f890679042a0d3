//! Maintenance windows and freezes, as machines and operators meet them.

mod catch_up;
mod commands;
mod cost;
mod gate;
mod rollouts;

use pinion_model::{Labels, RolloutId, Timestamp};

use super::bed::{Bed, rest, strategy};
use crate::commands::override_windows;
use crate::{Calendar, Freeze, Strategy, Window};

/// An instant as RFC 3339 has it.
fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().expect(text);
    Timestamp(u64::try_from(instant.as_millisecond()).expect("after 1970"))
}

fn region(name: &str) -> Labels {
    Labels::from([("region".to_owned(), name.to_owned())])
}

/// For Europe, every night at 22:00 in Berlin, four hours.
pub(super) fn nights() -> Window {
    Window {
        agents: pinion_model::LabelSelector(region("eu")),
        days: std::collections::BTreeSet::new(),
        start: "22:00".parse().expect("a time"),
        duration: std::time::Duration::from_secs(4 * 3600),
        time_zone: "Europe/Berlin".parse().expect("a zone"),
    }
}

fn freeze(from: &str, until: &str) -> Freeze {
    Freeze {
        from: at(from),
        until: at(until),
        reason: "holidays".to_owned(),
        agents: pinion_model::LabelSelector::default(),
    }
}

/// One stage with everybody, in these windows.
fn within(windows: Vec<Window>, freezes: Vec<Freeze>) -> Strategy {
    Strategy {
        calendar: Calendar { windows, freezes },
        ..strategy(vec![rest()])
    }
}

/// A machine for each region, `m1` and on, all online at this instant.
fn bed(now: &str, regions: &[&str]) -> Bed {
    let mut bed = Bed::new(0);
    bed.now = at(now);
    for (n, name) in regions.iter().enumerate() {
        bed.enrol_with(&format!("m{}", n + 1), true, region(name));
    }
    bed
}

fn override_all(bed: &mut Bed, rollout: &RolloutId) {
    bed.steer_with(override_windows, rollout);
}

fn relabel(bed: &mut Bed, name: &str, to: &str) {
    bed.relabel(name, region(to));
}

/// How often the log says that windows moved.
fn moves(bed: &Bed) -> usize {
    let decisions = bed.history.iter().filter_map(|change| match change {
        crate::Change::Decision(decision) => Some(decision.action()),
        crate::Change::Observation(_) => None,
    });
    decisions
        .filter(|action| *action == "rollout.windows_moved")
        .count()
}
