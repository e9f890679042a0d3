use pinion_model::Timestamp;

use super::{advance, assign};
use crate::gates::prefetch::{Pass, budget, progress, wait};
use crate::gates::{Verdict, View};
use crate::world::Pull;
use crate::{Act, Change, Decision, Rollout, World};

/// One step of the pass ahead of the stages: whatever comes first in this order.
pub(super) fn plan(pass: Pass<'_>) -> Vec<Change> {
    let rollout = &pass.rollout.id;
    if pass.known.opened_at.is_none() {
        let act = Act::PrefetchOpened {
            rollout: rollout.clone(),
        };
        return vec![Decision::system(pass.now, act).into()];
    }
    if let Verdict::Fail(late) = progress(pass) {
        return late
            .into_iter()
            .flat_map(|(agent, failure)| {
                let act = Act::PrefetchFailed {
                    rollout: rollout.clone(),
                    agent: agent.clone(),
                    failure,
                };
                let failed = Decision::system(pass.now, act).into();
                let stop = assign::stop_prefetch(
                    pass.world,
                    pass.rollout,
                    &agent,
                    "it did not pull in time",
                    pass.now,
                );
                std::iter::once(failed).chain(stop)
            })
            .collect();
    }
    if let Verdict::Stop(stop) = budget(pass) {
        return advance::halt(pass.world, pass.rollout, stop, pass.now);
    }
    let ready = pass.members(Pull::Ready).take(pass.room());
    let asked: Vec<_> = ready
        .map(|(agent, member)| assign::prefetch(pass.world, pass.rollout, agent, member, pass.now))
        .collect();
    if !asked.is_empty() || wait(pass) != Verdict::Pass {
        return asked;
    }
    let act = Act::PrefetchPassed {
        rollout: rollout.clone(),
        note: note(pass),
    };
    vec![Decision::system(pass.now, act).into()]
}

/// How the pass went, in numbers.
fn note(pass: Pass<'_>) -> String {
    let Some(counts) = pass.world.prefetch_counts(&pass.rollout.id) else {
        return String::new();
    };
    let mut note = format!(
        "{} of {} machine(s) have the image",
        counts.prefetched, counts.agents
    );
    let parts = [
        (counts.failed, "could not get it"),
        (counts.skipped + counts.pending, "gone round"),
    ];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        note.push_str(&format!(", {count} {what}"));
    }
    note
}

/// Takes back what is being pulled ahead.
pub(super) fn withdraw(
    world: &World,
    rollout: &Rollout,
    reason: &str,
    now: Timestamp,
) -> Vec<Change> {
    let pulls = [Pull::Asked, Pull::AskedOffline];
    let stages = View::all(world, rollout, now);
    let members = stages.flat_map(|view| {
        let places = pulls.into_iter().map(|pull| view.tally.places_in(pull));
        view.at(places.flatten())
    });
    members
        .filter_map(|(agent, _)| assign::stop_prefetch(world, rollout, agent, reason, now))
        .collect()
}
