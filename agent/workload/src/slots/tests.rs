use pinion_model::{Attempt, Generation};

use super::*;

fn op(generation: u64) -> OpId {
    OpId::new(Generation(generation), Attempt(1), 0)
}

fn program(name: char) -> Program {
    Program {
        image: None,
        sha256: name.to_string().repeat(64),
        size: 1,
    }
}

fn candidate() -> Candidate {
    Candidate {
        op: op(7),
        slot: Slot::B,
        tries_left: TRIES,
        crashes: 0,
        deadline: Duration::from_secs(300),
        confirmed: false,
        addresses: Vec::new(),
    }
}

fn tried() -> Slots {
    let mut slots = Slots::first(program('1'));
    slots.programs.insert(Slot::B, program('2'));
    slots.handed_over(candidate())
}

fn by_itself() -> End {
    End::ByItself("exit status: 1".to_owned())
}

/// Starts and ends until the current one is started; how often the candidate was.
fn until_back(mut slots: Slots, end: &End) -> (Slots, u32) {
    for starts in 0..20 {
        let (started, start) = slots.starting();
        if start.tried_by.is_none() {
            return (started, starts);
        }
        slots = started.ended(&start, end, "boom");
    }
    panic!("the candidate is started for ever");
}

#[test]
fn how_a_candidate_may_end() {
    let crashed = Cause::Crashed {
        how: "exit status: 1".to_owned(),
    };
    let late = |reachable| (End::Late { reachable }, Cause::Unconfirmed { reachable }, 1);
    let table = [
        (by_itself(), crashed, TRIES),
        late(true),
        late(false),
        (
            End::Unusable("no such format".to_owned()),
            Cause::Unusable {
                why: "no such format".to_owned(),
            },
            1,
        ),
    ];
    for (end, cause, starts) in table {
        let (slots, started) = until_back(tried(), &end);
        let verdict = slots.verdict.clone().expect("a verdict");
        assert_eq!(
            (verdict.op, verdict.cause, started),
            (op(7), cause, starts),
            "{end:?}"
        );
        assert_eq!(verdict.words, "boom");
        assert_eq!((slots.current, slots.candidate), (Slot::A, None));
    }
}

#[test]
fn starts_that_nobody_saw_end_are_counted_and_are_nobodys_fault() {
    let mut slots = tried();
    for _ in 0..TRIES {
        let (started, start) = slots.starting();
        assert_eq!(start.slot, Slot::B);
        slots = started;
    }
    let (slots, start) = slots.starting();
    assert_eq!(start.slot, Slot::A);
    assert_eq!(slots.verdict.expect("a verdict").cause, Cause::Interrupted);
}

#[test]
fn a_crash_is_not_excused_by_a_power_loss_after_it() {
    let (slots, start) = tried().starting();
    let mut slots = slots.ended(&start, &by_itself(), "");
    for _ in 1..TRIES {
        slots = slots.starting().0;
    }
    let verdict = slots.starting().0.verdict.expect("a verdict");
    assert!(matches!(verdict.cause, Cause::Crashed { .. }));
}

#[test]
fn a_stop_that_was_asked_for_costs_no_try() {
    let mut slots = tried();
    for _ in 0..10 {
        let (started, start) = slots.starting();
        slots = started.ended(&start, &End::Asked, "");
    }
    assert_eq!(slots, tried());
}

#[test]
fn a_confirmed_candidate_is_taken_back_only_for_its_crashes() {
    let confirmed = tried().confirmed(&op(7));
    let (slots, start) = confirmed.clone().starting();
    assert_eq!((start.slot, start.deadline), (Slot::B, None));
    for end in [End::Asked, End::Late { reachable: true }] {
        assert_eq!(slots.clone().ended(&start, &end, ""), confirmed, "{end:?}");
    }
    let (slots, starts) = until_back(confirmed, &by_itself());
    assert_eq!((slots.current, starts), (Slot::A, TRIES));
}

#[test]
fn a_candidate_is_kept_only_once_confirmed_and_only_by_its_own_operation() {
    assert_eq!(tried().kept(&op(7)), tried());
    assert_eq!(tried().confirmed(&op(8)), tried());
    let kept = tried().confirmed(&op(7)).kept(&op(7));
    assert_eq!((kept.current, &kept.candidate), (Slot::B, &None));
    assert_eq!(kept.clone().kept(&op(7)), kept, "twice is once");
    let (after, start) = kept.clone().starting();
    assert_eq!((after, start.slot), (kept, Slot::B));
}

#[test]
fn another_package_is_run_unless_a_candidate_is_being_tried() {
    let slots = Slots::first(program('1'));
    let (same, other) = ("1".repeat(64), "3".repeat(64));
    assert_eq!(slots.place_for(&same), None);
    assert_eq!(slots.place_for(&other), Some(Slot::B));
    assert_eq!(tried().place_for(&other), None);
    let upgraded = slots.with_package(Slot::B, program('3'));
    assert_eq!(
        (upgraded.current, upgraded.place_for(&other)),
        (Slot::B, None)
    );
}
