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

pub mod identity;
pub mod listen;
