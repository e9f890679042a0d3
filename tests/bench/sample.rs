//! Figures of one series.

use std::time::Duration;

/// Durations of one series, in the order of the rounds.
#[derive(Debug, Default)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn add(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    pub(crate) fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let middle = |at: usize| sorted.get(at).copied().unwrap_or_default();
        (middle(sorted.len().saturating_sub(1) / 2) + middle(sorted.len() / 2)) / 2
    }

    /// Median of the pairs' ratios to `other`, with their range.
    pub(crate) fn ratio_to(&self, other: &Self) -> String {
        let mut ratios: Vec<f64> = self
            .0
            .iter()
            .zip(&other.0)
            .map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        match (ratios.first(), ratios.get(ratios.len() / 2), ratios.last()) {
            (Some(least), Some(median), Some(most)) => {
                format!("{median:.2} [{least:.2} – {most:.2}]")
            }
            _ => "no pair".to_owned(),
        }
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |duration: Option<&Duration>| duration.map_or(0, Duration::as_millis);
        let (least, most) = (millis(self.0.iter().min()), millis(self.0.iter().max()));
        write!(f, "{} ms [{least} – {most}]", self.median().as_millis())
    }
}
