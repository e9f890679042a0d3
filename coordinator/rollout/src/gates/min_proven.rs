use super::{Verdict, View};
use crate::Gate;
use crate::world::Class;

/// Enough machines of a stage must run a container that was proven healthy;
/// those that could only pull the image prove nothing, and those that were sick
/// before and failed prove nothing either way. To be asked once every
/// machine of the stage is done.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let stage = view.stage;
    if stage.accepted_unproven || stage.rules.min_proven == 0 {
        return Verdict::Pass;
    }
    if stage.order.is_empty() {
        return Verdict::Pass;
    }
    let proven = view.tally.count(Class::Settled);
    let staged = view.tally.count(Class::Staged);
    let failed = view.tally.count_of(&[Class::Failed, Class::Acknowledged]);
    if proven + staged + failed == 0 && settled_before(view) {
        return Verdict::Pass;
    }
    let needed = needed(view);
    if proven >= needed {
        return Verdict::Pass;
    }
    let excused = view.tally.count(Class::Excused);
    let sick = match excused {
        0 => String::new(),
        _ => format!("{excused} failed that were sick before, "),
    };
    let reason = format!(
        "stage {}: inconclusive: {proven} of {needed} machine(s) proved the digest ({staged} only staged it, {failed} failed, {sick}{} skipped){}; resume to take it as it is",
        stage.rules.name,
        view.tally.len() - proven - staged - failed - excused,
        why(view)
    );
    Verdict::stop(Gate::MinProven, reason)
}

/// `min_proven`, but no more than there are machines with containers; at least 1.
fn needed(view: View<'_>) -> usize {
    let taking_part = [
        Class::Settled,
        Class::Staged,
        Class::Failed,
        Class::Acknowledged,
    ];
    let able = view.tally.able_of(&taking_part);
    (view.stage.rules.min_proven as usize).min(able).max(1)
}

/// A stage before this one has proved the digest, or was accepted without.
fn settled_before(view: View<'_>) -> bool {
    View::all(view.world, view.rollout, view.now)
        .take(view.number)
        .any(|before| before.stage.accepted_unproven || before.tally.count(Class::Settled) > 0)
}

fn why(view: View<'_>) -> &'static str {
    let able = |agents: &[pinion_model::AgentId]| {
        agents
            .iter()
            .filter_map(|agent| view.rollout.members.get(agent))
            .any(|member| member.has_containers)
    };
    if able(&view.stage.order) {
        ""
    } else if view.rollout.stages.iter().any(|stage| able(&stage.order)) {
        ", since no machine of the stage ran a container of it"
    } else {
        ", since no machine of the whole rollout ran a container of it"
    }
}
