//! The agent's own program, from both sides.

mod container;

use super::*;
use crate::names::{OpId, REPLACER_LABEL};
use crate::{Candidate, Cause, Home, Image, Lookup, Program, Slot, Slots, TRIES, Verdict};

const AGENT: &str = "pinion-agent";

fn wanted() -> Assignment {
    Assignment {
        workload: AGENT.parse().expect("a name"),
        ..assignment()
    }
}

fn op() -> OpId {
    OpId::new(Generation(1), Attempt(1), 0)
}

fn slots() -> Slots {
    let program = |n: u8| Program {
        image: Some(digest(n)),
        sha256: format!("{n:02x}").repeat(32),
        size: 1,
    };
    Slots {
        current: Slot::A,
        programs: BTreeMap::from([(Slot::A, program(1)), (Slot::B, program(2))]),
        packaged: None,
        candidate: None,
        verdict: None,
    }
}

fn candidate(confirmed: bool) -> Candidate {
    Candidate {
        op: op(),
        slot: Slot::B,
        tries_left: TRIES,
        crashes: 0,
        deadline: 60 * SECOND,
        confirmed,
        addresses: Vec::new(),
    }
}

/// The program in a slot, with a session for a while.
fn itself(slot: Slot, slots: Slots) -> Itself {
    Itself {
        home: Home::Slot(slot),
        slots: Some(slots),
        session: Some(NOW),
        since: NOW,
    }
}

fn tried(confirmed: bool) -> Itself {
    itself(Slot::B, slots().handed_over(candidate(confirmed)))
}

fn judged(cause: Cause) -> Itself {
    let verdict = Some(Verdict {
        op: op(),
        cause,
        words: "boom".to_owned(),
    });
    itself(Slot::A, Slots { verdict, ..slots() })
}

/// The operation of the old program.
fn replacing(stage: Stage) -> Operation {
    let mut operation = Operation::new(&wanted(), NOW, 0, NOW).at(stage, NOW);
    operation.image = Some(image(2));
    let (own, digest) = itself(Slot::A, slots()).as_container().expect("a slot");
    operation.units = vec![Unit::new(&own, digest)];
    operation.units[0].made = true;
    operation
}

struct Case<'a> {
    operation: Option<Operation>,
    itself: Itself,
    containers: Result<&'a [Container], &'a str>,
    busy_with: Option<&'a WorkloadName>,
    now: Timestamp,
}

impl Case<'_> {
    fn of(stage: Stage, itself: Itself) -> Self {
        Self {
            operation: Some(replacing(stage)),
            itself,
            containers: Ok(&[]),
            busy_with: None,
            now: NOW,
        }
    }

    fn step(&self) -> Step {
        let workload: WorkloadName = AGENT.parse().expect("a name");
        let desired = Desired {
            generation: Generation(1),
            assignments: BTreeMap::from([(workload.clone(), wanted())]),
            catalog: BTreeMap::new(),
        };
        let pulled = Image {
            id: "image-2".to_owned(),
            repo_digests: vec![image(2)],
            repo_tags: vec!["ghcr.io/acme/web:pinion-020202020202".to_owned()],
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            config: serde_json::Value::Null,
        };
        let images = BTreeMap::from([(image(2).to_string(), Lookup::Present(pulled))]);
        let held = record(self.operation.clone());
        let observed = Observed {
            workload: &workload,
            containers: self.containers,
            images: &images,
            busy_with: self.busy_with,
            itself: &self.itself,
            ..observed(&held, &[])
        };
        next(&desired, &observed, self.now)
    }

    /// A call, or what is written, or "rest".
    fn says(&self) -> String {
        said(self.step(), |record| {
            match (record.operation, record.outcome) {
                (Some(operation), _) => {
                    let failure = operation.failure.map(|f| format!(" {}", f.kind));
                    let waits = operation.waiting_for.split(',').next().unwrap_or_default();
                    format!(
                        "{:?}{} {waits}",
                        operation.stage,
                        failure.unwrap_or_default()
                    )
                    .trim()
                    .to_owned()
                }
                (None, Some(outcome)) => format!("{}", outcome.phase),
                (None, None) => "nothing".to_owned(),
            }
        })
    }
}

#[test]
fn an_old_program_lays_the_new_one_and_hands_over_only_with_a_session_and_alone() {
    let bare = Itself::default();
    let without = Slots {
        programs: BTreeMap::from([(Slot::A, slots().programs[&Slot::A].clone())]),
        ..slots()
    };
    let away = Itself {
        session: None,
        ..itself(Slot::A, slots())
    };
    let other: WorkloadName = "web".parse().expect("a name");
    let mut case = Case::of(Stage::Preflight, bare);
    assert_eq!(
        case.says(),
        "Abandon { withdrawn: false } policy",
        "by hand"
    );
    case.itself = itself(Slot::A, slots());
    assert_eq!(case.says(), "Prepare");
    case.itself = itself(Slot::B, slots());
    assert_eq!(case.says(), "Settle", "it is this very program");

    let mut case = Case::of(Stage::Create, itself(Slot::A, without));
    assert_eq!(
        case.says(),
        format!("lay the agent of {} in b", image(2)),
        "nothing is beside it"
    );
    case.itself = away;
    assert_eq!(case.says(), "Create a live session with the coordinator");
    case.itself = itself(Slot::A, slots());
    case.busy_with = Some(&other);
    assert_eq!(case.says(), "Create workload web on this machine");
    case.busy_with = None;
    assert_eq!(case.says(), "Cut");
    assert_eq!(Case::of(Stage::Cut, case.itself).says(), "hand over to b");
    let leaving = itself(Slot::A, slots().handed_over(candidate(false)));
    assert_eq!(Case::of(Stage::Cut, leaving).says(), "rest", "it leaves");
}

#[test]
fn a_new_program_confirms_after_its_session_has_held_and_settles_after_its_soak() {
    let mut case = Case::of(Stage::Cut, tried(false));
    let Step::Write(begun) = case.step() else {
        panic!("it began")
    };
    let begun = begun.operation.expect("it goes on");
    assert_eq!(begun.phase(), AgentPhase::Verifying);
    case.operation = Some(begun);
    assert_eq!(case.says(), "rest", "its session is new");
    case.now = NOW + 4 * SECOND;
    assert_eq!(case.says(), "rest");
    case.now = NOW + 5 * SECOND;
    assert_eq!(case.says(), format!("confirm the agent of {}", op()));
    case.itself.session = None;
    assert_eq!(case.says(), "rest", "it broke meanwhile");
    case.itself = tried(true);
    assert_eq!(case.says(), "Soak");

    let mut case = Case::of(Stage::Soak, tried(true));
    case.now = NOW + 19 * SECOND;
    assert_eq!(case.says(), "rest");
    case.now = NOW + 20 * SECOND;
    assert_eq!(case.says(), "Settle");
    let mut case = Case::of(Stage::Settle, tried(true));
    assert_eq!(case.says(), format!("keep the agent of {}", op()));
    case.itself = itself(Slot::B, slots().handed_over(candidate(true)).kept(&op()));
    assert_eq!(case.says(), "settled");
}

#[test]
fn without_the_engine_a_program_in_a_slot_is_confirmed_and_taken_back_all_the_same() {
    let silent = |stage, itself, seconds| {
        let mut case = Case::of(stage, itself);
        if let Some(operation) = &mut case.operation {
            operation.units[0].began = Some(NOW);
        }
        case.containers = Err("connection refused");
        case.now = NOW + seconds * SECOND;
        case.says()
    };
    assert!(silent(Stage::Cut, tried(false), 9).starts_with("confirm"));
    assert_eq!(silent(Stage::Soak, tried(true), 30), "Settle");
    let crashed = judged(Cause::Interrupted);
    assert_eq!(
        silent(Stage::Cut, crashed.clone(), 0),
        "RollBack indeterminate"
    );
    assert_eq!(silent(Stage::RollBack, crashed, 0), "rolled back");
    assert!(silent(Stage::Create, tried(false), 0).starts_with("Create the container engine"));
}

#[test]
fn whose_fault_it_was_that_a_new_program_was_taken_back() {
    let crashed = || Cause::Crashed {
        how: "exit status: 1".to_owned(),
    };
    let unusable = || Cause::Unusable {
        why: "no".to_owned(),
    };
    let unconfirmed = |reachable| Cause::Unconfirmed { reachable };
    let table = [
        // cause, the old one's session, seconds since its start, what is said
        (crashed(), true, 0, "start"),
        (crashed(), false, 0, "start"),
        (crashed(), false, 99, "start"),
        (unusable(), true, 0, "start"),
        (unusable(), false, 99, "start"),
        (unconfirmed(true), true, 0, "health"),
        (unconfirmed(true), false, 0, "rest"),
        (unconfirmed(true), false, 29, "rest"),
        (unconfirmed(true), false, 30, "indeterminate"),
        (unconfirmed(false), true, 0, "indeterminate"),
        (unconfirmed(false), false, 0, "indeterminate"),
        (unconfirmed(false), false, 99, "indeterminate"),
        (Cause::Interrupted, true, 0, "indeterminate"),
        (Cause::Interrupted, false, 99, "indeterminate"),
        (Cause::Kept, true, 0, "settle"),
        (Cause::Kept, false, 0, "settle"),
    ];
    for stage in [Stage::Cut, Stage::Soak] {
        for (cause, session, seconds, expected) in table.clone() {
            let mut case = Case::of(stage.clone(), judged(cause.clone()));
            case.itself.session = session.then_some(NOW);
            case.now = NOW + seconds * SECOND;
            let expected = match expected {
                "rest" => "rest".to_owned(),
                "settle" => "Settle".to_owned(),
                kind => format!("RollBack {kind}"),
            };
            assert_eq!(
                case.says(),
                expected,
                "{cause:?} session {session} after {seconds} s"
            );
        }
    }
}

#[test]
fn what_was_taken_back_is_told_with_its_last_words_and_what_runs_instead() {
    let mut case = Case::of(
        Stage::Cut,
        judged(Cause::Crashed {
            how: "9".to_owned(),
        }),
    );
    let Step::Write(back) = case.step() else {
        panic!("it goes back")
    };
    case.operation = back.operation;
    let Step::Write(closed) = case.step() else {
        panic!("it is closed")
    };
    let outcome = closed.outcome.expect("an outcome");
    assert_eq!(outcome.phase, AgentPhase::RolledBack);
    assert_eq!(outcome.running, Some(digest(1)));
    assert_eq!(outcome.failure.expect("why").log_tail, "boom");
    assert_eq!(
        closed.failed.len(),
        1,
        "that digest is not tried again by itself"
    );

    let mut case = Case::of(Stage::Cut, judged(Cause::Interrupted));
    let Step::Write(back) = case.step() else {
        panic!("it goes back")
    };
    case.operation = back.operation;
    let Step::Write(closed) = case.step() else {
        panic!("it is closed")
    };
    assert!(
        closed.failed.is_empty(),
        "what tells nothing is held against nobody"
    );
}

#[test]
fn while_the_agent_is_replaced_nothing_else_takes_a_step() {
    let agent: WorkloadName = AGENT.parse().expect("a name");
    for stage in [Stage::Preflight, Stage::Prepare, Stage::Create] {
        let mut begun = operation(stage.clone());
        begun.units.clear();
        let Step::Write(waits) = step_beside(Some(&agent), &record(Some(begun)), &[], NOW) else {
            panic!("{stage:?} says what it waits for");
        };
        let waiting_for = waits.operation.as_ref().map(|o| o.waiting_for.clone());
        assert!(waiting_for.is_some_and(|why| why.contains("the agent of this machine")));
        assert!(matches!(
            step_beside(Some(&agent), &waits, &[], NOW),
            Step::Rest { .. }
        ));
    }
    let web: WorkloadName = "web".parse().expect("a name");
    let all = [
        Stage::Preflight,
        Stage::Prepare,
        Stage::Create,
        Stage::Cut,
        Stage::Soak,
    ];
    for stage in all {
        let is_cut = stage == Stage::Cut;
        let records = BTreeMap::from([
            (web.clone(), record(Some(operation(stage.clone())))),
            (agent.clone(), record(Some(replacing(stage.clone())))),
        ]);
        assert_eq!(
            crate::busy_with(&records, &agent),
            Some(&web),
            "{stage:?}: it is last"
        );
        assert_eq!(
            crate::busy_with(&records, &web).is_some(),
            is_cut,
            "{stage:?}"
        );
    }
}
