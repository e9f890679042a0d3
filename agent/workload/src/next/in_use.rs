//! In use means not now: whether somebody is in the way of a cut-over, and
//! what becomes of one that was put off for too long.
//!
//! An operation that goes back asks nobody.

use pinion_model::{Failure, FailureKind, Holder, InUse, Timestamp};

use crate::in_use::Probes;
use crate::{Call, Container, Hook, HookPoint, Operation, Stage, Step, Unit};

use super::gate::GATE_PAUSE;
use super::{View, beside};

/// What comes before the cut-over; none when it may begin.
pub(super) fn hold(view: View<'_>) -> Option<Step> {
    if view.operation.gate.forced {
        return hook(view).or_else(|| drain(view));
    }
    match in_the_way(view) {
        None => Some(Step::Rest {
            wake_at: Some(view.now + GATE_PAUSE),
        }),
        Some(holders) if !holders.is_empty() => Some(put_off(view, holders)),
        Some(_) => opened(view).or_else(|| hook(view)).or_else(|| drain(view)),
    }
}

/// Who is in the way; none while that is being asked.
fn in_the_way(view: View<'_>) -> Option<Vec<Holder>> {
    let gate = &view.operation.gate;
    let mut holders = locks(view);
    let is_let_go = view.operation.units.iter().any(|unit| unit.let_go);
    match view.observed.in_use.probes {
        // What they said before the hook let it go holds: the hook may be what
        // made them busy.
        _ if is_let_go || gate.drained_at.is_some() => {}
        Probes::Answered(probed) => holders.extend(probed.iter().filter_map(|p| p.holder())),
        // Unknown is not idle, whatever the time; but who is forced need not wait.
        Probes::Asking if holders.is_empty() && !is_forced_now(view) => return None,
        Probes::Asking => {}
    }
    let hook = gate.hook.as_ref().filter(|(_, again)| view.now < *again);
    holders.extend(hook.map(|(holder, _)| holder.clone()));
    holders.truncate(pinion_model::Deferral::HOLDER_LIMIT);
    Some(holders)
}

/// Nobody is in the way any more; while a hook was, only the hook can tell.
fn opened(view: View<'_>) -> Option<Step> {
    let gate = &view.operation.gate;
    (gate.is_shut() && gate.hook.is_none()).then(|| {
        let mut operation = view.operation.clone();
        operation.gate.open(view.now);
        operation.waiting_for = String::new();
        view.write(operation)
    })
}

fn locks(view: View<'_>) -> Vec<Holder> {
    let leases = view.observed.in_use.leases.iter();
    let held = leases.filter(|lease| lease.holds(view.observed.workload, view.now));
    held.map(|lease| lease.holder()).collect()
}

fn deadline(view: View<'_>) -> Timestamp {
    view.operation
        .gate
        .deadline(&view.operation.assignment, view.now)
}

/// The time is up, and the policy is to go on.
fn is_forced_now(view: View<'_>) -> bool {
    view.operation.assignment.in_use == InUse::Force && view.now >= deadline(view)
}

/// It waits, or its time is up.
fn put_off(view: View<'_>, holders: Vec<Holder>) -> Step {
    if view.now >= deadline(view) {
        return time_is_up(view, holders, |view, failure| view.abandon(failure));
    }
    wait(view, holders)
}

fn wait(view: View<'_>, holders: Vec<Holder>) -> Step {
    let gate = &view.operation.gate;
    if gate.is_shut() && are_told(&gate.holders, &holders, view.now) {
        let ends = holders.iter().filter_map(|holder| holder.until);
        let soon = ends.chain([deadline(view), view.now + GATE_PAUSE]).min();
        return Step::Rest { wake_at: soon };
    }
    view.write(shut(view.operation.clone(), holders, view.now))
}

/// The same, put off; whom a hook has let go is asked again.
fn shut(mut operation: Operation, holders: Vec<Holder>, now: Timestamp) -> Operation {
    operation.gate.shut(holders, now);
    let units = operation.units.iter_mut();
    units.for_each(|unit| unit.let_go = false);
    let deferral = operation.deferral();
    operation.waiting_for = deferral.map_or_else(String::new, |deferral| deferral.to_string());
    operation
}

/// Whether those are told already. A lock that is renewed is told anew only
/// when the end that was told has come.
fn are_told(told: &[Holder], now_there: &[Holder], now: Timestamp) -> bool {
    let same = |(told, is): (&Holder, &Holder)| {
        told.is_like(is) && (told.until == is.until || told.until.is_some_and(|end| now < end))
    };
    told.len() == now_there.len() && told.iter().zip(now_there).all(same)
}

fn time_is_up<'a>(
    view: View<'a>,
    holders: Vec<Holder>,
    end: impl FnOnce(View<'a>, Failure) -> Step,
) -> Step {
    let mut operation = view.operation.clone();
    operation.gate.shut(holders, view.now);
    if view.operation.assignment.in_use == InUse::Force {
        operation.gate.force(view.now);
        operation.waiting_for = String::new();
        return view.write(operation);
    }
    end(view, too_long(&operation))
}

fn too_long(operation: &Operation) -> Failure {
    let assignment = &operation.assignment;
    let holders: Vec<_> = operation
        .gate
        .holders
        .iter()
        .map(ToString::to_string)
        .collect();
    let kept = match operation.stage {
        Stage::Cut => "all were put back",
        _ => "nothing was touched",
    };
    let message = format!(
        "the machine was in use for longer than {} (defer_within), and the policy is to {}; {kept}. In the way: {}",
        pinion_model::written(assignment.defer_within),
        assignment.in_use,
        holders.join("; ")
    );
    Failure::new(FailureKind::InUse, message)
}

/// The hook of each container that runs, before any of them is touched.
fn hook(view: View<'_>) -> Option<Step> {
    let running = |unit: &&Unit| unit.old.running && !unit.let_go;
    let unit = view.operation.units.iter().find(running)?;
    let call = view.observed.in_use.pre_cut.then(|| {
        Call::Hook(Hook {
            point: HookPoint::PreCut,
            container: unit.old.id.clone(),
            ..told(view, unit)
        })
    });
    call.map(Step::Call)
}

/// The hook of one that was just started; none if there is none, or it was content.
pub(super) fn welcome(view: View<'_>, unit: &Unit, next: &Container) -> Option<Step> {
    // One that has ended is judged without it.
    let due = view.observed.in_use.post_start && !unit.welcomed && next.is_up();
    due.then(|| {
        Step::Call(Call::Hook(Hook {
            point: HookPoint::PostStart,
            container: next.id.clone(),
            ..told(view, unit)
        }))
    })
}

pub(super) fn told(view: View<'_>, unit: &Unit) -> Hook {
    Hook {
        point: HookPoint::PreCut,
        container: unit.old.id.clone(),
        from: None,
        name: unit.name.clone(),
        old: unit.old.digest.clone(),
        new: view.operation.assignment.digest().cloned(),
        operation: view.operation.id.clone(),
    }
}

/// What is under way gets its time to end; only locks are asked meanwhile. Where
/// a proxy is switched, that time begins when it was.
fn drain(view: View<'_>) -> Option<Step> {
    let drain = view.observed.in_use.drain;
    let later = |unit: &Unit| unit.beside && view.observed.in_use.switch;
    let mut units = view.operation.units.iter();
    let runs = units.any(|unit| unit.old.running && !later(unit));
    let Some(end) = view.operation.gate.drained_at else {
        let is_due = runs && !drain.is_zero();
        return is_due.then(|| {
            let mut operation = view.operation.clone();
            let end = view.now + drain;
            operation.gate.open(view.now);
            operation.gate.drained_at = Some(end);
            operation.waiting_for =
                format!("what is under way in its containers to end (drain), until {end}");
            view.write(operation)
        });
    };
    (view.now < end).then(|| Step::Rest {
        wake_at: Some(end.min(view.now + GATE_PAUSE)),
    })
}

/// Once more, right before the first of a group is touched. While no group is,
/// it goes back to the gate; else what was cut waits for the rest, as long as
/// the deferral may last.
pub(super) fn hold_back(view: View<'_>, members: &[(usize, &Unit)]) -> Option<Step> {
    let old = |unit: &Unit| view.machine.by_id(&unit.old.id);
    let is_untouched = |(_, unit): &(usize, &Unit)| {
        let stands = |old: &Container| old.is_up() || !unit.old.running;
        let is_at_home = old(unit).is_some_and(|old| old.name == unit.name && stands(old));
        is_at_home && !beside::is_begun(view, unit)
    };
    if view.operation.gate.forced || !members.iter().all(is_untouched) {
        return None;
    }
    let holders = locks(view);
    if holders.is_empty() {
        return opened(view);
    }
    let fenced = members.iter().find_map(|(_, unit)| {
        let old = old(unit)?;
        (old.restart_policy != unit.old.restart_policy).then_some(Call::SetRestartPolicy {
            id: old.id.clone(),
            policy: unit.old.restart_policy.clone(),
            retries: unit.old.restart_retries,
        })
    });
    if let Some(call) = fenced {
        return Some(Step::Call(call));
    }
    if !view.operation.units.iter().any(|unit| unit.proven) {
        let back = view.operation.clone().at(Stage::Create, view.now);
        return Some(view.write(shut(back, holders, view.now)));
    }
    Some(wait_or_go_back(view, holders))
}

/// And once more before an old one stops beside which the next one runs: what
/// came before has taken nothing from anybody.
pub(super) fn hold_stop(view: View<'_>) -> Option<Step> {
    if view.operation.gate.forced {
        return None;
    }
    let holders = locks(view);
    match holders.is_empty() {
        true => opened(view),
        false => Some(wait_or_go_back(view, holders)),
    }
}

fn wait_or_go_back(view: View<'_>, holders: Vec<Holder>) -> Step {
    if view.now < deadline(view) {
        return wait(view, holders);
    }
    let nobody = view.operation.units.len();
    time_is_up(view, holders, |view, failure| {
        view.take_back(nobody, failure)
    })
}
