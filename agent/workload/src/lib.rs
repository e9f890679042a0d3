//! What the agent does next to a workload's containers.
//!
//! Owns the decisions of the agent: which containers belong to a workload,
//! what one idempotent step comes next, when a container counts as healthy,
//! how the next container is made from the old one without losing a setting,
//! and how to go back. Never touches an engine, a disk, a clock or a log:
//! what it needs to know is passed in, what it wants is returned.
//!
//! ```text
//!   Desired (coordinator) ─┐
//!   Observed (engine)     ─┼─▶ next(desired, observed, now) ─▶ Step (one driver call)
//!   Operation (journal)   ─┘
//! ```

mod desired;
mod engine;

pub use desired::{Assignment, CatalogEntry, Desired, InUsePolicy};
pub use engine::{Container, ContainerId, ContainerState, CreateSpec, Health, HealthTiming, Image, Report};
