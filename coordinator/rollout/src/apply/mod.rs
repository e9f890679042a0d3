//! Committed changes into the world: facts, and the index that follows from them.
//!
//! Whatever was committed applies: nothing here can fail, and a change about
//! something that is not there (any more) changes nothing.

mod access;
mod assigned;
mod checks;
mod decisions;
mod fleet;
mod holds;
mod known;
mod late;
mod members;
mod phases;
mod prefetch;
mod quarantine;
mod reports;
mod sessions;
mod stages;
mod strategies;
mod windows;

use crate::world::Touched;
use crate::{Change, World};

/// Applies one committed change. Total and deterministic.
pub fn apply(world: &mut World, change: &Change) {
    let touched = note(world, change);
    world.refresh_index(touched);
}

/// Into the facts alone; answers what of the index is to be looked at again.
pub(crate) fn note(world: &mut World, change: &Change) -> Touched {
    let mut touched = Touched::default();
    match change {
        Change::Decision(decision) => decisions::apply(world, decision, &mut touched),
        Change::Observation(observation) => sessions::apply(world, observation, &mut touched),
    }
    touched
}
