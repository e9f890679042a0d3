//! The same windows by another way: a clock on the wall is watched, minute by minute.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::DateTime;
use pinion_model::Timestamp;
use proptest::prelude::*;

use super::super::span::instant;
use super::super::{Day, Window};
use super::at;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Zones whose clocks jump by an hour, by half of it, by two, by a day, or never.
const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "UTC",
];

/// A window begins in the minute in which the clock on the wall first shows
/// its time or a later one; it is open if it began less than its length ago.
fn is_open(window: &Window, now: Timestamp) -> bool {
    let zone = window.time_zone.rules().expect("one of the list");
    let wall = |at: Timestamp| zone.to_datetime(instant(at));
    let length = u64::try_from(window.duration.as_millis()).expect("a week at most");
    let first = now.0 - length + 60_000;
    // Long enough before, no hour is shown for the second time.
    let watched = (first - 2 * 86_400_000..first).step_by(60_000);
    let mut latest = watched
        .map(|at| wall(Timestamp(at)))
        .max()
        .expect("two days");
    let mut minutes = (first..=now.0).step_by(60_000);
    minutes.any(|at| {
        let shown = wall(Timestamp(at));
        let began = begins_within(window, latest, shown);
        latest = latest.max(shown);
        began
    })
}

fn begins_within(window: &Window, after: DateTime, until: DateTime) -> bool {
    let mut dates = after
        .date()
        .series(1.day())
        .take_while(|date| *date <= until.date());
    dates.any(|date| {
        let begin = window.start.on(date);
        let meant = window.days.is_empty() || window.days.contains(&Day::of(date));
        meant && after < begin && begin <= until
    })
}

fn windows() -> impl Strategy<Value = Window> {
    let days = proptest::collection::btree_set(proptest::sample::select(&Day::ALL[..]), 0..4);
    let start = (0u8..24, 0u8..60).prop_map(|(h, m)| format!("{h:02}:{m:02}"));
    let minutes = prop_oneof![1u32..180, 1u32..=7 * 1440];
    let zone = proptest::sample::select(&ZONES[..]);
    (days, start, minutes, zone).prop_map(|(days, start, minutes, zone)| Window {
        agents: Default::default(),
        days,
        start: start.parse().expect("a time"),
        duration: MINUTE * minutes,
        time_zone: zone.parse().expect("a zone"),
    })
}

/// Minutes near a change of the clocks, mostly.
fn minutes() -> impl Strategy<Value = Timestamp> {
    let changes = [
        "2026-03-29T01:00Z",
        "2026-10-25T01:00Z",
        "2026-03-08T07:00Z",
        "2026-11-01T06:00Z",
        "2026-04-04T15:00Z",
        "2026-10-03T15:30Z",
        "2011-12-30T10:00Z",
        "2026-02-15T02:00Z",
        "2028-02-29T00:00Z",
    ];
    let near = proptest::sample::select(changes.to_vec());
    (near, 0u32..=4 * 1440)
        .prop_map(|(text, minutes)| Timestamp((at(text) + MINUTE * minutes).0 - 2 * 86_400_000))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_window_is_open_when_a_clock_on_the_wall_says_so(window in windows(), now in minutes()) {
        prop_assert_eq!(window.state(now).0, is_open(&window, now));
    }

    /// Until the next change nothing changes, and then it does.
    #[test]
    fn the_next_change_is_the_very_next(window in windows(), now in minutes(), share in 0u64..1000) {
        let (open, next) = window.state(now);
        let next = next.expect("a window opens every week");
        prop_assert!(next > now);
        let between = Timestamp(now.0 + (next.0 - now.0 - 1) * share / 1000);
        prop_assert_eq!(window.state(between).0, open);
        // One that is always open is looked at again in a year.
        if next < now + 365 * DAY {
            prop_assert_eq!(window.state(between).1, Some(next));
            prop_assert_eq!(window.state(next).0, !open);
        }
    }
}
