//! What to do next.
//!
//! ```text
//!   windows   maintenance windows that open and shut
//!   sessions  holds that expire, agents that stay away, restored backups
//!   quarantine  digests that failed on too many machines
//!   adopt     what agents have rolled back by themselves
//!   queue     rollouts whose turn has come
//!   drain     what superseded rollouts have left to withdraw or take back
//!   refresh   machines that an operator wants at their stable digests
//!   late      machines that came after their stage was frozen, into the open one
//!   advance   every active rollout: judge, open, assign, pass, end
//!   catch_up  machines outside any rollout, to the stable digest
//! ```

mod advance;
mod assign;
mod catch_up;
mod late;
mod notes;
mod prefetch;
mod probes;
mod quarantine;
mod queue;
mod refresh;
mod sessions;
mod take_back;
mod windows;
mod withdraw;

use pinion_model::{RolloutPhase, Timestamp};

use crate::gates::prefetch::{Pass, due as pull_due};
use crate::gates::{Verdict, View, bake, metric, presence, progress};
use crate::{Change, Rollout, World, apply};

pub use probes::{DueProbe, DueProbes, due_probes};

/// The planner's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be committed together, naming the decision revision that was planned from.
    pub changes: Vec<Change>,
    /// When to plan again, if nothing else happens before.
    pub wake_at: Option<Timestamp>,
}

/// Each depends on what those before it have changed, so only the first that
/// has something to do is asked in one round.
const STEPS: &[fn(&World, Timestamp) -> Vec<Change>] = &[
    windows::plan,
    sessions::plan,
    quarantine::plan,
    take_back::adopt,
    queue::plan,
    advance::drain,
    refresh::plan,
    late::plan,
    advance::plan,
    catch_up::plan,
];

/// What to do now, given all that is known. Applying its changes and planning
/// again at the same instant gives no changes.
#[must_use]
pub fn plan(world: &World, now: Timestamp) -> Plan {
    let mut changes = step(world, now);
    if changes.is_empty() {
        return Plan {
            changes,
            wake_at: wake_at(world, now),
        };
    }
    // One thing leads to another (a stage passes, the next opens, machines are
    // assigned): followed on a sketch until nothing is left to do.
    let mut sketch = world.clone();
    let mut done = 0;
    while done < changes.len() {
        for change in &changes[done..] {
            apply(&mut sketch, change);
        }
        done = changes.len();
        changes.extend(step(&sketch, now));
    }
    Plan {
        changes,
        wake_at: wake_at(&sketch, now),
    }
}

fn step(world: &World, now: Timestamp) -> Vec<Change> {
    STEPS
        .iter()
        .map(|step| step(world, now))
        .find(|changes| !changes.is_empty())
        .unwrap_or_default()
}

/// The earliest instant at which something is due by itself.
fn wake_at(world: &World, now: Timestamp) -> Option<Timestamp> {
    let agents = [
        world.index.holds.next(),
        world.index.fleet_holds.next(),
        world.index.unknown.next(),
        world.index.calendars.due.next(),
    ];
    // What is under way in the stages before one that waits for a person goes on.
    let goes_on = |rollout: &&Rollout| {
        matches!(
            rollout.phase,
            RolloutPhase::Running | RolloutPhase::AwaitingApproval
        )
    };
    let stages = world.active_rollouts().filter(goes_on);
    let stages = stages.flat_map(|rollout| View::all(world, rollout, now));
    let stages = stages.filter(|view| view.stage.opened_at.is_some());
    let due = stages.flat_map(|view| {
        let until = |verdict| match verdict {
            Verdict::Wait(wait) if view.stage.passed_at.is_none() => wait.until,
            _ => None,
        };
        let (bake, metric) = (until(bake::check(view)), until(metric::check(view)));
        let open = view.number == view.rollout.open_stage;
        let grace = open.then(|| until(presence::check(view))).flatten();
        [progress::due(view), bake, metric, grace]
    });
    let passes = world
        .active_rollouts()
        .filter(goes_on)
        .filter_map(|rollout| Pass::of(world, rollout, now));
    let due = due.chain(passes.map(pull_due));
    let draining = world.index.draining.iter();
    let back = world
        .active_rollouts()
        .filter(|rollout| rollout.rolled_back)
        .chain(draining.filter_map(|id| world.rollouts.get(id)));
    let due = due.chain(back.map(|rollout| take_back::due(world, rollout)));
    agents
        .into_iter()
        .chain(due)
        .flatten()
        .filter(|at| *at > now)
        .min()
}
