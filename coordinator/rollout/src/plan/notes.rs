use pinion_model::Timestamp;

use crate::gates::{View, metric, min_proven};
use crate::world::Class;
use crate::{Counts, Rollout, World};

/// What is remarkable about how a stage passed.
pub(super) fn of_stage(view: View<'_>) -> String {
    let counts = view.tally.counts(view.rollout.spec.offline);
    if counts.agents == 0 {
        let taken = match view.stage.accepted_unproven {
            true => ", resumed although no machine proved it",
            false => "",
        };
        return format!("no machine is in it{taken}");
    }
    let sick = u32::try_from(view.tally.count(Class::Sick)).unwrap_or(u32::MAX);
    let excuse = view.rollout.spec.excuse();
    let parts = [
        (counts.failed, "failed", counts.excused, excuse),
        (counts.skipped, "skipped", sick, "sick before"),
        (counts.staged, "staged only", 0, ""),
    ];
    let parts = parts.iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, what, some, why)| format!("{count} {what}{}", of_them(*some, why)))
        .collect();
    let mut notes = Vec::new();
    if !parts.is_empty() {
        notes.push(format!(
            "{} of {} machine(s)",
            parts.join(", "),
            counts.agents
        ));
    }
    if view.stage.accepted_unproven && min_proven::falls_short(view) {
        notes.push("resumed although too few machines proved it".to_owned());
    }
    notes.extend(metric::notes(view));
    notes.join(", ")
}

fn of_them(some: u32, why: &str) -> String {
    match some {
        0 => String::new(),
        _ => format!(" ({some} of them {why})"),
    }
}

/// What came of a rollout whose stages have all passed: of all machines that
/// were selected, and of those that joined late, for which no stage waits.
pub(super) fn of_rollout(world: &World, rollout: &Rollout, now: Timestamp) -> String {
    let stages = View::all(world, rollout, now);
    let counts = stages.map(|view| view.tally.counts(rollout.spec.offline));
    let counts: Vec<_> = counts.collect();
    let sum = |count: fn(&Counts) -> u32| counts.iter().map(count).sum::<u32>();
    let whole = rollout.members.len() + rollout.left_out.len();
    let late = if whole > rollout.selected as usize {
        " or late"
    } else {
        ""
    };
    let rest = [
        (rollout.left_out.len(), "in no stage"),
        (sum(|stage| stage.pending) as usize, "late and not reached"),
        (
            sum(|stage| stage.in_flight + stage.soaking) as usize,
            "late and still in flight",
        ),
    ];
    let rest = rest.into_iter().filter(|(count, _)| *count > 0);
    let rest: String = rest
        .map(|(count, what)| format!(", {count} {what}"))
        .collect();
    format!(
        "{} of {whole} selected{late} machine(s) proven, {} staged only, {} failed, {} skipped{rest}",
        sum(|stage| stage.settled),
        sum(|stage| stage.staged),
        sum(|stage| stage.failed),
        sum(|stage| stage.skipped),
    )
}
