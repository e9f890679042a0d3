//! Asks what checks between stages measure: Prometheus servers and web pages.
//!
//! Owns the requests: their limits of time and size, their redirects and
//! their tokens. Judges nothing ([`pinion_rollout`] does), and decides neither
//! what is due nor what comes of it.
//!
//! ```text
//!   World ─▶ due probes ─▶ round ─▶ Prober ─HTTP─▶ Prometheus, web pages
//!     ▲                                └─▶ Sample ─▶ ledger ─┐
//!     └───────────────────── an observation ─────────────────┘
//! ```

mod client;
mod prometheus;
mod round;
#[cfg(test)]
mod tests;
mod tokens;
mod trouble;

pub use client::Prober;
pub use round::run;
pub use tokens::{TokenFileError, TokenFiles};
use trouble::Trouble;
