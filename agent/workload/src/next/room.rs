//! Room for an image, before it is asked for.
//!
//! An engine whose disk is full fails in the middle of a pull, and so does
//! what tenants write at that time.

use pinion_model::{Failure, FailureKind};

use super::View;

const MIB: u64 = 1024 * 1024;

/// Why nothing may be pulled: too little would be left to the machine.
pub(super) fn lacking(view: View<'_>) -> Option<Failure> {
    let room = view.observed.room.filter(|room| room.free < room.floor)?;
    let message = format!(
        "the engine's disk has {} MiB free, and with less than {} MiB nothing is pulled; make room on this machine, or lower `engine.min_free_mib` in agent.toml, then retry it",
        room.free / MIB,
        room.floor / MIB
    );
    Some(Failure::new(FailureKind::Disk, message))
}
