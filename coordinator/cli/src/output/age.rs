//! Times as people read them: how long ago, how long until.

/// Seconds since 1970, passed to every renderer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now(pub(crate) i64);

impl Now {
    /// The present, by this machine's clock.
    pub(crate) fn read() -> Self {
        Self(jiff::Timestamp::now().as_second())
    }

    /// `3m ago`, or `in 2h` for what is to come; `-` for none.
    pub(crate) fn when(self, at: Option<&prost_types::Timestamp>) -> String {
        let Some(at) = at else { return "-".into() };
        match at.seconds.saturating_sub(self.0) {
            ahead if ahead > 1 => format!("in {}", span(ahead)),
            behind => format!("{} ago", span(-behind)),
        }
    }

    /// `3m`: how long it has been so; `-` for none.
    pub(crate) fn age(self, since: Option<&prost_types::Timestamp>) -> String {
        since.map_or_else(|| "-".into(), |at| span(self.0.saturating_sub(at.seconds)))
    }
}

/// `45s`, `12m`, `5h`, `3d`, `2y`: the largest unit, rounded down.
fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..=119 => format!("{s}s"),
        s @ 120..=7_199 => format!("{}m", s / 60),
        s @ 7_200..=172_799 => format!("{}h", s / 3_600),
        s @ 172_800..=63_071_999 => format!("{}d", s / 86_400),
        s => format!("{}y", s / 31_536_000),
    }
}

/// A duration of the protocol, such as `5m` or `1m 30s`; `-` for none.
pub(crate) fn duration(duration: Option<&prost_types::Duration>) -> String {
    let Some(duration) = duration else {
        return "-".into();
    };
    let seconds = duration.seconds;
    let parts = [
        (seconds / 3_600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (i64::from(duration.nanos) / 1_000_000, "ms"),
    ];
    let words: Vec<_> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    if words.is_empty() {
        "0s".into()
    } else {
        words.join(" ")
    }
}

/// RFC 3339 in UTC, to the second; `-` for none.
pub(crate) fn instant(at: Option<&prost_types::Timestamp>) -> String {
    at.and_then(|at| jiff::Timestamp::from_second(at.seconds).ok())
        .map_or_else(|| "-".into(), |at| at.to_string())
}

/// The time of day here, such as `12:00:01`, for lines of a watch.
pub(crate) fn clock() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn ages_are_in_the_largest_unit() {
        let now = Now(100 * 86_400);
        let ago = |seconds: i64| now.when(Some(&at(now.0 - seconds)));
        assert_eq!(ago(0), "0s ago");
        assert_eq!(ago(90), "90s ago");
        assert_eq!(ago(180), "3m ago");
        assert_eq!(ago(3 * 3_600), "3h ago");
        assert_eq!(ago(3 * 86_400), "3d ago");
        assert_eq!(now.when(Some(&at(now.0 + 7_200))), "in 2h");
        assert_eq!(now.when(None), "-");
    }

    #[test]
    fn a_clock_that_is_a_little_behind_does_not_show() {
        assert_eq!(Now(10).when(Some(&at(11))), "0s ago");
    }

    #[test]
    fn durations_name_their_units() {
        let of = |seconds, nanos| duration(Some(&prost_types::Duration { seconds, nanos }));
        assert_eq!(of(5_430, 0), "1h 30m 30s");
        assert_eq!(of(0, 250_000_000), "250ms");
        assert_eq!(of(0, 0), "0s");
    }
}
