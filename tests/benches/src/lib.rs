//! A fleet for measurements of the rollout engine alone.
//!
//! Owns what the programs beside it measure with: a world with machines in it,
//! and what those say. Never touches an engine, a network or a clock.
//!
//! ```text
//!   engine/   one plan after one event; four stages to the end
//!   memory/   bytes of a world
//!      └──▶ drive ──▶ fleet ──▶ the real plan, apply and commands
//! ```
//!
//! What was measured, and what limits it, stands in `README.md`.

mod drive;
mod fleet;

pub use drive::Drive;
pub use fleet::{Fleet, report, workload};
