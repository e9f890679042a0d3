use std::time::Duration;

use pinion_model::Timestamp;

use super::super::{Calendar, Freeze, Window};
use super::{at, freeze, selector, window};

const NOW: &str = "2026-11-20T12:00Z";

fn faults(windows: Vec<Window>, freezes: Vec<Freeze>) -> Vec<String> {
    let calendar = Calendar { windows, freezes };
    let faults = calendar.check(at(NOW), "strategy");
    faults.iter().map(ToString::to_string).collect()
}

fn good() -> Window {
    window("mon 09:00 8h Europe/Berlin")
}

#[test]
fn a_calendar_that_makes_sense_has_no_fault() {
    let holidays = freeze("2026-12-20T00:00Z", "2027-01-03T00:00Z");
    let over = freeze("2020-12-20T00:00Z", "2021-01-03T00:00Z");
    assert_eq!(faults(vec![good()], vec![holidays, over]), [""; 0]);
    assert_eq!(faults(vec![], vec![]), [""; 0]);
    assert_eq!(faults(vec![good(); 32], vec![]), [""; 0]);
}

#[test]
fn a_duration_is_a_minute_to_seven_days() {
    let of = |seconds| Window {
        duration: Duration::from_secs(seconds),
        ..good()
    };
    let week = 7 * 86_400;
    for (seconds, fits) in [
        (0, false),
        (59, false),
        (60, true),
        (week, true),
        (week + 1, false),
    ] {
        let found = faults(vec![of(seconds)], vec![]);
        assert_eq!(found.is_empty(), fits, "{seconds}: {found:?}");
    }
    assert_eq!(
        faults(vec![good(), of(0)], vec![]),
        ["strategy.windows[1].duration: must be 1 minute to 7 days; got 0s"]
    );
}

#[test]
fn a_freeze_ends_after_it_begins_within_a_year_and_says_why() {
    let from = "2026-12-20T00:00Z";
    for (until, fits) in [
        ("2026-12-19T00:00Z", false),
        ("2026-12-20T00:00Z", false),
        ("2026-12-20T00:01Z", true),
        ("2027-12-21T00:00Z", true),
        ("2027-12-21T00:01Z", false),
    ] {
        let found = faults(vec![], vec![freeze(from, until)]);
        assert_eq!(found.is_empty(), fits, "{until}: {found:?}");
        assert!(
            fits || found[0].starts_with("strategy.freezes[0].until: "),
            "{found:?}"
        );
    }
    for (reason, fits) in [
        ("", false),
        (" ", false),
        ("tax", true),
        (&"x".repeat(4097), false),
    ] {
        let mut silent = freeze(from, "2027-01-03T00:00Z");
        silent.reason = reason.to_owned();
        let found = faults(vec![], vec![silent]);
        assert_eq!(found.is_empty(), fits, "{found:?}");
        assert!(
            fits || found[0].starts_with("strategy.freezes[0].reason: "),
            "{found:?}"
        );
    }
}

#[test]
fn a_window_that_freezes_of_its_machines_keep_shut_for_a_year_never_opens() {
    let halves = |agents: &[(&str, &str)]| {
        [
            "2026-11-01T00:00Z",
            "2027-06-01T00:00Z",
            "2027-11-22T00:00Z",
        ]
        .windows(2)
        .map(|ends| Freeze {
            agents: selector(agents),
            ..freeze(ends[0], ends[1])
        })
        .collect::<Vec<_>>()
    };
    let mut eu = good();
    eu.agents = selector(&[("region", "eu"), ("tier", "gold")]);
    for (freeze, never) in [
        (&[][..], true),
        (&[("region", "eu")][..], true),
        (&[("region", "")][..], true),
        (&[("region", "us")][..], false),
        (&[("region", "eu"), ("zone", "a")][..], false),
    ] {
        let found = faults(vec![eu.clone()], halves(freeze));
        assert_eq!(!found.is_empty(), never, "{freeze:?}: {found:?}");
    }
    assert_eq!(
        faults(vec![good(), eu], halves(&[("region", "eu")])),
        [
            "strategy.windows[1]: never opens within a year: freezes cover it until 2027-11-22T08:00:00.000Z"
        ]
    );
}

#[test]
fn a_window_beyond_the_end_of_time_never_opens() {
    let calendar = Calendar {
        windows: vec![good()],
        freezes: Vec::new(),
    };
    let faults = calendar.check(Timestamp(u64::MAX), "strategy");
    assert_eq!(faults[0].to_string(), "strategy.windows[0]: never opens");
}

#[test]
fn all_faults_are_told_at_once() {
    let mut lost = good();
    lost.time_zone = serde_json::from_str("\"Mars/Olympus\"").expect("a text");
    lost.duration = Duration::ZERO;
    lost.agents = selector(&[("Region", "eu")]);
    let mut backwards = freeze("2026-12-20T00:00Z", "2026-12-19T00:00Z");
    backwards.reason = String::new();
    backwards.agents = selector(&[("", "eu")]);
    let mut freezes = vec![freeze("2026-12-20T00:00Z", "2027-01-03T00:00Z"); 32];
    freezes.push(backwards);
    let mut windows = vec![good(); 32];
    windows.push(lost);
    let found = faults(windows, freezes);
    let paths: Vec<_> = found.iter().map(|fault| fault.split(": ").next()).collect();
    assert_eq!(
        paths,
        [
            Some("strategy.windows"),
            Some("strategy.freezes"),
            Some("strategy.freezes[32].selector"),
            Some("strategy.freezes[32].until"),
            Some("strategy.freezes[32].reason"),
            Some("strategy.windows[32].selector"),
            Some("strategy.windows[32].duration"),
            Some("strategy.windows[32].time_zone"),
        ]
    );
}
