//! A strategy as people write it, and as it goes over the wire.
//!
//! Owns how a [`Strategy`] is read from TOML (the coordinator's configuration
//! and the operator's file are the same document) and written to it again, and
//! how it becomes a message of `pinion.v1` and comes back. Lists every fault of
//! a document with its path. Never judges what a strategy says: that is the
//! engine's, whose faults are told by the document's own paths. Opens no file
//! and reads no clock.
//!
//! ```text
//!   [strategy.NAME] ──read──▶ Strategy ──message──▶ v1::Strategy
//!        TOML       ◀─write──          ◀─message──
//! ```

mod error;
mod faults;
pub mod message;
mod read;
mod section;
mod words;
mod write;

pub use error::ConfigError;
pub use faults::{Faults, Several};
pub use read::{CONFIGURATION_KEYS, read, read_file};
pub use section::{Section, nearest};
pub use write::write;

#[cfg(doc)]
use pinion_rollout::Strategy;
#[cfg(test)]
mod tests;
