use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Passed in, never read
/// from a clock here.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Time from `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    /// Later by a duration, at millisecond precision; the end of time at most.
    fn add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339 in UTC, such as `2026-11-20T15:16:00.000Z`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "the end of time"),
        }
    }
}

/// Reads a duration as configuration and commands write it: `5m`, `1h 30m`,
/// `250ms`, `0`.
///
/// # Errors
///
/// If the text is something else, negative, or longer than 366 days.
pub fn parse_duration(text: &str) -> Result<Duration, ParseError> {
    let error = || {
        ParseError::new(
            "a duration",
            "such as \"10s\", \"5m\" or \"1h 30m\", at most 366 days",
            text,
        )
    };
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let signed: jiff::SignedDuration = text.parse().map_err(|_| error())?;
    let duration = Duration::try_from(signed).map_err(|_| error())?;
    if duration > Duration::from_secs(366 * 86_400) {
        return Err(error());
    }
    Ok(duration)
}

/// A duration as configuration and commands write it, so that
/// [`parse_duration`] reads it back.
#[must_use]
pub fn written(duration: Duration) -> String {
    match jiff::SignedDuration::try_from(duration) {
        Ok(signed) => format!("{signed:#}"),
        Err(_) => format!("{duration:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("10s", 10), ("5m", 300), ("1h 30m", 5400), ("0", 0)] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in ["0s", "250ms", "1h 30m", "8784h", "1s 1ns"] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(parse_duration(&written(duration)), Ok(duration), "{text}");
        }
        for bad in ["", "5", "-5m", "five", "400 days 9h", "99999h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_instant_reads_as_rfc_3339() {
        assert_eq!(Timestamp(1_000).to_string(), "1970-01-01T00:00:01.000Z");
    }
}
