use std::time::Duration;

/// First bound of the delay.
const FIRST: Duration = Duration::from_millis(100);
/// Highest bound, unless the coordinator asks for a lower one.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Full jitter: each delay is a random part of a bound that doubles, so that
/// machines that lost the coordinator at once do not come back at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    bound: Duration,
    limit: Duration,
}

impl Backoff {
    /// Delays of at most 0.1 s at first and at most `limit` ever.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self {
            bound: FIRST.min(limit),
            limit,
        }
    }

    /// The next delay; `random` is 0 to 1.
    pub fn next_delay(&mut self, random: f64) -> Duration {
        let delay = self.bound.mul_f64(random.clamp(0.0, 1.0));
        self.bound = (self.bound * 2).min(self.limit);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_is_within_its_bound_and_the_bound_within_the_limit(
            randoms in prop::collection::vec(0.0..=1.0_f64, 1..40),
            limit in 0_u64..120_000,
        ) {
            let limit = Duration::from_millis(limit);
            let mut backoff = Backoff::new(limit);
            let mut bound = FIRST.min(limit);
            for random in randoms {
                let delay = backoff.next_delay(random);
                prop_assert!(delay <= bound && bound <= limit);
                bound = (bound * 2).min(limit);
            }
        }
    }

    #[test]
    fn the_bound_doubles_from_a_tenth_of_a_second_to_a_minute() {
        let mut backoff = Backoff::new(LIMIT);
        let bounds: Vec<u128> = (0..12)
            .map(|_| backoff.next_delay(1.0).as_millis())
            .collect();
        assert_eq!(bounds[..4], [100, 200, 400, 800]);
        assert_eq!(bounds[10..], [60_000, 60_000]);
    }
}
