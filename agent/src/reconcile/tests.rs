//! The loop against an engine in memory.

mod convergence;
mod crashes;
mod rig;
