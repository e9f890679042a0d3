//! A proof that is in doubt begins anew, and not without end.

use super::*;

const HOURS: Duration = Duration::from_secs(5 * 3600);

fn late(operation: &Operation, containers: &[Container], now: Timestamp) -> bool {
    due_in_use(Seen::NOTHING, operation, containers, now).contains("Abandon")
}

#[test]
fn a_proof_whose_old_one_is_down_is_late_like_any() {
    let begun = beside(Stage::Create, |unit| unit.began = Some(NOW));
    let runs = [was("web", Running, "no"), is(WAITING, Running, "no")];
    let down = [was("web", Exited, "no"), is(WAITING, Exited, "no")];
    let after = NOW + assignment().start_within + SECOND;
    assert!(!late(&begun, &runs, after), "the proof has its deadline");
    assert!(late(&begun, &down, after), "nobody starts it: it is over");
}

#[test]
fn one_that_waited_for_hours_and_is_in_doubt_has_time_to_be_proven_anew_once() {
    let mut waiting = ready(Stage::Create);
    waiting.gate.shut(Vec::new(), NOW);
    let later = NOW + HOURS;
    let mut sick = is(WAITING, Running, "no");
    sick.health = Health::Starting;
    let both = [was("web", Running, "always"), sick];
    let Step::Write(doubted) = step(&record(Some(waiting)), &both, later) else {
        panic!("it is in doubt");
    };
    let doubted = doubted.operation.expect("it goes on");
    assert_eq!(doubted.units[0].doubted, Some(later));
    assert!(!late(&doubted, &both, later + SECOND), "it begins anew");
    let mut again = doubted;
    again.units[0].began = None;
    // The time in which it was held counts beside it.
    let end = later + assignment().start_within + HOURS + SECOND;
    assert!(late(&again, &both, end), "and not without end");
}

#[test]
fn a_break_after_the_change_has_the_deadline_of_a_proof_anew_once() {
    let mut cut = ready(Stage::Cut);
    let later = NOW + HOURS;
    let stopped = was(ASIDE, Exited, "no");
    let mut sick = is("web", Running, "always");
    sick.health = Health::Starting;
    let both = [stopped, sick];
    let Step::Write(broken) = step(&record(Some(cut.clone())), &both, later) else {
        panic!("that is written down");
    };
    let broken = broken.operation.expect("it goes on");
    assert_eq!(
        (&broken.stage, broken.units[0].began),
        (&Stage::Cut, Some(later))
    );
    // What broke within this deadline does not put it off again.
    cut.units[0].began = Some(later);
    let end = later + assignment().healthy_deadline + SECOND;
    let Step::Write(again) = step(&record(Some(cut)), &both, end) else {
        panic!("that is written down");
    };
    let again = again.operation.expect("it goes on");
    assert_eq!(again.units[0].began, Some(later));
    let Step::Write(back) = step(&record(Some(again)), &both, end) else {
        panic!("it goes back");
    };
    assert_eq!(
        back.operation.map(|o| o.stage),
        Some(Stage::RollBack),
        "it was never healthy in time"
    );
}

#[test]
fn an_old_one_that_crashes_by_itself_excuses_the_next_one_once() {
    let mut begun = beside(Stage::Create, |unit| unit.began = Some(NOW));
    let (mut old, mut next) = (was("web", Running, "always"), is(WAITING, Exited, "no"));
    (old.started_at, next.started_at) = (Some(NOW + SECOND), Some(NOW));
    let both = [old, next];
    let doubted = written(&begun, &both);
    assert_eq!(doubted.stage, Stage::Create, "the engine may have ended");
    begun.units[0].doubted = doubted.units[0].doubted;
    assert_eq!(written(&begun, &both).stage, Stage::RollBack);
}

#[test]
fn an_old_one_whose_start_fails_for_good_is_given_up() {
    let mut back = beside(Stage::RollBack, |_| {});
    back.skipped
        .insert("set restart policy no of old".to_owned());
    let both = [was(ASIDE, Exited, "always"), is("web", Running, "no")];
    assert!(written(&back, &both).units[0].lost);
}
