use super::{Verdict, View};
use crate::Gate;
use crate::world::Class;

/// A rollout of whose machines nobody is left has not been carried out: it
/// stops for a person, and does not complete. To be asked once every machine
/// of a stage is done.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let rollout = view.rollout;
    let accepted = rollout.stages.iter().any(|stage| stage.accepted_unproven);
    let all = || View::all(view.world, rollout, view.now);
    if accepted || all().any(has_somebody) {
        return Verdict::Pass;
    }
    if rollout.members.is_empty() {
        let reason = "no machine is in this rollout, so none can prove the digest; enrol machines, abort this one and start another, or resume to take it as it is";
        return Verdict::stop(Gate::Nobody, reason);
    }
    let parts = [
        (Class::Held, "held"),
        (Class::Sick, "sick before"),
        (Class::Offline, "offline"),
        (Class::Gone, "revoked or removed"),
    ];
    let counts = parts.map(|(class, what)| {
        let count: usize = all().map(|stage| stage.tally.count(class)).sum();
        (count, what)
    });
    let parts = counts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let reason = format!(
        "nobody is left of {} machine(s) that it was for: {}; bring them back; or enrol others, abort this one and start another; or resume to take it as it is",
        rollout.members.len(),
        parts.join(", ")
    );
    Verdict::stop(Gate::Nobody, reason)
}

/// Whether a machine of the stage has an outcome, or may come to one.
fn has_somebody(view: View<'_>) -> bool {
    let counts = view.tally.counts(view.rollout.spec.offline);
    counts.agents > counts.skipped
}
