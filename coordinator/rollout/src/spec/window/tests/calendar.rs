use super::super::{Calendar, Group, Openings};
use super::{at, freeze, labels, selector, window};

/// Europe by night, America by day, and the whole fleet frozen over New Year.
fn calendar() -> Calendar {
    let mut europe = window("mon,tue,wed,thu 22:00 4h Europe/Berlin");
    europe.agents = selector(&[("region", "eu")]);
    let mut america = window("mon 09:00 8h America/New_York");
    america.agents = selector(&[("region", "us")]);
    let mut paying = window("sun 03:00 1h UTC");
    paying.agents = selector(&[("tier", "")]);
    let mut audit = freeze("2026-07-01T00:00Z", "2026-07-08T00:00Z");
    audit.agents = selector(&[("region", "eu")]);
    audit.reason = "audit".to_owned();
    Calendar {
        windows: vec![europe, america, paying],
        freezes: vec![freeze("2026-12-20T00:00Z", "2027-01-03T00:00Z"), audit],
    }
}

#[test]
fn a_machine_that_no_window_selects_may_be_touched_at_any_time_but_in_a_freeze() {
    let calendar = calendar();
    let group = calendar.group(&labels(&[("region", "ap")]));
    assert!(calendar.state(at("2026-07-04T12:00Z")).is_open(group));
    assert!(!calendar.state(at("2026-12-24T12:00Z")).is_open(group));
    assert!(!group.is_unrestricted());
    assert!(Openings::default().is_open(Group::default()));
    assert!(
        Calendar::default()
            .group(&labels(&[("region", "ap")]))
            .is_unrestricted()
    );
}

#[test]
fn one_open_window_of_several_is_enough_and_one_freeze_shuts_them_all() {
    let calendar = calendar();
    let group = calendar.group(&labels(&[("region", "eu"), ("tier", "gold")]));
    for (now, open, frozen) in [
        ("2026-06-29T21:59+02:00", false, false),
        ("2026-06-29T22:00+02:00", true, false),
        ("2026-06-30T01:59+02:00", true, false),
        ("2026-06-30T02:00+02:00", false, false),
        ("2026-06-28T03:00Z", true, false),
        ("2026-06-28T04:00Z", false, false),
        ("2026-07-01T00:30+02:00", true, false),
        ("2026-07-01T02:00+02:00", false, true),
        ("2026-07-05T03:00Z", false, true),
        ("2026-07-08T00:30+02:00", false, true),
        ("2026-12-27T03:00Z", false, true),
        ("2027-01-03T03:00Z", true, false),
    ] {
        let openings = calendar.state(at(now));
        assert_eq!(
            (openings.is_open(group), openings.is_frozen(group)),
            (open, frozen),
            "{now}"
        );
    }
}

#[test]
fn the_next_change_is_the_earliest_of_all_windows_and_freezes() {
    let calendar = calendar();
    for (now, next) in [
        ("2026-06-29T11:00Z", "2026-06-29T13:00Z"),
        ("2026-06-29T13:00Z", "2026-06-29T20:00Z"),
        ("2026-06-29T20:00Z", "2026-06-29T21:00Z"),
        ("2026-06-30T22:30Z", "2026-07-01T00:00Z"),
        ("2026-12-19T23:00Z", "2026-12-20T00:00Z"),
    ] {
        assert_eq!(calendar.state(at(now)).next, Some(at(next)), "{now}");
    }
    let past = Calendar {
        windows: Vec::new(),
        freezes: calendar.freezes,
    };
    assert_eq!(past.state(at("2027-01-03T00:00Z")), Openings::default());
}

#[test]
fn the_next_opening_is_past_the_freezes_and_within_a_window() {
    let calendar = calendar();
    let (eu, us, ap) = (
        calendar.group(&labels(&[("region", "eu")])),
        calendar.group(&labels(&[("region", "us")])),
        calendar.group(&labels(&[("region", "ap")])),
    );
    for (group, now, opening) in [
        (eu, "2026-06-29T12:00Z", "2026-06-29T20:00Z"),
        (eu, "2026-06-29T20:30Z", "2026-06-29T20:30Z"),
        (eu, "2026-07-01T00:00Z", "2026-07-08T20:00Z"),
        (eu, "2026-12-19T12:00Z", "2027-01-04T21:00Z"),
        (us, "2026-12-19T12:00Z", "2027-01-04T14:00Z"),
        (ap, "2026-12-24T12:00Z", "2027-01-03T00:00Z"),
        (ap, "2026-07-01T12:00Z", "2026-07-01T12:00Z"),
    ] {
        assert_eq!(
            calendar.next_opening(group, at(now)),
            Some(at(opening)),
            "{now}"
        );
    }
}

#[test]
fn an_opening_is_told_in_utc_and_where_the_window_is() {
    let calendar = calendar();
    let eu = calendar.group(&labels(&[("region", "eu")]));
    let ap = calendar.group(&labels(&[("region", "ap")]));
    let words = |group, now| calendar.opening_in_words(group, at(now)).expect("it opens");
    assert_eq!(
        words(eu, "2026-07-01T00:00Z"),
        "2026-07-08T20:00:00Z (Wed 22:00 Europe/Berlin)"
    );
    assert_eq!(words(ap, "2026-12-24T12:00Z"), "2027-01-03T00:00:00Z");
    let on = calendar
        .freeze_on(eu, at("2026-07-02T00:00Z"))
        .expect("the audit");
    assert_eq!(on.reason, "audit");
    assert_eq!(calendar.freeze_on(ap, at("2026-07-02T00:00Z")), None);
}

#[test]
fn freezes_without_a_break_are_waited_out_one_after_the_other() {
    let month = |n: u32| format!("2026-{n:02}-01T00:00Z");
    let freezes = (1..12).map(|n| freeze(&month(n), &month(n + 1)));
    let calendar = Calendar {
        windows: vec![window("wed 09:00 1h UTC")],
        freezes: freezes.rev().collect(),
    };
    let group = calendar.group(&labels(&[]));
    let opening = calendar.next_opening(group, at("2026-01-01T00:00Z"));
    assert_eq!(opening, Some(at("2026-12-02T09:00Z")));
}

#[test]
fn a_calendar_is_read_back_as_it_was_written() -> serde_json::Result<()> {
    let calendar = calendar();
    let text = serde_json::to_string(&calendar)?;
    assert!(
        text.contains(r#""days":["mon","tue","wed","thu"],"start":"22:00""#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Calendar>(&text)?, calendar);
    Ok(())
}
