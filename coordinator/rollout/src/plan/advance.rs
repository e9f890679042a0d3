use pinion_model::{RolloutPhase, Timestamp};

use super::{assign, notes, prefetch, take_back, windows, withdraw};
use crate::commands::taken_back;
use crate::gates::prefetch::Pass;
use crate::gates::{
    self, Stop, Verdict, View, approval, budget, metric, presence, progress, quarantine,
    regression, room,
};
use crate::world::Class;
use crate::{Act, Change, Decision, FailureAction, Gate, Rollout, Standing, World};

/// The next step of one active rollout. One a round, since what it asks of a
/// machine keeps the others away from it: first those that take machines back,
/// then that with the fewest in flight, then the oldest, so that none starves.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let mut rollouts: Vec<_> = world.active_rollouts().collect();
    rollouts.sort_by_cached_key(|rollout| {
        let flying = flying(world, rollout, now);
        (!rollout.rolled_back, flying, rollout.started.at)
    });
    let rollouts = rollouts.into_iter();
    first(rollouts.map(|rollout| advance(world, rollout, now)))
}

/// Of the first that has something to do.
fn first(mut changes: impl Iterator<Item = Vec<Change>>) -> Vec<Change> {
    changes
        .find(|changes| !changes.is_empty())
        .unwrap_or_default()
}

fn flying(world: &World, rollout: &Rollout, now: Timestamp) -> usize {
    View::all(world, rollout, now)
        .map(|view| view.tally.count_of(&Class::IN_FLIGHT))
        .sum()
}

/// What a superseded rollout has left to do: withdraw, and go on taking back.
/// One rollout a round, as above.
pub(super) fn drain(world: &World, now: Timestamp) -> Vec<Change> {
    let draining = world
        .index
        .draining
        .iter()
        .filter_map(|id| world.rollouts.get(id));
    first(draining.map(|rollout| {
        let restores = if rollout.rolled_back {
            take_back::restore(world, rollout, now)
        } else {
            Vec::new()
        };
        if restores.is_empty() {
            withdraw::all(world, rollout, now)
        } else {
            restores
        }
    }))
}

fn advance(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    match rollout.phase {
        RolloutPhase::Running | RolloutPhase::AwaitingApproval => run(world, rollout, now),
        RolloutPhase::RollingBack => take_back::plan(world, rollout, now),
        RolloutPhase::Aborting if rollout.rolled_back => take_back::plan(world, rollout, now),
        RolloutPhase::Aborting => abort(world, rollout, now),
        _ if rollout.rolled_back => take_back::stand(world, rollout, now),
        _ => withdraw::all(world, rollout, now),
    }
}

fn abort(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let withdrawn = withdraw::all(world, rollout, now);
    let flying =
        |view: View<'_>| view.tally.count_of(&Class::IN_FLIGHT) + view.tally.count(Class::Soaking);
    let waits = View::all(world, rollout, now).any(|view| flying(view) > 0);
    if waits || !withdrawn.is_empty() {
        return withdrawn;
    }
    vec![end(
        rollout,
        RolloutPhase::Aborted,
        rollout.reason.clone(),
        now,
    )]
}

/// One step of a rollout that runs: whatever comes first in this order.
fn run(world: &World, rollout: &Rollout, now: Timestamp) -> Vec<Change> {
    let opened = || View::all(world, rollout, now).filter(|view| view.stage.opened_at.is_some());
    let failed: Vec<_> = opened().flat_map(judge).collect();
    if !failed.is_empty() {
        return failed;
    }
    if let Some(stop) = tripped(world, rollout, opened()) {
        return halt(world, rollout, stop, now);
    }
    if let Some(pass) = Pass::of(world, rollout, now) {
        return prefetch::plan(pass);
    }
    let stranded: Vec<_> = opened()
        .flat_map(|view| withdraw::plan(view, &[Class::AskedOffline], "the machine went offline"))
        .chain(opened().flat_map(windows::withdraw))
        .collect();
    if !stranded.is_empty() {
        return stranded;
    }
    match View::all(world, rollout, now).nth(rollout.open_stage) {
        Some(view)
            if view.stage.opened_at.is_none()
                || rollout.phase == RolloutPhase::AwaitingApproval =>
        {
            open(view)
        }
        Some(view) => work(view),
        None => vec![end(
            rollout,
            RolloutPhase::Completed,
            notes::of_rollout(world, rollout, now),
            now,
        )],
    }
}

/// What stops it, whatever else goes on. An old container that did not come
/// back is for a person first, and a quarantine says more than a budget.
fn tripped<'a>(
    world: &World,
    rollout: &Rollout,
    opened: impl Iterator<Item = View<'a>>,
) -> Option<Stop> {
    let stop = |verdict| match verdict {
        Verdict::Stop(stop) => Some(stop),
        _ => None,
    };
    let (lost, over): (Vec<_>, Vec<_>) = opened
        .filter_map(|view| stop(budget::check(view)))
        .partition(|stop| stop.gate == Gate::RollbackFailed);
    let quarantined = stop(quarantine::check(world, rollout));
    lost.into_iter().chain(quarantined).chain(over).next()
}

/// Machines that failed by our own judgement: withdrawn, in case they still come.
fn judge(view: View<'_>) -> Vec<Change> {
    let open = view.number == view.rollout.open_stage;
    let mut changes = Vec::new();
    for verdict in [
        regression::check(view),
        progress::check(view),
        if open {
            presence::check(view)
        } else {
            Verdict::Pass
        },
    ] {
        let Verdict::Fail(failed) = verdict else {
            continue;
        };
        for (agent, failure) in failed {
            let member = view.rollout.members.get(&agent);
            let recall = member.is_some_and(|member| {
                let asked = member.standing() != Standing::Pending;
                asked && !member.has_cut_over() && !member.withdrawing
            });
            let act = Act::MemberFailed {
                rollout: view.rollout.id.clone(),
                agent: agent.clone(),
                failure,
            };
            changes.push(Decision::system(view.now, act).into());
            if recall {
                changes.extend(assign::withdraw(
                    view.world,
                    &agent,
                    &view.rollout.workload,
                    "it failed by a deadline",
                    view.now,
                ));
            }
        }
    }
    changes
}

fn open(view: View<'_>) -> Vec<Change> {
    let (rollout, stage) = (view.rollout.id.clone(), view.number);
    let awaited = view.rollout.phase == RolloutPhase::AwaitingApproval;
    let act = match approval::check(view) {
        Verdict::Pass => Act::StageOpened { rollout, stage },
        _ if awaited && view.stage.approved.is_none() => return Vec::new(),
        _ => Act::ApprovalAwaited {
            rollout,
            stage,
            note: approval::lapsed(view.stage),
        },
    };
    vec![Decision::system(view.now, act).into()]
}

/// Assigns what the limit allows, and passes the stage once nothing holds it.
/// Those that joined it late, for which it does not wait, are not asked for
/// what would be taken back when it passes: they join the next, or catch up.
fn work(view: View<'_>) -> Vec<Change> {
    let passes = gates::settled(view) == Verdict::Pass && metric::check(view) == Verdict::Pass;
    let room = if passes { 0 } else { room::room(view) };
    let ready = view.members(Class::Ready).take(room);
    let turns: Vec<_> = ready
        .filter_map(|(agent, member)| {
            assign::turn(view.world, view.rollout, agent, member, view.now)
        })
        .collect();
    if !turns.is_empty() {
        return turns;
    }
    for verdict in [gates::settled(view), metric::check(view)] {
        match verdict {
            Verdict::Pass => {}
            Verdict::Stop(stop) => return halt(view.world, view.rollout, stop, view.now),
            _ => return Vec::new(),
        }
    }
    let act = Act::StagePassed {
        rollout: view.rollout.id.clone(),
        stage: view.number,
        note: notes::of_stage(view),
    };
    vec![Decision::system(view.now, act).into()]
}

/// What a tripped gate does. Inconclusive stages and machines that did not
/// get back need a person in any case; so do machines that could not even
/// pull, where there is nothing to take back. Who quarantines an image is
/// promised that the machines that run it keep it.
pub(super) fn halt(world: &World, rollout: &Rollout, stop: Stop, now: Timestamp) -> Vec<Change> {
    let Stop {
        gate,
        reason,
        inconclusive,
    } = stop;
    let takes_back = match gate {
        Gate::FailureBudget | Gate::Metric => true,
        Gate::Quarantine => !quarantine::is_by_a_person(world, rollout),
        _ => false,
    };
    if takes_back && !inconclusive && rollout.spec.on_failure == FailureAction::Rollback {
        let act = Act::RollbackStarted {
            rollout: rollout.id.clone(),
            reason,
        };
        let start = Decision::system(now, act).into();
        return std::iter::once(start)
            .chain(taken_back(world, rollout, now))
            .collect();
    }
    vec![
        Decision::system(
            now,
            Act::RolloutHalted {
                rollout: rollout.id.clone(),
                gate,
                reason,
            },
        )
        .into(),
    ]
}

fn end(rollout: &Rollout, phase: RolloutPhase, reason: String, now: Timestamp) -> Change {
    Decision::system(
        now,
        Act::RolloutEnded {
            rollout: rollout.id.clone(),
            phase,
            reason,
        },
    )
    .into()
}
