use std::time::Duration;

use pinion_model::Timestamp;

use super::{at, window};

/// Shut before, open from `begin` until before `end`, shut after; and each
/// side knows when the other comes.
fn opens(text: &str, begin: &str, end: &str) {
    let window = window(text);
    let (begin, end) = (at(begin), at(end));
    let before = |at: Timestamp| Timestamp(at.0 - 1);
    assert_eq!(
        window.state(before(begin)),
        (false, Some(begin)),
        "{text}: before"
    );
    assert_eq!(
        window.state(begin),
        (true, Some(end)),
        "{text}: first instant"
    );
    assert_eq!(
        window.state(before(end)),
        (true, Some(end)),
        "{text}: last instant"
    );
    assert!(!window.state(end).0, "{text}: shut again");
}

#[test]
fn a_window_opens_at_its_local_time_in_summer_and_winter() {
    for (text, begin, end) in [
        (
            "wed 09:00 8h Europe/Berlin",
            "2026-07-01T09:00+02:00",
            "2026-07-01T17:00+02:00",
        ),
        (
            "wed 09:00 8h Europe/Berlin",
            "2026-01-07T09:00+01:00",
            "2026-01-07T17:00+01:00",
        ),
        (
            "wed 09:00 8h America/New_York",
            "2026-07-01T09:00-04:00",
            "2026-07-01T17:00-04:00",
        ),
        (
            "wed 09:00 8h America/New_York",
            "2026-01-07T09:00-05:00",
            "2026-01-07T17:00-05:00",
        ),
        (
            "wed 09:00 8h Australia/Lord_Howe",
            "2026-07-01T09:00+10:30",
            "2026-07-01T17:00+10:30",
        ),
        (
            "wed 09:00 8h Australia/Lord_Howe",
            "2026-01-07T09:00+11:00",
            "2026-01-07T17:00+11:00",
        ),
        (
            "daily 00:00 1h Asia/Kolkata",
            "2026-06-30T18:30Z",
            "2026-06-30T19:30Z",
        ),
        (
            "daily 23:59 1m UTC",
            "2026-06-30T23:59Z",
            "2026-07-01T00:00Z",
        ),
    ] {
        opens(text, begin, end);
    }
}

#[test]
fn a_beginning_that_the_clocks_skip_is_the_first_instant_after_the_gap() {
    for (text, begin, end) in [
        (
            "daily 02:00 2h Europe/Berlin",
            "2026-03-29T03:00+02:00",
            "2026-03-29T05:00+02:00",
        ),
        (
            "daily 02:30 2h Europe/Berlin",
            "2026-03-29T03:00+02:00",
            "2026-03-29T05:00+02:00",
        ),
        (
            "daily 02:59 2h Europe/Berlin",
            "2026-03-29T03:00+02:00",
            "2026-03-29T05:00+02:00",
        ),
        (
            "daily 03:00 2h Europe/Berlin",
            "2026-03-29T03:00+02:00",
            "2026-03-29T05:00+02:00",
        ),
        (
            "daily 01:59 2h Europe/Berlin",
            "2026-03-29T01:59+01:00",
            "2026-03-29T04:59+02:00",
        ),
        (
            "sun 02:15 30m America/New_York",
            "2026-03-08T03:00-04:00",
            "2026-03-08T03:30-04:00",
        ),
        (
            "sun 02:10 1h Australia/Lord_Howe",
            "2026-10-04T02:30+11:00",
            "2026-10-04T03:30+11:00",
        ),
        // Samoa crossed the date line: there was no Friday that week.
        (
            "fri 10:00 1h Pacific/Apia",
            "2011-12-31T00:00+14:00",
            "2011-12-31T01:00+14:00",
        ),
    ] {
        opens(text, begin, end);
    }
}

#[test]
fn a_beginning_that_the_clocks_repeat_is_the_first_of_the_two() {
    for (text, begin, end) in [
        (
            "daily 02:00 30m Europe/Berlin",
            "2026-10-25T02:00+02:00",
            "2026-10-25T02:30+02:00",
        ),
        (
            "daily 02:30 1h Europe/Berlin",
            "2026-10-25T02:30+02:00",
            "2026-10-25T02:30+01:00",
        ),
        (
            "daily 03:00 1h Europe/Berlin",
            "2026-10-25T03:00+01:00",
            "2026-10-25T04:00+01:00",
        ),
        (
            "sun 01:30 1h America/New_York",
            "2026-11-01T01:30-04:00",
            "2026-11-01T01:30-05:00",
        ),
        (
            "sun 01:45 1h Australia/Lord_Howe",
            "2026-04-05T01:45+11:00",
            "2026-04-05T02:15+10:30",
        ),
    ] {
        opens(text, begin, end);
    }
    let repeated = window("daily 02:30 30m Europe/Berlin");
    let next_day = at("2026-10-26T02:30+01:00");
    assert_eq!(
        repeated.state(at("2026-10-25T02:30+01:00")),
        (false, Some(next_day))
    );
}

#[test]
fn a_window_lasts_as_long_in_the_nights_in_which_the_clocks_change() {
    for (text, begin, end) in [
        (
            "sat 22:00 6h Europe/Berlin",
            "2026-03-28T22:00+01:00",
            "2026-03-29T05:00+02:00",
        ),
        (
            "sat 22:00 6h Europe/Berlin",
            "2026-10-24T22:00+02:00",
            "2026-10-25T03:00+01:00",
        ),
        (
            "sat 22:00 6h America/New_York",
            "2026-03-07T22:00-05:00",
            "2026-03-08T05:00-04:00",
        ),
        (
            "sat 22:00 6h America/New_York",
            "2026-10-31T22:00-04:00",
            "2026-11-01T03:00-05:00",
        ),
        (
            "sat 22:00 6h Australia/Lord_Howe",
            "2026-10-03T22:00+10:30",
            "2026-10-04T04:30+11:00",
        ),
        (
            "sat 22:00 6h Australia/Lord_Howe",
            "2026-04-04T22:00+11:00",
            "2026-04-05T03:30+10:30",
        ),
    ] {
        opens(text, begin, end);
    }
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_began() {
    opens(
        "fri 22:00 4h Europe/Berlin",
        "2026-07-03T22:00+02:00",
        "2026-07-04T02:00+02:00",
    );
    opens("wed 23:00 2h UTC", "2025-12-31T23:00Z", "2026-01-01T01:00Z");
    let saturday = window("sat 22:00 4h Europe/Berlin");
    assert!(!saturday.state(at("2026-07-04T01:00+02:00")).0);
    assert!(saturday.state(at("2026-07-05T01:00+02:00")).0);
}

#[test]
fn leap_days_are_days_of_the_week_like_others() {
    opens("tue 10:00 1h UTC", "2028-02-29T10:00Z", "2028-02-29T11:00Z");
    opens("mon 23:00 2h UTC", "2028-02-28T23:00Z", "2028-02-29T01:00Z");
    opens(
        "wed 00:00 1h Europe/Berlin",
        "2028-03-01T00:00+01:00",
        "2028-03-01T01:00+01:00",
    );
    opens("mon 00:00 1h UTC", "2100-03-01T00:00Z", "2100-03-01T01:00Z");
}

#[test]
fn openings_that_touch_or_overlap_are_one() {
    opens(
        "sat,sun 00:00 24h UTC",
        "2026-07-04T00:00Z",
        "2026-07-06T00:00Z",
    );
    opens(
        "sat,sun 00:00 36h UTC",
        "2026-07-04T00:00Z",
        "2026-07-06T12:00Z",
    );
    // The week-end in which spring begins is an hour shorter, so the two overlap.
    opens(
        "sat,sun 00:00 24h Europe/Berlin",
        "2026-03-28T00:00+01:00",
        "2026-03-30T01:00+02:00",
    );
}

#[test]
fn the_longest_window_leaves_an_hour_of_the_week_that_has_one_more() {
    // On its last day it is the day of the week on which it begins.
    assert!(
        window("mon 12:00 168h UTC")
            .state(at("2026-07-06T11:59Z"))
            .0
    );
    let week = window("mon 00:00 168h Europe/Berlin");
    let monday = at("2026-10-26T00:00+01:00");
    assert_eq!(
        week.state(at("2026-10-25T23:00+01:00")),
        (false, Some(monday))
    );
    assert!(week.state(at("2026-10-25T22:59+01:00")).0);
    let long_since = at("2026-10-19T00:01+02:00");
    assert_eq!(
        week.state(long_since),
        (true, Some(at("2026-10-25T23:00+01:00")))
    );
}

#[test]
fn a_window_that_is_always_open_is_looked_at_again_in_a_year() {
    let now = at("2026-07-01T12:00Z");
    let (open, next) = window("daily 00:00 24h UTC").state(now);
    assert!(open);
    assert!(next.is_some_and(|next| next > now + Duration::from_secs(365 * 86_400)));
}

#[test]
fn no_instant_and_no_zone_is_too_strange() {
    let mut window = window("daily 00:00 24h UTC");
    assert!(window.state(Timestamp(0)).0);
    window.state(at("9999-12-30T12:00Z"));
    assert_eq!(window.state(Timestamp(u64::MAX)), (false, None));
    window.time_zone = serde_json::from_str("\"Mars/Olympus\"").expect("a text");
    assert_eq!(window.state(at("2026-07-01T12:00Z")), (false, None));
}
