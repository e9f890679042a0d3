//! Pinion's words as types.
//!
//! Owns what both ends must agree on: identifiers, digests, repositories,
//! numbers that only rise, instants, phases, failures and roles. Every type
//! that is parsed from outside is checked once, here, and is valid from then
//! on. Pure: no clock, no I/O, no randomness.
//!
//! ```text
//!   text ──parse──▶ Digest · SourceSha · Repository · WorkloadName · AgentId · …
//!   Phase, Failure, Role: closed sets;  Generation, Attempt, …: counters
//! ```

mod digest;
mod failure;
mod ids;
mod image;
mod in_use;
mod name;
mod numbers;
mod phase;
mod role;
mod selector;
mod time;

pub use digest::{Digest, SourceSha};
pub use failure::{Failure, FailureKind, last_lines};
pub use ids::{
    AgentId, CheckName, OperatorName, RegistryName, RolloutId, StageName, StrategyName,
    WorkloadName,
};
pub use image::{Image, ImageRef, Repository};
pub use in_use::{Deferral, Holder, HolderKind, InUse};
pub use numbers::{Attempt, Generation, PinNumber, Revision, SessionEpoch};
pub use phase::{AgentPhase, RolloutPhase};
pub use role::{Actor, Role};
pub use selector::{LabelError, LabelSelector, Labels, check_labels};
pub use time::{Timestamp, parse_duration, written};

/// A text that is not what it should be: what it should be, and what was sent.
///
/// Never made from a secret, since it repeats the text (cut at 80 bytes).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {allowed}; got {got:?}")]
pub struct ParseError {
    what: &'static str,
    allowed: &'static str,
    got: String,
}

impl ParseError {
    /// An error about `what`, which must be `allowed` and was `got`.
    #[must_use]
    pub fn new(what: &'static str, allowed: &'static str, got: &str) -> Self {
        let mut got = got.to_owned();
        if got.len() > 80 {
            got.truncate(got.floor_char_boundary(80));
            got.push('…');
        }
        Self { what, allowed, got }
    }

    /// What the text should have been, such as "a digest".
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }
}

/// `Display`, `FromStr`, and serde as a string, for a newtype over `Arc<str>` or
/// `Name` that has `fn check(&str) -> Result<(), ParseError>`. What it names
/// stands in many places at once: to clone one costs no allocation.
macro_rules! text {
    ($name:ident) => {
        impl std::str::FromStr for $name {
            type Err = crate::ParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::check(text)?;
                Ok(Self(text.into()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = crate::ParseError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::check(&text)?;
                Ok(Self(text.into()))
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(crate::Text(std::marker::PhantomData))
            }
        }
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use text;

/// Reads a newtype from a string without a copy in between.
struct Text<T>(std::marker::PhantomData<T>);

impl<T: std::str::FromStr<Err = ParseError>> serde::de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}
