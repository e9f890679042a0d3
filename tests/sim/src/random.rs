//! The one generator that everything in a run is drawn from.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// Draws from one seed. The order of the draws is part of what replays.
#[derive(Debug)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 0 to `bound` - 1; `bound` is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u128;
        usize::try_from((u128::from(self.0.next_u64()) * bound) >> 64).expect("it is below a usize")
    }

    /// `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = u128::from(high - low) + 1;
        low + u64::try_from((u128::from(self.0.next_u64()) * width) >> 64)
            .expect("it is at most the width of a u64")
    }

    /// True in that many of a thousand cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.between(1, 1000) <= per_mille
    }

    /// One of them; there is at least one.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    pub(crate) fn seconds(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_secs(self.between(low, high))
    }

    /// 0 to 1, evenly.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / f64::from(u32::MAX)
    }

    /// Until the next of events that come independently, `mean` apart.
    pub(crate) fn until_next(&mut self, mean: Duration) -> Duration {
        let draw = (1.0 - self.unit()).max(1e-9);
        mean.mul_f64(-draw.ln())
    }
}

/// A number that follows from others alone: what is the same on every visit.
pub(crate) fn mix(parts: [u64; 3]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |sum, part| {
        let mut z = sum ^ part.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
