//! The loop against an engine in memory.

mod convergence;
mod faults;
mod happenings;
mod images;
mod in_use;
mod model;
mod pulls;
mod refreshes;
mod refusals;
mod rig;
mod start_first;
mod withdrawals;
