//! Live watching.
//!
//! What is shown is pure: a rollout goes in, lines, bars and an exit code come
//! out. `follow` carries the stream and comes back after a broken one;
//! `screen` draws.
//!
//! ```text
//!   stream ──follow──▶ message ──lines──▶ lines, each on change only
//!                         │   ──bars───▶ a bar a stage, a row an agent ──screen──▶ terminal
//!                         └────verdict─▶ go on, or the exit code
//! ```

pub(crate) mod agents;
pub(crate) mod bars;
pub(crate) mod follow;
pub(crate) mod lines;
pub(crate) mod screen;
pub(crate) mod verdict;
pub(crate) mod view;
