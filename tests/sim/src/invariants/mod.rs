//! What must never be, whatever happens; each by its name.
//!
//! ```text
//!   decisions  every change, right before it is applied to the truth
//!   budget     what a plan assigns and what fails, stage by stage
//!   planning   plans: that they end, that they are explained, that the index is right
//!   turns      who may be given a turn, and when a way back is over
//!   machines   every write of a journal and every call to an engine
//!   rest       the end, when nothing moves any more
//! ```

mod budget;
mod decisions;
mod machines;
mod planning;
mod rest;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{Generation, RolloutId, Timestamp, WorkloadName};

/// Something that must never be, and was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub invariant: &'static str,
    /// How it was broken.
    pub detail: String,
}

/// A rule held.
pub(crate) type Held = Result<(), Violation>;

/// A rule was broken.
pub(crate) fn violated<T>(
    invariant: &'static str,
    detail: impl Into<String>,
) -> Result<T, Violation> {
    Err(Violation {
        invariant,
        detail: detail.into(),
    })
}

/// A rule holds, or it is said how it was broken.
pub(crate) fn holds(
    invariant: &'static str,
    is_kept: bool,
    detail: impl FnOnce() -> String,
) -> Held {
    if is_kept {
        Ok(())
    } else {
        violated(invariant, detail())
    }
}

/// What the rules remember.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Of a machine's workload.
    works: BTreeMap<(usize, WorkloadName), Work>,
    /// Stages that have lost more machines than they may, with the most that
    /// may have failed in the end.
    tripped: BTreeMap<(RolloutId, u32), u32>,
    /// Agents whose generation the commit that is being applied has raised.
    raised: BTreeSet<usize>,
    /// Looks at whole stages of large rollouts.
    large: u32,
    /// Commits since the index was last rebuilt.
    since_rebuilt: u32,
    /// Plans that changed nothing since it was last asked what everybody waits for.
    pub(crate) since_explained: usize,
}

impl Watch {
    /// Whether all of a rollout of so many machines is looked at now: of a
    /// large one now and then, of a small one always.
    fn looks_at(&mut self, machines: usize) -> bool {
        const LARGE: usize = 2_000;
        const EVERY: u32 = 64;
        self.large = self.large.wrapping_add(1);
        machines <= LARGE || self.large.is_multiple_of(EVERY)
    }
}

/// What was asked of a machine's workload, and what became of it.
#[derive(Debug, Default)]
struct Work {
    /// When each generation of an assignment was first accepted, newest last.
    accepted: Vec<(Generation, Timestamp)>,
    /// What was withdrawn up to here, and the coordinator knows it.
    withdrawn: Generation,
}
