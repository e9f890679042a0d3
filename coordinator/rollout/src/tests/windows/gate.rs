use super::super::bed::Bed;
use super::{at, bed, freeze, nights, override_all, within};
use crate::gates::{Verdict, View, window};

/// `pass`, or `wait` until the next change.
fn answer(bed: &Bed, id: &pinion_model::RolloutId) -> (String, Option<pinion_model::Timestamp>) {
    let mut views = View::all(&bed.world, bed.rollout(id), bed.now);
    match window::check(views.next().expect("a stage")) {
        Verdict::Pass => ("pass".to_owned(), None),
        Verdict::Wait(wait) => (wait.detail, wait.until),
        other => panic!("neither fails nor stops: {other:?}"),
    }
}

#[test]
fn the_window_gate_waits_while_a_machine_of_the_stage_may_not_be_touched() {
    let holidays = || freeze("2026-07-01T20:00Z", "2026-07-03T00:00Z");
    for (now, regions, freezes, shut, until) in [
        (
            "2026-07-01T12:00Z",
            &["eu", "us"][..],
            vec![],
            1,
            Some("2026-07-01T20:00Z"),
        ),
        (
            "2026-07-01T12:00Z",
            &["eu", "eu"],
            vec![],
            2,
            Some("2026-07-01T20:00Z"),
        ),
        ("2026-07-01T12:00Z", &["us", "us"], vec![], 0, None),
        ("2026-07-01T20:00Z", &["eu", "us"], vec![], 0, None),
        ("2026-07-01T23:59Z", &["eu", "us"], vec![], 0, None),
        (
            "2026-07-02T00:00Z",
            &["eu", "us"],
            vec![],
            1,
            Some("2026-07-02T20:00Z"),
        ),
        (
            "2026-07-01T19:59Z",
            &["eu", "us"],
            vec![holidays()],
            1,
            Some("2026-07-01T20:00Z"),
        ),
        (
            "2026-07-01T20:00Z",
            &["eu", "us"],
            vec![holidays()],
            2,
            Some("2026-07-02T00:00Z"),
        ),
        (
            "2026-07-03T00:00Z",
            &["eu", "us"],
            vec![holidays()],
            1,
            Some("2026-07-03T20:00Z"),
        ),
    ] {
        let mut bed = bed(now, regions);
        let id = bed.roll_out(2, within(vec![nights()], freezes));
        let (detail, next) = answer(&bed, &id);
        assert_eq!(next, until.map(at), "{now} {regions:?}");
        let expected = format!("stage 1: {shut} machine(s) outside");
        assert!(
            detail == "pass" && shut == 0 || detail.starts_with(&expected),
            "{now} {regions:?}: {detail}"
        );
        if shut > 0 {
            override_all(&mut bed, &id);
            assert_eq!(answer(&bed, &id), ("pass".to_owned(), None));
        }
    }
}
