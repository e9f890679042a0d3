//! The coordinator: it streams pinned image digests, stage by stage, to the
//! agents of a fleet.
//!
//! Owns the store, the ledger of decisions, the live sessions, the listeners
//! with their identities, and the two faces: gRPC and HTTP. Decides nothing
//! about rollouts (that is [`pinion_rollout`]) and never touches a container.
//!
//! ```text
//!   cli ─▶ config ─▶ serve ─┬─▶ listen (TLS) ─▶ api (gRPC) ─┐
//!                           ├─▶ listen (TLS) ─▶ http (axum) ─┼─▶ ledger ─▶ store
//!                           └─▶ reconciler ──────────────────┘      │
//!                                 └─▶ sessions ◀── revisions ───────┘
//! ```

pub mod api;
pub mod authentication;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod identity;
pub mod ledger;
pub mod listen;
pub mod operators;
pub mod probe;
pub mod promotion;
pub mod reconciler;
pub mod serve;
pub mod sessions;
pub mod store;
pub mod strategies;
