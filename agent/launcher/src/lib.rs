//! Starts the agent's program, and the one before it where a new one does not do.
//!
//! Owns the two places in the state directory, the file that says what is in
//! them, and the process that runs. What becomes of a candidate is decided by
//! `pinion_workload::Slots`; nothing here knows of containers or coordinators.
//! Is itself never replaced by an update, so it is small and does little.
//!
//! ```text
//!   <state dir>/slots/state.json    current, candidate, tries left, confirmed
//!                     a/pinion-agent   b/pinion-agent
//!                     launcher.lock   one launcher
//!
//!   read ─▶ note the start ─▶ run ─▶ ended, late, or told to stop ─▶ note that ─▶ again
//! ```

pub mod disk;
mod end;
mod events;
mod probe;
pub mod run;
pub mod slot_dir;
mod tail;

/// Names the launcher's process to the agent that it starts, which ends with it.
pub const LAUNCHER_VARIABLE: &str = "PINION_LAUNCHER";
/// Names the place of its program to the agent: `a` or `b`.
pub const SLOT_VARIABLE: &str = "PINION_SLOT";
