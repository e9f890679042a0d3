//! The loop against an engine in memory.

mod convergence;
mod crashes;
mod faults;
mod pulls;
mod refreshes;
mod refusals;
mod rig;
mod start_first;
mod withdrawals;
