//! The agent.
//!
//! Owns one machine's side of Pinion: its identity, its session with the
//! coordinator, the journal of what it was about to do, and the calls to the
//! container engine. Decides nothing about containers: `pinion_workload` does.
//! Never runs an image by tag, never one that the machine's own policy does
//! not allow, and never lets a credential out of `credentials`.
//!
//! ```text
//!   coordinator ◀──session──▶ desired ─▶ reconcile ─▶ driver ─▶ engine
//!                   ▲                      │  ▲
//!                 report ◀─────────────────┘  └─ journal (on disk, before each step)
//! ```

pub mod cli;
pub mod clock;
pub mod config;
pub mod convert;
pub mod credentials;
pub mod disk;
pub mod driver;
pub mod enroll;
mod get;
pub mod happenings;
pub mod identity;
pub mod in_use;
pub mod journal;
pub mod lock;
pub mod logging;
pub mod machine;
pub mod own;
pub mod policy;
pub mod reconcile;
mod recreate;
pub mod renew;
pub mod report;
pub mod room;
pub mod run;
pub mod session;
pub mod socket;
pub mod status;
pub mod status_table;
pub mod tls;
pub mod words;
