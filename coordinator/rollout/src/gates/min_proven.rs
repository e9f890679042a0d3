use super::{Verdict, View};
use crate::world::Class;
use crate::{Cohort, Gate};

/// Enough machines of a stage must run a container that was proven healthy;
/// those that could only pull the image prove nothing, and those that were sick
/// before and failed prove nothing either way. Whom the rollout goes round does
/// not lower what is asked. A stage of which nobody took part rests on what the
/// stages before it have proven; so does one whose selector matched nobody. A
/// share that came to nobody asks for nothing. To be asked once every machine
/// of the stage is done.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let stage = view.stage;
    if stage.accepted_unproven || stage.rules.min_proven == 0 {
        return Verdict::Pass;
    }
    if stage.order.is_empty() {
        return matched_nobody(view);
    }
    let needed = needed(view);
    let proven = view.tally.count(Class::Settled);
    if proven >= needed {
        return Verdict::Pass;
    }
    let staged = view.tally.count(Class::Staged);
    let failed = view.tally.count_of(&[Class::Failed, Class::Acknowledged]);
    let nobody = proven + staged + failed == 0;
    if nobody && (was_accepted(view) || proven_before(view) >= needed) {
        return Verdict::Pass;
    }
    let excused = view.tally.count(Class::Excused);
    let skipped = view.tally.len() - proven - staged - failed - excused;
    let sick = match excused {
        0 => String::new(),
        _ => format!(
            "{excused} failed that were {}, ",
            view.rollout.spec.excuse()
        ),
    };
    let before = match nobody {
        true => format!(", and {} in the stages before it", proven_before(view)),
        false => String::new(),
    };
    let reason = format!(
        "stage {}: inconclusive: {proven} of {needed} machine(s) proved the digest ({staged} only staged it, {failed} failed, {sick}{skipped} skipped){before}{}; {}",
        stage.rules.name,
        why(view),
        next(view)
    );
    Verdict::stop(Gate::MinProven, reason)
}

/// Whoever was meant to prove the digest first is not there, and those of the
/// stages after it would get it unproven. Only one that joined late can still
/// prove it.
fn matched_nobody(view: View<'_>) -> Verdict {
    let Cohort::Selector(selector) = &view.stage.rules.cohort else {
        return Verdict::Pass;
    };
    // None of its own is in the order.
    let mut later = view.rollout.stages.iter().skip(view.number);
    let later = later.any(|stage| !stage.order.is_empty());
    let proven = proven_before(view) + view.tally.count(Class::Settled);
    if !later || proven > 0 || was_accepted(view) {
        return Verdict::Pass;
    }
    let name = &view.stage.rules.name;
    match view.tally.count_of(&AT_WORK) + view.tally.count_of(&Class::IN_FLIGHT) {
        0 => Verdict::stop(
            Gate::MinProven,
            format!(
                "stage {name}: inconclusive: no machine had the labels {selector} when the rollout began, so none proved the digest before the stages after it; give a machine those labels, abort this one and start another, or resume to take it as it is"
            ),
        ),
        count => Verdict::wait(
            format!("proof in stage {name} of {count} machine(s) that joined it late"),
            None,
        ),
    }
}

/// Each is to be asked, or proven soon; those in flight come beside.
const AT_WORK: [Class; 5] = [
    Class::Ready,
    Class::Unknown,
    Class::After,
    Class::Busy,
    Class::Soaking,
];

/// `min_proven`, but no more than the stage has machines with containers that
/// were well before; at least 1.
fn needed(view: View<'_>) -> usize {
    let able = view
        .tally
        .able_but(&[Class::Sick, Class::Excused, Class::Gone]);
    (view.stage.rules.min_proven as usize).min(able).max(1)
}

/// Whether fewer machines than are asked for have proven the digest by now.
pub(crate) fn falls_short(view: View<'_>) -> bool {
    view.tally.count(Class::Settled) < needed(view)
}

fn before(view: View<'_>) -> impl Iterator<Item = View<'_>> {
    View::all(view.world, view.rollout, view.now).take(view.number)
}

/// A person took a stage before this one without proof.
fn was_accepted(view: View<'_>) -> bool {
    before(view).any(|before| before.stage.accepted_unproven)
}

fn proven_before(view: View<'_>) -> usize {
    let proven = before(view).map(|before| before.tally.count(Class::Settled));
    proven.sum()
}

/// What a person can do about it.
fn next(view: View<'_>) -> &'static str {
    match view.tally.count_of(&[Class::Held, Class::Offline]) {
        0 => "resume to take it as it is",
        _ => {
            "resume once those that are held or offline are back to ask them, or to take it as it is"
        }
    }
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
