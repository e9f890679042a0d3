//! Figures of one series.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Redrawn samples of which the interval of a median is taken.
const REDRAWN: usize = 10_000;
/// The same every time: a figure that is printed twice is the same twice.
const SEED: u64 = 42;

/// Durations of one series, in the order of the rounds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn add(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> Duration {
        let seconds: Vec<_> = self.0.iter().map(Duration::as_secs_f64).collect();
        Duration::from_secs_f64(median(seconds))
    }

    /// Median of the pairs' ratios to `other`, with its interval.
    pub(crate) fn ratio_to(&self, other: &Self) -> String {
        let pairs = self.0.iter().zip(&other.0);
        let ratios: Vec<f64> = pairs
            .map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64().max(1e-9))
            .collect();
        if ratios.is_empty() {
            return "no pair".to_owned();
        }
        let (low, high) = interval_of_median(&ratios);
        format!("{:.2} [{low:.2} – {high:.2}]", median(ratios))
    }

    /// Median of the pairs' differences to `other`, in milliseconds, with its interval.
    pub(crate) fn difference_to(&self, other: &Self) -> String {
        let millis = |duration: &Duration| duration.as_secs_f64() * 1000.0;
        let pairs = self.0.iter().zip(&other.0);
        let differences: Vec<f64> = pairs
            .map(|(ours, theirs)| millis(ours) - millis(theirs))
            .collect();
        if differences.is_empty() {
            return "no pair".to_owned();
        }
        let (low, high) = interval_of_median(&differences);
        format!("{:+.0} ms [{low:+.0} – {high:+.0}]", median(differences))
    }
}

/// Median [fastest – slowest].
impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |duration: Option<&Duration>| duration.map_or(0, Duration::as_millis);
        let (least, most) = (millis(self.0.iter().min()), millis(self.0.iter().max()));
        write!(f, "{} ms [{least} – {most}]", self.median().as_millis())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}

/// The middle 95 % of the medians of samples that are redrawn from this one
/// with replacement (percentile bootstrap).
fn interval_of_median(values: &[f64]) -> (f64, f64) {
    let mut random = StdRng::seed_from_u64(SEED);
    let redraw = |random: &mut StdRng| {
        let drawn = (0..values.len()).map(|_| values[random.random_range(0..values.len())]);
        median(drawn.collect())
    };
    let mut medians: Vec<f64> = (0..REDRAWN).map(|_| redraw(&mut random)).collect();
    medians.sort_by(f64::total_cmp);
    (medians[REDRAWN / 40], medians[REDRAWN - 1 - REDRAWN / 40])
}
