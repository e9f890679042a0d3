//! The rollout engine: all that the coordinator decides.
//!
//! Owns the world (pins, rollouts, agents, access), how committed changes
//! alter it, what to do next, and why a machine is not done. Never reads a
//! clock, a file or the network, never draws a random number, never waits:
//! the time, the ids and the hashes of secrets are passed in, and what should
//! happen is returned as changes for the coordinator to commit. The rules of
//! the world's time zones are compiled in.
//!
//! ```text
//!   request ─▶ commands::* ─▶ Outcome { changes, value } ─┐
//!   agents  ─▶ Observation ───────────────────────────────┤ commit
//!   clock   ─▶ plan(world, now) ─▶ Plan { changes, wake } ─┘    │
//!                    ▲                                          ▼
//!                    └──────────────── World ◀── apply(world, change)
//!                                        │
//!             desired(agent), explain, summary: read only
//! ```
//!
//! Rooms: `spec` is how a rollout should go, `world` what is known, `change`
//! what was committed, `apply` how that alters the world, `gates` the checks
//! (one file each), `plan` what to do next, `commands` what people ask for,
//! `explain` why something waits; `naming` is how a reason names machines.

mod apply;
mod assignment;
mod change;
pub mod commands;
mod explain;
mod gates;
mod naming;
mod plan;
mod plan_hash;
mod refusal;
mod shared;
mod spec;
#[cfg(test)]
mod tests;
mod world;

pub use apply::apply;
pub use assignment::{Assignment, Desired, Purpose, Run};
pub use change::{Act, Change, Decision, Observation, Report};
pub use explain::{Reason, explain, explain_all, summary, waiting_for};
pub use plan::{DueProbe, DueProbes, Plan, due_probes, plan};
pub use plan_hash::plan_hash;
pub use refusal::{Outcome, Refusal};
pub use shared::{Map, Set};
pub use spec::{
    Amount, Answer, Approval, Budget, Calendar, Check, Cohort, Comparison, Condition, Day,
    FailureAction, FailureGroup, Fault, Freeze, Group, HttpGet, Judgement, OfflinePolicy, Openings,
    PrefetchRules, PrefetchSpec, Probe, PromQuery, Sample, Series, SickPolicy, Spec, StageRules,
    StageSpec, Strategy, Supersede, TimeOfDay, TimeZoneName, Timing, Window, check_all,
};
pub use world::{
    Access, Agent, Ahead, Approved, Attribution, Certificate, CheckRun, CheckVerdict, Checks,
    Counts, FleetHold, Gate, Health, Hold, Interrupted, Member, NamedStrategy, ObservedContainer,
    Operator, Pin, Placement, Prefetch, PrefetchCounts, Prefetched, Presence, Processes,
    Quarantine, ROLLOUTS_KEPT_WHOLE, Restore, Rollout, Stable, Stage, Standing, StrategySource,
    StrategyVersion, Token, TokenKind, Tried, Trimmed, Use, Versions, Workload, World,
};
