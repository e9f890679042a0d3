//! Collections of which a clone shares everything with its original.
//!
//! A plan is tried on a sketch of the world. A sketch must cost what the plan
//! changes in it, not what the fleet is large: cloning one of these copies a
//! pointer, and a write copies the few nodes on its way, and those only while
//! another clone still looks at them.
//!
//! ```text
//!   Map     names to values; a value is copied only when it is written
//!   Set     names, or pairs of them
//!   Places  small numbers, as bits
//! ```

mod map;
mod places;
mod set;
#[cfg(test)]
mod tests;

pub use map::Map;
pub(crate) use places::Places;
pub use set::Set;
