//! A fleet, its coordinators and their faults, simulated from one seed.
//!
//! Owns a virtual clock, a seeded generator and all that can go wrong:
//! machines that crash, fill up, sicken and vanish; links that drop, delay,
//! duplicate and reorder; coordinators that are killed between any two steps;
//! people who pause and abort at random. Decides nothing: what it runs is the
//! real `plan` and `apply`, the real commands, the real agent's `next`, and
//! the real memory store. Checks after every event that the rules hold, and
//! when the faults have stopped that everything comes to rest.
//!
//! ```text
//!   seed ─▶ Random ─▶ Scenario (fleet, builds, strategies)
//!                         │
//!   Queue ─▶ Event ─▶ Sim ┼─▶ coordinators: intake ─▶ store ─▶ follow ─▶ decide ─▶ commit ─▶ publish
//!                ▲        ├─▶ links: late, twice, out of order, lost
//!                │        ├─▶ machines: session, turn (next), engine
//!                └────────┴─▶ faults, operators          each change, write and call ─▶ invariants
//! ```
//!
//! One seed is one run: the same parameters give the same events, in the same
//! order. So nothing is logged until something has failed; then the run is
//! made again with its log.

mod coordinator;
mod event;
mod failure;
mod faults;
mod fleet;
mod invariants;
mod links;
mod log;
mod machine;
mod operators;
mod queue;
mod random;
mod scenario;
mod seen;
mod sim;
mod store;
mod strategies;
mod totals;

pub use failure::{Broken, print, run};
pub use invariants::Violation;
pub use seen::Seen;
pub use sim::{Next, Parameters, Planner};
pub use totals::{Fault, Totals};
