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
//!   Observed (engine)     ─┼─▶ next(desired, observed, now) ─▶ Step (a driver call)
//!   Operation (journal)   ─┘
//! ```

mod belongs;
mod certain;
mod compose;
mod desired;
mod engine;
mod gate;
mod group;
mod happening;
mod health;
pub mod in_use;
mod interest;
mod itself;
mod layers;
mod learn;
pub mod names;
mod next;
mod observed;
mod operation;
mod order;
pub mod podman;
pub mod probe;
mod record;
mod recover;
pub mod recreate;
mod slots;
mod step;

pub use belongs::{Catalog, containers_of, digest_of};
pub use certain::{Conclusion, can_be_found_again, concludes};
pub use desired::{Assignment, CatalogEntry, Desired};
pub use engine::{
    Container, ContainerId, ContainerState, CreateSpec, Health, HealthTiming, Image, Report,
};
pub use gate::Gate;
pub use happening::noticed;
pub use interest::images_of_interest;
pub use itself::{Home, ITSELF, Itself, is_itself};
pub use layers::Layers;
pub use learn::learn;
pub use names::OpId;
pub use next::{needed_elsewhere, next};
pub use observed::{Lookup, Observed, Room};
pub use operation::{Old, Operation, Shortage, Stage, Streak, Switch, Unit};
pub use order::{Claim, ORDER_LABEL, SHARED_WRITES_LABEL, START_FIRST, STOP_FIRST, claims};
pub use record::{Accepted, Outcome, Record, busy_with};
pub use recover::recover;
pub use slots::{Candidate, Cause, End, Program, Slot, Slots, Start, TRIES, Verdict};
pub use step::{Answer, Call, Hook, HookPoint, OwnCall, Step};
